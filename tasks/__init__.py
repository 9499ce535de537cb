"""Tunable problems, one per file. A YAML in `conf/task/` names and describes each of them.

core/     six small tasks from five domains, on generated data or data that scikit-learn ships
full/     tasks on public data sets
toy.py    a task without training cost, to test the harness itself
common/   shared code: `training_loop.py` trains the neural networks, `metrics.py` turns predictions into losses and scores
"""
