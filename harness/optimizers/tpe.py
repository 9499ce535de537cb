"""Optuna's Tree-structured Parzen Estimator (Bergstra et al. 2011).

The library's own choices are kept: joint over the hyperparameters that every trial so far has had, one by one for conditional ones.
The library does not look for exact duplicates; they are proposed and trained like any other configuration.
"""

from __future__ import annotations

from typing import ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session


class TPE(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "tpe"
    # 2: other draws on each task; start-up draws of its own; no failure is told before there is a score.
    versions: ClassVar = {"tpe": 2}

    def _start(self, seed: int) -> Session:
        from optuna.samplers import TPESampler  # noqa: PLC0415 - 0.2 s, which a cell that is already done need not wait for

        from harness.optimizers._optuna import OptunaSession  # noqa: PLC0415 - imports Optuna

        sampler = TPESampler(n_startup_trials=self._startup_trials, seed=seed)
        return OptunaSession(self._space, sampler)
