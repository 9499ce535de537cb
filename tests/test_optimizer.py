from __future__ import annotations

from support.values import trial

from harness.optimizer import DefaultFirst
from harness.optimizers.random import Random
from harness.space import Space
from harness.trial import Trajectory

SPACE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.25, "meaning": "m"}})


def test_the_default_comes_first_and_is_marked_and_the_rest_is_left_to_the_method() -> None:
    inner = Random(SPACE, 3)
    wrapped = DefaultFirst(inner, SPACE)
    first = wrapped.propose(Trajectory())
    assert (first.config, first.source) == ({"x": 0.25}, "default")
    after = Trajectory.of((trial(1),))
    assert wrapped.propose(after) == inner.propose(after)
