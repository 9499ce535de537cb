from __future__ import annotations

import pytest

from harness.errors import SettingsError
from harness.optimizer import DefaultFirst, Optimizer
from harness.optimizers.cma_es import CmaEs
from harness.optimizers.random import Random
from harness.space import Space
from harness.testing.contracts.optimizer import ModelContract, run
from harness.trial import Proposal

FLAGS = Space.from_mapping({name: {"type": "bool", "default": True, "meaning": "m"} for name in "ab"})
BOWL = Space.from_mapping(
    {
        **{name: {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m"} for name in "abc"},
        "layers": {"type": "int", "low": 1, "high": 9, "default": 5, "meaning": "m"},
        "kind": {"type": "categorical", "choices": ["x", "y", "z"], "default": "x", "meaning": "m"},
    }
)


class TestCmaEs(ModelContract):
    startup = 4  # the first generation: the strategy learns from it as a whole

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return CmaEs(space, seed, startup_trials=1)


def bowl(_: int, proposal: Proposal) -> float:
    wrong = 30.0 * (proposal.config["kind"] != "y")
    return 100 - wrong - 100 * sum((u - 0.2) ** 2 for u in BOWL.to_unit(proposal.config)[:4])


def mean_best(optimizers: list[Optimizer], trials: int) -> float:
    bests = [run(optimizer, bowl, trials).incumbent for optimizer in optimizers]
    return sum(best.score for best in bests if best and best.score is not None) / len(optimizers)


def test_it_moves_numbers_levels_and_choices_towards_what_scores_better() -> None:
    ours = mean_best([DefaultFirst(CmaEs(BOWL, seed, startup_trials=1), BOWL) for seed in range(10)], 40)
    chance = mean_best([DefaultFirst(Random(BOWL, seed), BOWL) for seed in range(10)], 40)
    assert ours > chance + 1


def test_a_space_in_which_nothing_has_an_order_is_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match="needs a number or three ordered levels"):
        CmaEs(FLAGS, 0, startup_trials=1)
