"""Quasi-random search: a scrambled Sobol' sequence with one coordinate per hyperparameter.

The sequence is from Sobol' (1967), scrambled as in Matousek (1998); scipy.stats.qmc implements it. Bergstra and Bengio (2012) found
low-discrepancy sequences at least as good as random draws for hyperparameters.
"""

from __future__ import annotations

from typing import ClassVar

from harness.seeding import keyed_seed
from harness.space import Space
from harness.trial import GIVEN, Proposal, Trajectory


class Sobol:
    """Propose the points of one scrambled Sobol' sequence in order; the seed determines the scrambling."""

    versions: ClassVar = {"sobol": 2}  # 2: the seed depends on the task

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = keyed_seed(seed, "sobol")

    def propose(self, trajectory: Trajectory) -> Proposal:
        # A default configuration as first trial, or a given one, replaces no point: a sequence without its first point is not balanced
        # (Owen 2020).
        index = sum(trial.proposal.source not in ("default", GIVEN) for trial in trajectory)
        return Proposal(self._space.from_unit(self._point(index)))

    def _point(self, index: int) -> list[float]:
        """Return point `index` (from 0) of the sequence, shape (len(space),), in [0, 1)."""
        from scipy.stats import qmc  # noqa: PLC0415 - takes 0.9 s, which a finished cell does not need

        points = qmc.Sobol(len(self._space), scramble=True, rng=self._seed)
        if index:
            points.fast_forward(index)
        return [float(u) for u in points.random(1)[0]]
