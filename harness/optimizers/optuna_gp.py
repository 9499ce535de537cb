"""Bayesian optimisation with Optuna's Gaussian process: log expected improvement, Matern 5/2 with one length scale per axis.

The sampler keeps the library's defaults: it models the hyperparameters that all trials so far had, and draws conditional ones at random.
On a problem with two branches this was better than to model all of them with a substitute value for inactive ones: over 20 seeds, that
left 1.4 to 1.8 times the regret. The library does not check for exact duplicates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from harness.optimizers._replay import ReplayedOptimizer, Session
from harness.space import Config, Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class OptunaGP(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "optuna_gp"
    # 2: the seed depends on the task; the harness makes the start-up draws; no failure is reported before the first score.
    versions: ClassVar = {"optuna_gp": 2}

    def _start(self, seed: int) -> Session:
        def sampler() -> BaseSampler:
            from optuna.samplers import GPSampler  # noqa: PLC0415 - takes 0.2 s, which a finished cell does not need

            return GPSampler(n_startup_trials=self._startup_trials, seed=seed, warn_independent_sampling=False)

        return GPSession(self._space, sampler)


class GPSession:
    """An `OptunaSession` with a GP sampler, limited to one thread; `make` builds the sampler."""

    def __init__(self, space: Space, make: Callable[[], BaseSampler]) -> None:
        # The sampler would import these at its first model (1.3 s). The controller limits threads only in libraries loaded before it.
        import scipy.optimize  # noqa: F401, PLC0415
        import torch  # noqa: F401, PLC0415
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415

        from harness.optimizers._optuna import OptunaSession  # noqa: PLC0415 - imports Optuna

        # It makes a list of every integer of an axis: 8 bytes each, and 8 terabytes for a range of 2**40.
        self._inner = OptunaSession(space, make(), most_integers=2**20)
        self._threads = ThreadpoolController()

    def ask(self) -> Config:
        with self._threads.limit(limits=1):
            return self._inner.ask()

    def tell(self, config: Config, score_pct: float, *, more: bool = False) -> None:
        self._inner.tell(config, score_pct, more=more)
