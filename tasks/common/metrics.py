"""Losses and scores of predictions, and the epoch of a training curve that they form. NumPy only.

Every score is a percentage, higher is better. If a prediction is not finite, the score is NaN, and the loss is NaN or infinite. Nothing
here raises an error or hides the value, so the harness detects that the training diverged.
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
class Metric:
    """A pair of a loss and a score. Both take predictions of shape (n,) or (n, classes) and targets of shape (n,)."""

    loss: Callable[[Array, Array], float]
    score_pct: Callable[[Array, Array], float]

    def loss_and_score(self, predictions: Array, targets: Array) -> tuple[float, float]:
        """Return (loss, score in percent), computed in double precision. The score is NaN when a prediction is not finite."""
        precise = predictions.astype(np.float64)
        with np.errstate(all="ignore"):
            loss = self.loss(precise, targets)
            return loss, self.score_pct(precise, targets) if np.isfinite(precise).all() else float("nan")


@dataclass(frozen=True)
class Parts:
    """The numbers of rows for training, validation and test; the rows of a data set are in this order. Raises ValueError below 1 row."""

    train: int
    val: int
    test: int

    def __post_init__(self) -> None:
        if min(self.train, self.val, self.test) < 1:
            raise ValueError(
                f"{self.train} rows for training, {self.val} for validation, {self.test} for test: each part needs a row"
            )

    def slices(self) -> tuple[slice, slice, slice]:
        """Return the ranges of rows for training, validation and test."""
        seen = self.train + self.val
        return slice(0, self.train), slice(self.train, seen), slice(seen, seen + self.test)


def epoch_of(predictions: Array, targets: Array, parts: Parts, metric: Metric) -> Epoch:
    """Return the epoch with losses and scores of all three parts, from predictions for all rows: shape (rows,) or (rows, classes)."""
    train, val, test = (metric.loss_and_score(predictions[part], targets[part]) for part in parts.slices())
    return Epoch(val_score_pct=val[1], val_loss=val[0], train_score_pct=train[1], train_loss=train[0], test_score_pct=test[1])


def cross_entropy(logits: Array, targets: Array) -> float:
    """Return the mean of -log softmax(logits)[target], in nats. `logits` has shape (n, classes), `targets` holds class numbers from 0."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(targets)), targets]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))


def accuracy_pct(logits: Array, targets: Array) -> float:
    """Return the percentage of rows whose largest logit, of shape (n, classes), is that of the target class."""
    return float(100.0 * np.mean(logits.argmax(axis=1) == targets))


def logistic_loss(logits: Array, targets: Array) -> float:
    """Return the mean log loss, in nats, of logits of shape (n,) for targets 0 and 1."""
    return float(np.mean(np.logaddexp(0.0, np.where(targets > 0, -logits, logits))))


def auc_pct(logits: Array, targets: Array) -> float:
    """Return the area under the ROC curve in percent: the share of pairs (a positive, a negative row) that the logits order correctly.

    A tie counts half. It is computed as the Mann-Whitney statistic, from the ranks of the positive rows.
    """
    _, place, count = np.unique(logits, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(count) - (count - 1) / 2
    positive = targets > 0
    ones = int(positive.sum())
    zeros = len(targets) - ones
    above = middle_rank[place][positive].sum() - ones * (ones + 1) / 2
    return float(100.0 * above / (ones * zeros))


def squared_error(predictions: Array, targets: Array) -> float:
    """Return the mean squared error, in squared units of the targets."""
    return float(np.mean((predictions - targets) ** 2))


def r2_pct(predictions: Array, targets: Array) -> float:
    """Return the coefficient of determination R2 in percent, clipped at 0 from below.

    R2 has no lower bound, so one very bad configuration would dominate every mean. At 0 a model is as good as a constant prediction;
    how much worse a model is says nothing about a tuner.
    """
    spread = float(np.var(targets))
    return 100.0 * max(0.0, 1.0 - squared_error(predictions, targets) / spread)


MULTICLASS = Metric(cross_entropy, accuracy_pct)
BINARY = Metric(logistic_loss, auc_pct)
REGRESSION = Metric(squared_error, r2_pct)
