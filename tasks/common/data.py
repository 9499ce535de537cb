"""Data that two tasks share. Its split never depends on the seed of a training."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from harness.tasks.common.metrics import Array, Parts

SPLIT_SEED = 20250918


@cache
def digits(train_size: int, val_size: int) -> tuple[Array, Array, Parts]:
    """Return scikit-learn's 1,797 digits in the order train, val, test.

    Pixels have shape (rows, 64), with mean 0 and variance 1 over all pixels; labels have shape (rows,), in 0..9. The rows after the
    first `train_size + val_size` are for test.
    """
    pixels, labels = load_digits(return_X_y=True)
    order = balanced_order(labels, SPLIT_SEED)
    grey = (pixels - pixels.mean()) / pixels.std()
    return grey[order], labels[order], Parts(train_size, val_size, len(labels) - train_size - val_size)


def balanced_order(labels: Array, seed: int) -> Array:
    """Return row numbers in random order, such that any range of consecutive rows holds (nearly) equal numbers of each class.

    The first row of each class comes first, then the second row of each class, and so on.
    """
    # The stream of RandomState never changes (NEP 19), unlike the streams of NumPy's newer generators.
    shuffled = np.random.RandomState(seed).permutation(len(labels))
    turn = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        of_label = labels[shuffled] == label
        turn[of_label] = np.arange(of_label.sum())
    return shuffled[np.argsort(turn, kind="stable")]
