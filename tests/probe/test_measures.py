"""Distances, and what is compared with what."""

from __future__ import annotations

import math

import pytest

from harness.probe.changes import CHANGES
from harness.probe.measures import Answered, compared, distance, effects, moved
from harness.report.analysis.intervals import Resampling
from harness.space import Config, Space
from harness.testing.trajectories import SPACE, config

HOW = Resampling(resamples=500)
LINE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "a place"}})
CHANGE = CHANGES["status.best"]


def state(plain: list[float], changed: list[float], *, aim: float = 1.0, favours: bool = True, task: str = "t") -> Answered:
    """Return a state on the line from 0 to 1; the repeated question gives the first answer again."""
    at: list[dict[int, Config]] = [{draw: {"x": x} for draw, x in enumerate(values)} for values in (plain, changed)]
    return Answered(task, LINE, at[0], at[0].get(0), {CHANGE.key: at[1]}, {CHANGE.key: ({"x": aim}, favours)})


def test_the_distance_is_the_mean_difference_on_the_scales_of_the_hyperparameters() -> None:
    assert distance(SPACE, config(), config()) == 0.0
    # log scale from 1e-5 to 1: two decades of five; 1 of 4 active ones
    assert distance(SPACE, config(), config(learning_rate=1e-1)) == pytest.approx(2 / 5 / 4)
    assert distance(SPACE, config(), config(optimizer="rmsprop")) == pytest.approx(1 / 4)
    # momentum is active in one of the two alone
    assert distance(SPACE, config(), config(optimizer="sgd")) == pytest.approx(2 / 5)
    assert distance(SPACE, config(optimizer="sgd", momentum=0.0), config(optimizer="sgd", momentum=0.99)) == pytest.approx(1 / 5)


def test_floats_in_three_digits_have_not_moved() -> None:
    assert not moved({"x": 0.50001}, {"x": 0.5})
    assert moved({"x": 0.501}, {"x": 0.5})


def test_pairs_of_other_seeds_stand_beside_pairs_of_unchanged_answers() -> None:
    one = compared(state([0.1, 0.3], [0.1, 0.7]), CHANGE.key)
    assert one is not None
    # (c0, b1) and (c1, b0) move by 0.2 and 0.6; (b0, b1) by 0.2
    assert one.often == (1.0, 1.0)
    assert one.far == pytest.approx((0.4, 0.2))
    # at the same seed: (c0, b0) and (c1, b1), and the repeat
    assert one.same_often == (0.5, 0.0)
    assert one.same_far == pytest.approx((0.2, 0.0))
    assert one.toward == pytest.approx(0.2)
    against = compared(state([0.1, 0.3], [0.1, 0.7], favours=False), CHANGE.key)
    assert against is not None
    assert against.toward == pytest.approx(-0.2)


@pytest.mark.parametrize(("plain", "changed"), [([], [0.1, 0.2]), ([0.1], [0.1, 0.2]), ([0.1, 0.2], [])])
def test_a_state_without_enough_answers_is_not_compared(plain: list[float], changed: list[float]) -> None:
    assert compared(state(plain, changed), CHANGE.key) is None


def test_answers_of_one_distribution_differ_by_nothing_on_average() -> None:
    # All ways to draw two answers of each kind from {0, 1}: the mean difference is exactly 0.
    draws = [[float(i & 1), float(i >> 1 & 1)] for i in range(4)]
    found = [compared(state(plain, changed), CHANGE.key) for plain in draws for changed in draws]
    kept = [one for one in found if one]
    assert len(kept) == 16
    assert math.fsum(one.often[0] - one.often[1] for one in kept) == 0.0
    assert math.fsum(one.far[0] - one.far[1] for one in kept) == 0.0


def test_there_is_no_interval_from_few_states() -> None:
    few = [state([0.1, 0.2 + i / 50], [0.8, 0.9 - i / 40]) for i in range(4)]
    (effect,) = effects(few, [CHANGE], HOW)
    assert effect.states == 4
    assert math.isnan(effect.farther.low)
    assert effect.farther.why == "it takes 5 states"
    assert effect.toward.value > 0.5


def test_a_clear_move_is_seen_and_its_direction_too() -> None:
    many = [state([0.1, 0.2 + i / 50], [0.8, 0.9 - i / 40]) for i in range(10)]
    (effect,) = effects(many, [CHANGE], HOW)
    assert effect.farther.low > 0.3
    assert effect.toward.low > 0.3
    assert effect.p[1] < 0.05
    # Every pair moves, also of unchanged answers: nothing to judge by.
    assert math.isnan(effect.p[0])


def test_means_are_over_tasks() -> None:
    uneven = [state([0.0, 0.0], [1.0, 1.0], task="a"), *(state([0.0, 0.0], [0.0, 0.0], task="b") for _ in range(3))]
    (effect,) = effects(uneven, [CHANGE], HOW)
    assert effect.often == (0.5, 0.0)


def test_a_change_that_no_state_holds_has_no_value() -> None:
    (effect,) = effects([state([0.1, 0.2], [0.1, 0.2])], [CHANGES["phase.mode"]], HOW)
    assert effect.states == 0
    assert math.isnan(effect.more.value)
