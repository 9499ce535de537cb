"""Scores in another unit, of which lower ones are better: what a reader of the summary sees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.tcs import Format, render, summarize
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.testing import trajectories as made
from harness.trial import Direction, Epoch, Objective, Outcome, Proposal, Trajectory, Trial, incumbent

RMSE = Objective("rmse", Direction.MINIMIZE, "mg/dl", 0.45)  # a point is half a mg/dl


def trial(number: int, *val: float) -> Trial:
    rows = tuple(Epoch(value, value**2, value - 1.0, None, value + 2.0, number=i) for i, value in enumerate(val, start=1))
    config = made.SPACE.default()
    return Trial(number, Proposal(config), Outcome.of_curve(rows, 1.0, RMSE))


TRIALS = (trial(1, 70, 66, 64, 63, 62.5, 62.4), trial(2, 60, 56, 55, 54.5, 54.25, 54.5), trial(3, 80, 75, 70, 66, 63, 60))


def test_a_lower_score_is_the_better_epoch_and_the_better_trial() -> None:
    assert [(t.outcome.best_epoch, t.score) for t in TRIALS] == [(6, 62.4), (5, 54.25), (6, 60.0)]
    assert incumbent(TRIALS, RMSE) is TRIALS[1]
    assert TRIALS[1].outcome.test_score_pct == 56.25  # of the same epoch


def test_methods_see_points_of_which_higher_ones_are_better_and_no_test_score() -> None:
    shown = Trajectory.of(TRIALS, RMSE)
    assert [t.score for t in shown] == [-124.8, -108.5, -120.0]
    assert shown.incumbent is shown[1]
    assert shown == Trajectory((), RMSE).then(TRIALS[0]).then(TRIALS[1]).then(TRIALS[2])
    assert shown[1].outcome.curve[0].train_score_pct == -118.0
    assert RMSE.value(-108.5) == 54.25
    assert RMSE.text(54.25) == "54.250 mg/dl"


def test_the_summary_is_in_the_unit_of_the_objective() -> None:
    text = render(summarize(made.SPACE, Trajectory.of(TRIALS, RMSE), 10), Format.TEXT)
    assert "scores: rmse in mg/dl, lower is better; a positive difference is an improvement" in text
    assert "incumbent: trial 2, score 54.25; no improvement in 1 trial since" in text
    assert "runner up: trial 3, 5.75 behind" in text
    assert "worst 62.4" in text
    assert "best 60 at epoch 6 of 6, first 80, final 60" in text
    assert "mg/dl better in" in text
    assert "%" not in text.partition("[last trial]")[2].partition("[curves]")[0].partition("validation loss")[0].replace("95%", "")
    assert "-108" not in text
    assert "points" not in text


def test_scores_that_fall_as_they_should_are_not_called_rising() -> None:
    text = render(summarize(made.SPACE, Trajectory.of((*TRIALS, trial(4, 40, 39, 38)), RMSE), 10), Format.TEXT)
    assert "trend: improving: " in text
    assert "rising" not in text


def test_thresholds_are_those_of_the_margin() -> None:
    # A fall of 20 points is a collapse: 10 mg/dl here.
    fell = replace(
        TRIALS[1], outcome=Outcome.of_curve(tuple(Epoch(v, number=i) for i, v in enumerate([50, 51, *[61.0] * 8], 1)), 1.0, RMSE)
    )
    text = render(summarize(made.SPACE, Trajectory.of((replace(fell, number=1),), RMSE), 10), Format.TEXT)
    assert "diverged: got worse by 11 mg/dl against its best and stayed there" in text


@pytest.mark.parametrize("number", [0.0, 0.123456, 88.125, -3.5, 1e9])
def test_a_percentage_is_written_as_it_is(number: float) -> None:
    assert PERCENT_SCALE.score(number) == Scale(Objective("accuracy")).difference(number)
    assert PERCENT_SCALE.meaning == ""
    assert Objective("auc").points(number) == number
