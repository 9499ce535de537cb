"""One case for each threshold, and for each state with too little to say."""

from __future__ import annotations

import math

import pytest
from support.published import reader, trainings

from harness.optimizers.published.history import Training, recent
from harness.optimizers.published.metric import TARGETS, Metric, told_name
from harness.optimizers.published.pattern import Pattern, pattern_of
from harness.trial import Direction, Objective


@pytest.mark.parametrize(
    ("metric", "scores", "trend"),
    [
        ("accuracy", [0.5, 0.6], "improving"),
        ("accuracy", [0.6, 0.5], "degrading"),
        ("accuracy", [0.5, 0.505], "stagnant"),
        ("accuracy", [0.0, 0.01], "stagnant"),  # a change of exactly 0.01 is not above it
        ("accuracy", [0.01, 0.0], "stagnant"),
        ("accuracy", [0.82, 0.83], "improving"),  # as floats, this is a little above
        ("loss", [0.6, 0.5], "improving"),
        ("loss", [0.5, 0.6], "degrading"),
        ("accuracy", [0.5], "insufficient data"),
        ("accuracy", [], "unknown"),
        ("accuracy", [0.9, 0.1, 0.5, 0.6], "improving"),
        ("accuracy", [0.5, math.nan], "stagnant"),
    ],
)
def test_the_trend(metric: str, scores: list[float], trend: str) -> None:
    assert pattern_of(trainings(metric, scores), reader(metric)).trend == trend


@pytest.mark.parametrize(
    ("metric", "score", "level"),
    [
        ("accuracy", 0.90, "excellent"),
        ("accuracy", 0.8999, "good"),
        ("accuracy", 0.9 * 0.95, "good"),
        ("accuracy", 0.854, "fair"),
        ("accuracy", 0.9 * 0.90, "fair"),
        ("accuracy", 0.80, "poor"),
        ("accuracy", math.nan, "poor"),
        ("loss", 0.1, "excellent"),
        ("loss", 0.1 * 1.1, "good"),
        ("loss", 0.1 * 1.2, "fair"),
        ("loss", 0.13, "poor"),
    ],
)
def test_the_level(metric: str, score: float, level: str) -> None:
    assert Metric.named(metric).level(score) == level


@pytest.mark.parametrize(
    ("metric", "score", "gap"),
    [
        ("accuracy", 0.8, 0.9 - 0.8),
        ("accuracy", 0.95, 0.0),
        ("loss", 0.3, 0.3 - 0.1),
        ("loss", 0.05, 0.0),
        ("accuracy", math.nan, 0.0),
    ],
)
def test_the_gap_is_what_is_left_to_the_target(metric: str, score: float, gap: float) -> None:
    assert Metric.named(metric).gap(score) == gap


@pytest.mark.parametrize(
    ("metric", "score", "train", "word"),
    [
        ("accuracy", 0.5, 0.61, "HIGH"),
        ("accuracy", 0.0, 0.1, "MODERATE"),
        ("accuracy", 0.5, 0.56, "MODERATE"),
        ("accuracy", 0.0, 0.05, "LOW"),
        ("accuracy", 0.5, 0.3, "LOW"),
        ("loss", 0.5, 0.3, "HIGH"),
        ("loss", 0.5, 0.6, "LOW"),
    ],
)
def test_overfitting(metric: str, score: float, train: float, word: str) -> None:
    assert pattern_of(trainings(metric, [0.2, score], [0.2, train]), reader(metric)).overfitting == word


def test_the_train_metric_of_val_accuracy_is_looked_up_by_a_name_that_it_does_not_have() -> None:
    made = [Training(n, {}, {"val_accuracy": [0.5], "train_accuracy": [0.9]}) for n in range(2)]
    assert pattern_of(made, reader("val_accuracy")).overfitting == "UNKNOWN"
    assert pattern_of(made, reader("val_accuracy", real_train=True)).overfitting == "HIGH"


def test_the_window_of_five_entries_holds_one_then_two_then_three_trainings() -> None:
    made = trainings("accuracy", [0.1] * 6)
    assert [len(recent(made[:count])) for count in range(7)] == [0, 1, 2, 3, 3, 3, 3]
    assert recent(made)[0] is made[3]


def test_a_missing_last_score_leaves_the_state_to_the_last_two_there_are() -> None:
    found = pattern_of(trainings("accuracy", [0.5, 0.7, None]), reader("accuracy"))
    assert (found.trend, found.current, found.level) == ("improving", 0.7, "poor")


def test_scores_outside_the_window_do_not_count() -> None:
    assert pattern_of(trainings("accuracy", [0.5, 0.7, None, None]), reader("accuracy")) == Pattern("insufficient data")


def test_before_the_second_training_there_is_a_trend_and_nothing_else() -> None:
    assert pattern_of(trainings("accuracy", [0.5]), reader("accuracy")) == Pattern("insufficient data")
    assert pattern_of([], reader("accuracy")) == Pattern("unknown", 0.0, 0.0, "UNKNOWN", 0.0, "UNKNOWN", 0.0)


def test_the_best_epoch_is_read_where_a_switch_says_so() -> None:
    made = [Training(0, {}, {"accuracy": [0.2, 0.8, 0.4], "train_accuracy": [0.1, 0.2, 0.3]})]
    assert (reader("accuracy").score(made[0]), reader("accuracy").train_score(made[0])) == (0.4, 0.3)
    best = reader("accuracy", best=True)
    assert (best.score(made[0]), best.train_score(made[0])) == (0.8, 0.2)


def test_a_score_may_be_a_number_instead_of_a_curve() -> None:
    assert reader("accuracy").score(Training(0, {}, {"accuracy": 0.4})) == 0.4
    assert reader("accuracy").score(Training(0, {}, {"accuracy": []})) is None


@pytest.mark.parametrize(
    ("name", "target", "higher"),
    [("val_accuracy", 0.9, True), ("auc", 0.97, True), ("r2_score", 0.7, True), ("perplexity", 50.0, False), ("mse", 0.01, False)],
)
def test_the_target_follows_from_the_name(name: str, target: float, higher: bool) -> None:
    found = Metric.named(name)
    assert (found.target, found.higher_is_better, found.known) == (target, higher, True)
    assert found.first_target == (0.6 if name == "r2_score" else target)


def test_an_unknown_name_has_a_target_and_higher_is_better_even_if_it_is_called_a_loss() -> None:
    found = Metric.named("my_loss")
    assert (found.target, found.higher_is_better, found.known) == (0.85, True, False)
    assert len(TARGETS) == 36


@pytest.mark.parametrize(
    ("objective", "card", "name"),
    [
        (Objective(), "accuracy in percent", "val_accuracy"),
        (Objective(), "best validation accuracy in percent", "val_accuracy"),
        (Objective(), "area under the ROC curve in percent", "auc"),
        (Objective(), "explained variance of the stars (R2) in percent, 0 where negative", "r2_score"),
        (Objective(), "percent of the bowl's top", "score"),
        (Objective("accuracy"), "anything", "val_accuracy"),
        (Objective("R2"), "anything", "r2_score"),
        (Objective("RMSE", Direction.MINIMIZE, "mg/dl", 1.0), "accuracy", "rmse"),
        (Objective("price error", Direction.MINIMIZE, "EUR", 1.0), "accuracy", "price_error"),
        (Objective("balanced accuracy"), "accuracy", "balanced_accuracy"),
    ],
)
def test_a_task_is_told_by_the_name_of_its_metric(objective: Objective, card: str, name: str) -> None:
    assert told_name(objective, card) == name
