"""Tunable problems, one a file; each is named and described by a YAML in `conf/task/`. The core suite has six, over five domains.

`fitting.py` is the training loop that its neural networks share; `measures.py` turns predictions into an epoch's losses and scores.
"""
