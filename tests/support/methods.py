"""Methods that misbehave on order, and one that remembers what it was shown."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from harness.errors import Exhausted
from harness.optimizers.random import Random
from harness.space import Space
from harness.trial import Proposal, Trajectory

SHOWN: list[Trajectory] = []


class Odd:
    """Random search that, after `good` trials, does what `then` says: raise, leave the space, or have nothing left."""

    broken = True  # a test repairs it, as a user repairs a bug

    def __init__(self, space: Space, seed: int, *, good: int = 2, then: str = "raise") -> None:
        self._inner = Random(space, seed)
        self._good, self._then = good, then

    def propose(self, trajectory: Trajectory) -> Proposal:
        if len(trajectory) < self._good or not Odd.broken:
            return self._inner.propose(trajectory)
        if self._then == "exhausted":
            raise Exhausted
        if self._then == "outside":
            return Proposal({"learning_rate": 1e9, "momentum": 0.5})
        if self._then == "note":
            return Proposal(self._inner.propose(trajectory).config, note={"object": object()})
        if self._then == "interrupt":
            raise KeyboardInterrupt
        if self._then == "swallow a signal":
            with contextlib.suppress(BaseException):  # as one does that goes on without what failed
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.1)
            return self._inner.propose(trajectory)
        raise RuntimeError("a bug of the method")


class Watching(Random):
    """Random search that keeps each trajectory that it was shown, in `SHOWN`."""

    def propose(self, trajectory: Trajectory) -> Proposal:
        SHOWN.append(trajectory)
        return super().propose(trajectory)


def odd(then: str, good: int = 2) -> tuple[str, ...]:
    """Return the overrides that choose `Odd`."""
    return (
        "optimizer._target_=support.methods.Odd",
        "optimizer.name=odd",
        f"+optimizer.options.then={then}",
        f"+optimizer.options.good={good}",
    )


def plain(value: Any) -> Any:
    """Return nested mappings as dictionaries, for comparing."""
    return {k: plain(v) for k, v in value.items()} if hasattr(value, "items") else value
