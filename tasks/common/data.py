"""Data that two tasks share, and splits that never depend on a training's seed."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from harness.tasks.common.metrics import Array, Parts

SPLIT_SEED = 20250918


@cache
def digits(train_size: int, val_size: int) -> tuple[Array, Array, Parts]:
    """Return scikit-learn's 1,797 digits in the order train, val, test: pixels, shape (rows, 64), and labels.

    Grey levels have mean 0 and variance 1 over all pixels.
    """
    pixels, labels = load_digits(return_X_y=True)
    order = balanced_order(labels, SPLIT_SEED)
    grey = (pixels - pixels.mean()) / pixels.std()
    return grey[order], labels[order], Parts(train_size, val_size, len(labels) - train_size - val_size)


def balanced_order(labels: Array, seed: int) -> Array:
    """Return row numbers in random order, but so that any stretch of rows holds the classes in (nearly) equal numbers.

    The first row of each class comes first, then each one's second, and so on.
    """
    # RandomState's stream is frozen for good (NEP 19), unlike that of NumPy's newer generators.
    shuffled = np.random.RandomState(seed).permutation(len(labels))
    turn = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        of_label = labels[shuffled] == label
        turn[of_label] = np.arange(of_label.sum())
    return shuffled[np.argsort(turn, kind="stable")]
