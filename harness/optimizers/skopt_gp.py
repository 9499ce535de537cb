"""Bayesian optimisation with scikit-optimize's Gaussian process: the baseline of the paper that this harness follows.

The library's own choices are kept: Matern 5/2 kernel, the "gp_hedge" portfolio of EI, LCB and PI, L-BFGS on the acquisition. When
the model wants a point that was tried already, the library takes another candidate of the portfolio, or else a random point.
"""

from __future__ import annotations

from typing import ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session


class SkoptGP(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "skopt_gp"
    # 2: other draws on each task; start-up draws and levels uniform; no failure is told before there is a score.
    versions: ClassVar = {"skopt_gp": 2}

    def _start(self, seed: int) -> Session:
        from harness.optimizers._skopt import SkoptSession  # noqa: PLC0415 - 1.4 s, which a cell that is already done need not wait for

        return SkoptSession(self._space, base_estimator="GP", n_initial_points=self._startup_trials, random_state=seed)
