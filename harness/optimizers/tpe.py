"""Optuna's Tree-structured Parzen Estimator (Bergstra et al. 2011).

The sampler keeps the defaults of Optuna 5. It is multivariate: it models the hyperparameters that all trials so far had jointly, and
conditional ones one by one. The constant liar is on; it concerns trials that still run, and a cell has none. With `group`, which is off in
the library, hyperparameters that occur together are modelled jointly, so each branch of a conditional space has a model of its own.

The library does not check for exact duplicates; a duplicate is proposed and trained like any other configuration.
"""

from __future__ import annotations

import warnings
from typing import ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session
from harness.space import Space


class TPE(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model.

    `group` makes a joint model for each branch of a conditional space.
    """

    purpose = "tpe"
    # 2: the seed depends on the task; the harness makes the start-up draws; no failure is reported before the first score.
    versions: ClassVar = {"tpe": 2}

    def __init__(self, space: Space, seed: int, *, startup_trials: int, group: bool = False) -> None:
        super().__init__(space, seed, startup_trials=startup_trials)
        self._group = group

    def _start(self, seed: int) -> Session:
        from optuna.exceptions import ExperimentalWarning  # noqa: PLC0415 - imports Optuna
        from optuna.samplers import TPESampler  # noqa: PLC0415 - takes 0.2 s, which a finished cell does not need

        from harness.optimizers._optuna import OptunaSession  # noqa: PLC0415 - imports Optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
            sampler = TPESampler(n_startup_trials=self._startup_trials, seed=seed, group=self._group)
        return OptunaSession(self._space, sampler)
