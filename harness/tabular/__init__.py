"""Tabular tasks: every configuration of a grid is trained once, and cells look the outcomes up instead of training.

grid.py      makes the table's space and its configurations from a task's space and levels
journal.py   the trainings done so far; append-only, so that a kill loses few of them
workers.py   trains what is missing, in several processes
progress.py  shows how many trainings are done
header.py    describes a table; can be read without NumPy
table.py     the file of a table: written once, checked when read
replay.py    the task and the trainer that look outcomes up
reference.py the median and the best of a table's scores, by which scores are normalised
verify.py    trains entries again and compares
machine.py   the processor and the library versions that made a table
"""

# Version of the replay: the recorded outcome, cut short by a time limit (see `harness.importing`).
VERSION = 1
