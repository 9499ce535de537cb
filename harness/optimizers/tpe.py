"""Optuna's Tree-structured Parzen Estimator (Bergstra et al. 2011).

The sampler keeps the library's defaults: it models the hyperparameters that all trials so far had jointly, and conditional ones one by
one. The library does not check for exact duplicates; a duplicate is proposed and trained like any other configuration.
"""

from __future__ import annotations

from typing import ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session


class TPE(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "tpe"
    # 2: the seed depends on the task; the harness makes the start-up draws; no failure is reported before the first score.
    versions: ClassVar = {"tpe": 2}

    def _start(self, seed: int) -> Session:
        from optuna.samplers import TPESampler  # noqa: PLC0415 - 0.2 s, which a cell that is already done need not wait for

        from harness.optimizers._optuna import OptunaSession  # noqa: PLC0415 - imports Optuna

        sampler = TPESampler(n_startup_trials=self._startup_trials, seed=seed)
        return OptunaSession(self._space, sampler)
