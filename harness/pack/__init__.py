"""The command that puts a study into one file: for its own machine (`packed.zip`), or as a bundle that another machine imports and replays.

__main__.py   the command line
packing.py    finished cells into STUDY/packed.zip, and back
names.py      which files of a study a bundle takes
records.py    what a file must hold to be taken
catalogue.py  bundle.json, the first entry of a bundle: its files with their checksums, tables, models, environments
bundling.py   write a bundle
reading.py    read a bundle, as hostile as it may be
importing.py  make a study of a bundle
replaying.py  run a study again from its own records, and compare
page.py       the page of a study
"""
