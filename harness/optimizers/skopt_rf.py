"""Bayesian optimisation with a random forest and expected improvement, as in SMAC (Hutter, Hoos and Leyton-Brown 2011).

It uses scikit-optimize's forest of 100 trees and takes the best of 10,000 uniform candidates. A leaf holds at least one trial, as in
SMAC3, instead of the library's three: with three, no tree can split before the sixth trial, so all earlier proposals would be random.
A forest does not assume a smooth objective: a bad region or a failure distorts it less than it distorts a Gaussian process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.errors import SettingsError
from harness.optimizers._replay import ReplayedOptimizer, Session, refuse_underflow
from harness.space import Number, Space

if TYPE_CHECKING:
    from harness.optimizers._skopt import SkoptSession

LARGEST = 3.4e38  # it computes in 32 bits


class SkoptRF(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random (10 is the library's default), then follow the model."""

    purpose = "skopt_rf"
    versions: ClassVar = {"skopt_rf": 1}

    def __init__(self, space: Space, seed: int, *, startup_trials: int) -> None:
        super().__init__(space, seed, startup_trials=startup_trials)
        refuse_numbers(space, self.purpose)

    def _start(self, seed: int) -> Session:
        return forest_session(self._space, seed, self._startup_trials)


def refuse_numbers(space: Space, method: str) -> None:
    """Raise SettingsError for a range that the forest, or the library, cannot compute with."""
    refuse_underflow(space, method)
    for hp in space:
        if isinstance(hp, Number) and not hp.integer and max(abs(hp.low), abs(hp.high)) > LARGEST:
            raise SettingsError(
                f"hyperparameter '{hp.name}': the forest of {method} takes numbers up to {LARGEST:g}; "
                f"give its exponent as the hyperparameter, or leave out {method}"
            )


def forest_session(space: Space, seed: int, startup_trials: int) -> SkoptSession:
    """Return the forest as a session that has seen no trial."""
    from skopt.learning import RandomForestRegressor  # noqa: PLC0415 - takes 1.4 s, which a finished cell does not need

    from harness.optimizers._skopt import SkoptSession  # noqa: PLC0415 - see above

    forest = RandomForestRegressor(n_estimators=100, min_samples_leaf=1, random_state=seed)
    options = {"base_estimator": forest, "acq_func": "EI", "acq_optimizer": "sampling"}
    return SkoptSession(space, n_initial_points=startup_trials, random_state=seed, **options)
