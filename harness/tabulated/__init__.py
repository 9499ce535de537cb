"""Tabulated tasks: every configuration of a grid trained beforehand, and replayed instead of trained.

grid.py      from a task's space and its levels to the space of the table and its configurations
entry.py     one training of the table
part.py      what is trained so far: append-only, so that a kill costs one training
make.py      trains what is missing, side by side
header.py    what a table says of itself; read without NumPy
file.py      the table file: written once, checked when read
replay.py    a Trainer that looks its outcomes up
verify.py    trains entries again and compares
"""
