"""Tabular tasks: every configuration of a grid is trained beforehand, and looked up instead of trained.

grid.py      from a task's space and its levels to the space of the table and its configurations
journal.py   what is trained so far: append-only, so that a kill costs one training
workers.py   trains what is missing, in several processes
header.py    what a table says of itself; read without NumPy
table.py     the table file: written once, checked when read
replay.py    a trainer that looks its outcomes up
verify.py    trains entries again and compares
machine.py   the processor and versions that made a table
"""

# Of the replay of recorded trainings: the recorded outcome, cut short by a time limit (see `harness.importing`).
VERSION = 1
