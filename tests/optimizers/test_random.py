from __future__ import annotations

import math

from scipy.stats import chisquare, kstest

from harness.optimizer import Optimizer
from harness.optimizers.random import Random
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, given
from harness.trial import Trajectory

SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1e-1, "scale": "log", "default": 1e-3, "meaning": "m"},
        "share": {"type": "float", "low": -2.0, "high": 6.0, "default": 0.0, "meaning": "m"},
        "depth": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "m"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a", "meaning": "m"},
    }
)


class TestRandom(OptimizerContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return Random(space, seed)


def test_values_are_uniform_on_their_own_scale() -> None:
    draws = [Random(SPACE, seed).propose(Trajectory()).config for seed in range(5000)]
    logs = [(math.log10(float(draw["rate"])) + 5) / 4 for draw in draws]
    shares = [(float(draw["share"]) + 2) / 8 for draw in draws]
    assert kstest(logs, "uniform").pvalue > 1e-4
    assert kstest(shares, "uniform").pvalue > 1e-4
    for name, values in (("depth", (1, 2, 3, 4)), ("kind", ("a", "b", "c"))):
        assert chisquare([sum(draw[name] == value for draw in draws) for value in values]).pvalue > 1e-4


def test_trials_of_one_seed_are_independent_draws() -> None:
    optimizer = Random(NASTY, 0)
    rates = [float(optimizer.propose(given(["optimizer"] * n)).config["momentum"]) for n in range(150)]
    assert kstest([(rate + 0.5) / 1.49 for rate in rates], "uniform").pvalue > 1e-4
    assert len(set(rates)) == 150


def test_a_trial_does_not_depend_on_what_came_before_it() -> None:
    optimizer = Random(NASTY, 0)
    assert optimizer.propose(given(["default", "optimizer"])) == optimizer.propose(given(["llm", "fallback"], score=0.0))
