"""The default configuration only: the result without any tuning."""

from __future__ import annotations

from typing import ClassVar

from harness.errors import Exhausted
from harness.space import Space
from harness.trial import Proposal, Trajectory, tried


class DefaultOnly:
    """Propose the default configuration once, and nothing after it. The seed changes nothing."""

    versions: ClassVar = {"default_only": 1}

    def __init__(self, space: Space, seed: int) -> None:  # noqa: ARG002 - the contract passes a seed to every method
        self._space = space

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the default configuration. Raises Exhausted once it was tried, in this cell or in a given trial."""
        if tried(self._space.default(), trajectory) or not all(trial.given for trial in trajectory):
            raise Exhausted("the default configuration has been tried")
        return Proposal(self._space.default(), source="default")
