"""The two controls hold to the contract of tuning methods."""

from __future__ import annotations

import pytest
from optimizers.test_golden import LEVELS, told

from harness.optimizer import Optimizer
from harness.optimizers.selector.select_first import SelectFirst
from harness.optimizers.selector.select_random import SelectRandom
from harness.space import Space
from harness.testing.contracts.optimizer import OptimizerContract


class TestSelectFirst(OptimizerContract):
    replayed = range(0, 12, 3)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SelectFirst(space, seed, candidates=3, source="rules", budget=12)


class TestSelectRandom(OptimizerContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SelectRandom(space, seed, candidates=3, source="random", budget=12)


@pytest.mark.full
class TestSelectFromAMix(OptimizerContract):
    replayed = range(0, 12, 4)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SelectRandom(space, seed, candidates=5, source="mix", budget=12)


def test_both_are_shown_the_same_candidates_and_the_random_one_takes_each_of_them_sometimes() -> None:
    shown = told(LEVELS, 2)
    chosen = set()
    for seed in range(30):
        first = SelectFirst(LEVELS, seed, candidates=3, source="random", budget=10).propose(shown)
        drawn = SelectRandom(LEVELS, seed, candidates=3, source="random", budget=10).propose(shown)
        notes = [proposal.note["select"] for proposal in (first, drawn)]
        assert notes[0]["candidates"] == notes[1]["candidates"]
        assert first.config == notes[0]["candidates"][0]
        assert drawn.config == notes[1]["candidates"][notes[1]["chosen"] - 1]
        chosen.add(notes[1]["chosen"])
    assert chosen == {1, 2, 3}
