"""Bayesian optimisation with scikit-optimize's Gaussian process: the baseline of the paper that this harness follows.

The optimizer keeps the library's defaults: Matern 5/2 kernel, the "gp_hedge" portfolio of EI, LCB and PI, and L-BFGS on the acquisition
function. When the model proposes a point that was tried before, the library takes another candidate of the portfolio, or a random point.
"""

from __future__ import annotations

from typing import ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session, refuse_underflow
from harness.space import Space


class SkoptGP(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "skopt_gp"
    # 2: the seed depends on the task; start-up draws and levels are uniform; no failure is reported before the first score.
    versions: ClassVar = {"skopt_gp": 2}

    def __init__(self, space: Space, seed: int, *, startup_trials: int) -> None:
        super().__init__(space, seed, startup_trials=startup_trials)
        refuse_underflow(space, self.purpose)

    def _start(self, seed: int) -> Session:
        from harness.optimizers._skopt import SkoptSession  # noqa: PLC0415 - takes 1.4 s, which a finished cell does not need

        return SkoptSession(self._space, base_estimator="GP", n_initial_points=self._startup_trials, random_state=seed)
