"""Training one configuration, in this process or in a child process, under limits and without side effects. See README.md."""

# Version of the code that decides the outcome of a training: trainers, task adapters, isolation, and how a curve becomes a score (see
# `harness.importing`).
# 2: the last point of a scikit-learn estimator's curve is what `fit` gives; a training does not affect the next one.
VERSION = 2
