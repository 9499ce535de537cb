"""Losses and scores, against scikit-learn's and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from harness.tasks.common.metrics import BINARY, MULTICLASS, REGRESSION, Metric, Parts, epoch_of

RNG = np.random.RandomState(0)


def test_classes_agree_with_scikit_learn() -> None:
    logits, targets = RNG.normal(0, 3, (200, 5)), RNG.randint(5, size=200)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, score = MULTICLASS.loss_and_score(logits, targets)
    assert loss == pytest.approx(metrics.log_loss(targets, shares, labels=range(5)))
    assert score == pytest.approx(100 * metrics.accuracy_score(targets, logits.argmax(axis=1)))


@pytest.mark.parametrize("decimals", [6, 0])
def test_yes_or_no_agrees_with_scikit_learn_with_and_without_ties(decimals: int) -> None:
    logits, targets = RNG.normal(0, 1, 300).round(decimals), RNG.randint(2, size=300)
    loss, score = BINARY.loss_and_score(logits, targets)
    assert loss == pytest.approx(metrics.log_loss(targets, 1 / (1 + np.exp(-logits))))
    assert score == pytest.approx(100 * metrics.roc_auc_score(targets, logits))


def test_numbers_agree_with_scikit_learn() -> None:
    targets = RNG.normal(5, 2, 100)
    predictions = targets + RNG.normal(0, 1, 100)
    loss, score = REGRESSION.loss_and_score(predictions, targets)
    assert loss == pytest.approx(metrics.mean_squared_error(targets, predictions))
    assert score == pytest.approx(100 * metrics.r2_score(targets, predictions))


def test_an_awful_regression_scores_zero_and_keeps_its_loss() -> None:
    loss, score = REGRESSION.loss_and_score(np.full(10, 1e6), np.arange(10.0))
    assert loss > 1e11
    assert score == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(("metric", "shape"), [(MULTICLASS, (4, 3)), (BINARY, (4,)), (REGRESSION, (4,))])
def test_a_prediction_that_is_not_finite_has_no_score(metric: Metric, shape: tuple[int, ...], bad: float) -> None:
    predictions = np.zeros(shape, dtype=np.float32)
    predictions.reshape(-1)[0] = bad
    loss, score = metric.loss_and_score(predictions, np.array([1, 0, 1, 0]))
    assert math.isnan(score)
    # A logit of infinity is certain of class 1, and right: nothing is lost.
    assert (metric is BINARY and bad == math.inf) == math.isfinite(loss)


def test_huge_logits_have_a_huge_loss_and_not_an_infinite_one() -> None:
    assert MULTICLASS.loss_and_score(np.array([[0.0, 1e30]]), np.array([0]))[0] == pytest.approx(1e30)
    assert BINARY.loss_and_score(np.array([-1e30, 0.0]), np.array([1, 0]))[0] == pytest.approx(5e29)


def test_an_epoch_measures_each_part_by_itself() -> None:
    predictions, targets = np.array([0.0, 1.0, 0.0, 2.0, 0.0, 4.0]), np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    epoch = epoch_of(predictions, targets, Parts(2, 2, 2), REGRESSION)
    assert (epoch.train_loss, epoch.val_loss) == (0.0, 0.5)
    assert (epoch.train_score_pct, epoch.val_score_pct, epoch.test_score_pct) == (100.0, 0.0, 0.0)


def test_a_part_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="each part needs a row"):
        Parts(1797, 0, 0)
