from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from support.sweeps import in_full_but

from harness.optimizer import Optimizer
from harness.optimizers._replay import decode, encode, reports
from harness.optimizers.optuna_gp import OptunaGP
from harness.optimizers.skopt_gp import SkoptGP
from harness.optimizers.skopt_rf import SkoptRF
from harness.optimizers.tpe import TPE
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, a_trial
from harness.trial import Proposal, Trajectory, Trial


def trials_of(*scores: float | None) -> list[Trial]:
    return [a_trial(number, Proposal(NASTY.sample(random.Random(number))), score) for number, score in enumerate(scores, start=1)]


def scores_reported(*scores: float | None) -> list[list[tuple[int, float]]]:
    """Return, trial by trial, which trials are reported to a library then, and with which score."""
    trials = trials_of(*scores)
    number = {json.dumps(trial.config): trial.number for trial in trials}
    return [[(number[json.dumps(config)], score) for config, score in reports(trials[:n])] for n in range(1, len(trials) + 1)]


def test_a_failed_trial_is_reported_with_the_worst_score_before_it() -> None:
    reported = scores_reported(50.0, None, 70.0, 40.0, None, -1e300, None)
    assert reported == [[(1, 50.0)], [(2, 50.0)], [(3, 70.0)], [(4, 40.0)], [(5, 40.0)], [(6, -1e9)], [(7, -1e9)]]


@pytest.mark.parametrize("first", [-40.0, 0.0, 40.0])
def test_failures_before_the_first_score_are_delayed_and_then_reported_with_that_score(first: float) -> None:
    assert scores_reported(None, None, first, first + 1) == [[], [], [(3, first), (1, first), (2, first)], [(4, first + 1)]]


@pytest.mark.parametrize("made", in_full_but(lambda made: made in (SkoptGP, TPE), [SkoptGP, SkoptRF, TPE, OptunaGP]))
def test_where_all_scores_are_negative_a_failure_is_not_the_best_that_a_model_knows(made: Callable[..., Optimizer]) -> None:
    space = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m"}})
    failed = a_trial(1, Proposal({"x": 0.1}), None)
    others = [a_trial(n, Proposal({"x": 0.3 + 0.07 * n}), -90.0 + 5 * n) for n in range(2, 8)]
    trajectory = Trajectory((failed, *others))
    asked = [float(made(space, seed, startup_trials=3).propose(trajectory).config["x"]) for seed in range(6)]
    assert sum(x < 0.2 for x in asked) <= 1


@pytest.mark.parametrize("made", [SkoptGP, TPE])
def test_while_nothing_has_a_score_the_draws_go_on(made: Callable[..., Optimizer]) -> None:
    failures = trials_of(*[None] * 6)
    for length in (3, 6):
        shown = Trajectory(tuple(failures[:length]))
        assert made(NASTY, 0, startup_trials=3).propose(shown) == made(NASTY, 0, startup_trials=100).propose(shown)


def test_a_library_sees_a_choice_by_its_index_and_gives_back_the_exact_value() -> None:
    for name in ("batch_size", "mode", "nesterov"):
        hp = NASTY[name]
        values = [hp.from_unit((i + 0.5) / 5) for i in range(5)]
        assert [(type(decode(hp, encode(hp, value))), decode(hp, encode(hp, value))) for value in values] == [
            (type(v), v) for v in values
        ]
    assert [encode(NASTY["mode"], value) for value in ("1", 1, True, 0.5, "none")] == [0, 1, 2, 3, 4]


def test_a_number_that_a_library_rounded_out_of_its_range_is_put_back_into_it() -> None:
    assert decode(NASTY["learning_rate"], 1.0000000000000002) == 1.0
    assert decode(NASTY["units"], 4097) == 4096
