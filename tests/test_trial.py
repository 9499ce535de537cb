from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from support.values import curves, epoch, trial

from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial, incumbent, incumbents


@given(curves())
def test_a_training_is_scored_by_its_first_best_epoch_and_tested_at_that_epoch(curve: tuple[Epoch, ...]) -> None:
    outcome = Outcome.of_curve(curve, 1.0)
    scores = [e.val_score_pct for e in curve]
    best = curve[scores.index(max(scores))]
    assert (outcome.val_score_pct, outcome.test_score_pct, outcome.best_epoch) == (
        best.val_score_pct,
        best.test_score_pct,
        best.number,
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["val_score_pct", "val_loss", "train_score_pct", "train_loss", "test_score_pct"])
def test_every_measure_that_is_not_finite_is_named(name: str, value: float) -> None:
    measures: dict[str, Any] = {name: value}
    assert replace(epoch(), **measures).non_finite() == f"{name} is {value}"
    assert epoch().non_finite() is None


def test_a_failed_training_can_have_no_score_and_a_finished_one_no_error() -> None:
    with pytest.raises(ValueError, match="finite score exactly when it is ok"):
        Outcome(Status.CRASHED, (), 1.0, val_score_pct=50.0, error="gone")
    with pytest.raises(ValueError, match="finite score exactly when it is ok"):
        Outcome(Status.OK, (epoch(),), 1.0)
    with pytest.raises(ValueError, match="finite score exactly when it is ok"):
        Outcome(Status.OK, (epoch(),), 1.0, val_score_pct=math.nan)
    with pytest.raises(ValueError, match="error exactly when it is not ok"):
        Outcome(Status.OK, (epoch(),), 1.0, val_score_pct=1.0, error="gone")
    with pytest.raises(ValueError, match="error exactly when it is not ok"):
        Outcome(Status.DIVERGED, (), 1.0)


@pytest.mark.parametrize("source", ["", "LLM", "llm-retry-0", "llm-retry-", "llm-retry-1 ", "random", "optimizer\n"])
def test_a_source_that_is_not_one_of_the_known_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="unknown source"):
        Proposal({}, source)


def test_a_trajectory_never_shows_a_test_score() -> None:
    shown = trial(1)
    assert shown.outcome.test_score_pct is not None
    with pytest.raises(ValueError, match="shows its test score"):
        Trajectory((shown,))
    for trajectory in (Trajectory.of((shown,)), Trajectory().then(shown)):
        assert trajectory[0].outcome.test_score_pct is None
        assert all(e.test_score_pct is None for e in trajectory[0].outcome.curve)
        assert trajectory[0].score == shown.score
    assert shown.outcome.test_score_pct is not None


def test_a_trajectory_is_numbered_from_one_without_gaps() -> None:
    with pytest.raises(ValueError, match="trial 2 stands in place 1"):
        Trajectory.of((trial(2),))
    with pytest.raises(ValueError, match="trial 1 stands in place 2"):
        Trajectory.of((trial(1),)).then(trial(1))


def test_the_incumbent_is_the_first_of_the_best_and_failures_are_never_it() -> None:
    trials = (trial(1, None), trial(2, 40.0), trial(3, 60.0), trial(4, 60.0), trial(5, None))
    assert incumbent(trials) == trials[2]
    assert Trajectory.of(trials).incumbent == trials[2].without_test()
    assert incumbent((trial(1, None),)) is None
    assert incumbent(()) is None


def test_the_incumbent_is_known_after_every_trial() -> None:
    trials = tuple(trial(number, score) for number, score in enumerate((None, 5.0, 4.0, 5.0, None, 6.0), start=1))
    assert [None if best is None else best.number for best in incumbents(trials)] == [None, 2, 2, 2, 2, 6]


def test_negative_scores_have_an_incumbent_too() -> None:
    assert incumbent((trial(1, -50.0), trial(2, -10.0))) == trial(2, -10.0)


def test_values_are_frozen() -> None:
    for value, name in ((trial(1), "number"), (epoch(), "val_loss"), (Proposal({}), "source"), (Trajectory(), "trials")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, 1)


def test_a_trial_s_score_is_its_validation_score() -> None:
    failed = Trial(1, Proposal({"x": 1}), Outcome.failed(Status.TIMEOUT, "late", (epoch(),), 3.0))
    assert (failed.score, failed.config, failed.outcome.ok) == (None, {"x": 1}, False)
    assert trial(1, 70.0).score == 70.0
