"""Six tunable problems over five domains, one a file; each is named and described by a YAML in `conf/task/`.

`fitting.py` is the training loop of the five that are neural networks, `measures.py` turns predictions into an epoch's losses and scores.
"""
