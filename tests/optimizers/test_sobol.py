from __future__ import annotations

import math

from harness.optimizer import Optimizer
from harness.optimizers.random import Random
from harness.optimizers.sobol import Sobol
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, given
from harness.trial import Trajectory

SPACE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1e-1, "scale": "log", "default": 1e-3, "meaning": "m"},
        "share": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.0, "meaning": "m"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c", "d"], "default": "a", "meaning": "m"},
    }
)


class TestSobol(OptimizerContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return Sobol(space, seed)


def eight(optimizer: Sobol | Random, first: int = 0) -> list[dict[str, float]]:
    shown = [given(["default"] * first + ["optimizer"] * n) for n in range(8)]
    found = [optimizer.propose(trajectory).config for trajectory in shown]
    return [
        {"log_rate": math.log10(float(c["rate"])), "share": float(c["share"]), "kind": "abcd".index(str(c["kind"]))} for c in found
    ]


def is_balanced(draws: list[dict[str, float]]) -> bool:
    rates = sorted(int((draw["log_rate"] + 5) * 2) for draw in draws)
    shares = sorted(int(draw["share"] * 8) for draw in draws)
    kinds = sorted(draw["kind"] for draw in draws)
    return rates == shares == list(range(8)) and kinds == [0, 0, 1, 1, 2, 2, 3, 3]


def test_eight_trials_fall_into_eight_equal_parts_of_every_axis() -> None:
    for seed in range(20):
        assert is_balanced(eight(Sobol(SPACE, seed)))
        assert not is_balanced(eight(Random(SPACE, seed)))


def test_the_default_tried_first_does_not_cost_the_first_point() -> None:
    assert is_balanced(eight(Sobol(SPACE, 0), first=1))
    assert Sobol(NASTY, 0).propose(given(["default"])) == Sobol(NASTY, 0).propose(Trajectory())


def test_as_the_fallback_of_another_method_it_still_moves_on() -> None:
    assert Sobol(NASTY, 0).propose(given(["fallback"])) != Sobol(NASTY, 0).propose(given(["fallback", "llm"]))
