"""Random search, the baseline that every other method has to beat."""

from __future__ import annotations

from typing import ClassVar

from harness.seeding import keyed_random
from harness.space import Space
from harness.trial import Proposal, Trajectory


class Random:
    """Draw each hyperparameter uniformly on its own scale (log-uniformly on a log scale), from a new generator for each trial number.

    Trial n does not depend on earlier trials, so runs with and without the default as first trial differ in that one trial only.
    """

    versions: ClassVar = {"random": 2}  # 2: the seed depends on the task

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed

    def propose(self, trajectory: Trajectory) -> Proposal:
        rng = keyed_random(self._seed, "random", len(trajectory) + 1)
        return Proposal(self._space.sample(rng))
