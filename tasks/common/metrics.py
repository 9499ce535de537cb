"""Losses and scores of predictions, and the row of a training curve that they make. NumPy only.

Every score is a percentage, higher is better. A prediction that is not finite has no score: the score is then NaN, and so is the
loss unless it is infinite; nothing here raises or hides it, so the harness sees that the training diverged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness import Epoch

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Measure:
    """A loss and a score. Both take predictions, shape (n,) or (n, classes), and targets, shape (n,)."""

    loss: Callable[[Array, Array], float]
    score_pct: Callable[[Array, Array], float]

    def both(self, predictions: Array, targets: Array) -> tuple[float, float]:
        """Return (loss, score in percent), computed in double precision."""
        precise = predictions.astype(np.float64)
        with np.errstate(all="ignore"):
            loss = self.loss(precise, targets)
            return loss, self.score_pct(precise, targets) if np.isfinite(precise).all() else float("nan")


@dataclass(frozen=True)
class Parts:
    """How many of a data set's rows, in this order, are for training, for validation and for test."""

    train: int
    val: int
    test: int

    def __post_init__(self) -> None:
        if min(self.train, self.val, self.test) < 1:
            raise ValueError(
                f"{self.train} rows for training, {self.val} for validation, {self.test} for test: each part needs a row"
            )

    def slices(self) -> tuple[slice, slice, slice]:
        """Return the three stretches of rows."""
        seen = self.train + self.val
        return slice(0, self.train), slice(self.train, seen), slice(seen, seen + self.test)


def epoch_of(predictions: Array, targets: Array, parts: Parts, measure: Measure) -> Epoch:
    """Return the curve's row for predictions of every row of the data, shape (rows,) or (rows, classes)."""
    train, val, test = (measure.both(predictions[part], targets[part]) for part in parts.slices())
    return Epoch(val_score_pct=val[1], val_loss=val[0], train_score_pct=train[1], train_loss=train[0], test_score_pct=test[1])


def cross_entropy(logits: Array, targets: Array) -> float:
    """Return the mean of -log softmax(logits)[target], in nats; `logits` has shape (n, classes), `targets` holds class numbers."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(targets)), targets]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))


def accuracy_pct(logits: Array, targets: Array) -> float:
    """Return the percentage of rows whose largest logit is the target's."""
    return float(100.0 * np.mean(logits.argmax(axis=1) == targets))


def logistic_loss(logits: Array, targets: Array) -> float:
    """Return the mean log loss in nats of logits, shape (n,), against targets of 0 and 1."""
    return float(np.mean(np.logaddexp(0.0, np.where(targets > 0, -logits, logits))))


def auc_pct(logits: Array, targets: Array) -> float:
    """Return the area under the ROC curve in percent: the share of (1, 0) pairs in the right order, a tie counting half.

    It is the Mann-Whitney statistic, from the ranks of the positive rows.
    """
    _, place, count = np.unique(logits, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(count) - (count - 1) / 2
    positive = targets > 0
    ones = int(positive.sum())
    zeros = len(targets) - ones
    above = middle_rank[place][positive].sum() - ones * (ones + 1) / 2
    return float(100.0 * above / (ones * zeros))


def squared_error(predictions: Array, targets: Array) -> float:
    """Return the mean squared error, in squared units of the target."""
    return float(np.mean((predictions - targets) ** 2))


def r2_pct(predictions: Array, targets: Array) -> float:
    """Return the explained share of the variance, R2, in percent, and 0 where it is negative.

    R2 has no lower end: one awful configuration at minus a million would decide every mean that it enters. At 0 a model does no
    better than the constant prediction, and how much worse says nothing about a tuner.
    """
    spread = float(np.var(targets))
    return 100.0 * max(0.0, 1.0 - squared_error(predictions, targets) / spread)


CLASSES = Measure(cross_entropy, accuracy_pct)
YES_OR_NO = Measure(logistic_loss, auc_pct)
NUMBERS = Measure(squared_error, r2_pct)
