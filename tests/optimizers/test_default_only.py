from __future__ import annotations

import pytest

from harness.errors import Exhausted
from harness.optimizer import Optimizer
from harness.optimizers.default_only import DefaultOnly
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, given
from harness.trial import Proposal, Trajectory


class TestDefaultOnly(OptimizerContract):
    seeded = False

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return DefaultOnly(space, seed)


def test_it_proposes_the_default_and_then_nothing() -> None:
    optimizer = DefaultOnly(NASTY, 0)
    assert optimizer.propose(Trajectory()) == Proposal(NASTY.default(), source="default")
    with pytest.raises(Exhausted):
        optimizer.propose(given(["default"]))
