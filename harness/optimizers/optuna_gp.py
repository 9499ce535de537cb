"""Bayesian optimisation with Optuna's Gaussian process: log expected improvement, Matern 5/2 with one length scale for each axis.

The library's own choices are kept: it models the hyperparameters that every trial so far has had, and draws conditional ones at random.
(On a problem with two branches that was the better way: scored over 20 seeds, modelling all of them, with a stand-in for inactive ones,
left 1.4 to 1.8 times the regret.) It does not look for exact duplicates.
"""

from __future__ import annotations

from typing import ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session
from harness.space import Config, Space


class OptunaGP(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "optuna_gp"
    # 2: other draws on each task; start-up draws of its own; no failure is told before there is a score.
    versions: ClassVar = {"optuna_gp": 2}

    def _start(self, seed: int) -> Session:
        return _OptunaGPSession(self._space, seed, self._startup_trials)


class _OptunaGPSession:
    """An `OptunaSession` with a GP sampler, held to one thread."""

    def __init__(self, space: Space, seed: int, startup_trials: int) -> None:
        # What the sampler would load at its first model, 1.3 s: threads are limited in what is loaded when the controller is made.
        import scipy.optimize  # noqa: F401, PLC0415
        import torch  # noqa: F401, PLC0415
        from optuna.samplers import GPSampler  # noqa: PLC0415
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415

        from harness.optimizers._optuna import OptunaSession  # noqa: PLC0415 - imports Optuna

        sampler = GPSampler(n_startup_trials=startup_trials, seed=seed, warn_independent_sampling=False)
        # It makes a list of every integer of an axis: 8 bytes each, and 8 terabytes for a range of 2**40.
        self._inner = OptunaSession(space, sampler, most_integers=2**20)
        self._threads = ThreadpoolController()

    def ask(self) -> Config:
        with self._threads.limit(limits=1):
            return self._inner.ask()

    def tell(self, config: Config, score_pct: float) -> None:
        self._inner.tell(config, score_pct)
