"""Training one configuration: in this process or in a child, under limits, leaving nothing behind."""

# Of the trainers, the task adapters, the isolation of foreign code, and of how a curve becomes a score (see `harness.importing`).
# 2: the last point of a scikit-learn estimator's curve is what `fit` gives; a training leaves nothing behind for the next one.
VERSION = 2
