"""A Gaussian process over the trials, by scikit-learn: what a Bayesian optimiser would believe about the scores.

Matern 5/2 with one length scale per axis, plus noise (Snoek, Larochelle and Adams 2012); the kernel's parameters maximise the marginal
likelihood, from one start, within bounds. It runs on one thread, draws nothing, and gives the same numbers for the same trials on one
machine. It assumes one smooth function and equal noise everywhere.

Axes: a number or an ordered choice is its position in [0, 1] on its own scale. An unordered choice has one axis per level, so that any two
levels are at distance 1. An inactive hyperparameter stands at its default. With more than 16 axes all share one length scale: the trials
could not tell so many apart.

A failed trial counts as 0.1 of the range of the scores below the worst one: a number that no trial has, so that the region looks bad.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.space import Choice, Config, Hyperparameter, Space
from harness.tcs.analysis.axis import scale
from harness.tcs.thresholds import SURROGATE_TRIALS
from harness.tcs.view.words import bounded
from harness.trial import Trajectory, Trial

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

LENGTHS = (0.05, 10.0)  # bounds of a length scale; the range of an axis is 1
NOISES = (1e-4, 1.0)  # bounds of the noise's variance; the scores have variance 1
MOST_AXES = 16
STEPS = 25  # of the search for the kernel's parameters
FAILED_BELOW = 0.1


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process. `middle` and `spread` turn its standardised scores into points."""

    space: Space
    trials: tuple[Trial, ...]
    regressor: GaussianProcessRegressor
    middle: float
    spread: float

    def predict(self, configs: Sequence[Config]) -> list[tuple[float, float]]:
        """Return mean and standard deviation of the score at each configuration, in points, without the noise of a training."""
        if not configs:
            return []
        with _one_thread():
            means, deviations = self.regressor.predict([encoded(self.space, config) for config in configs], return_std=True)
        return [(self.middle + self.spread * float(m), self.spread * float(s)) for m, s in zip(means, deviations, strict=True)]

    @property
    def lengths(self) -> Mapping[str, float]:
        """The length scale of each hyperparameter, in shares of its range; of an unordered choice the shortest of its levels.

        It is empty where all axes share one.
        """
        kept: Any = self.regressor.kernel_.k1.length_scale
        found = [float(kept)] if isinstance(kept, float) else [float(length) for length in kept]
        if len(found) < sum(map(_axes, self.space)):
            return {}
        left = iter(found)
        return {hp.name: min(next(left) for _ in range(_axes(hp))) for hp in self.space}

    def without(self, number: int) -> GaussianProcess | None:
        """Return the process with the same kernel and without trial `number`; None when no two different scores are left."""
        left = [trial for trial in self.trials if trial.number != number]
        return _process(self.space, left, self.regressor.kernel_, None)


def fit(space: Space, trajectory: Trajectory) -> GaussianProcess | None:
    """Return the process of the trials: of the newest ones, and the best; None when their scores are all the same."""
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel  # noqa: PLC0415 - takes a second, which other blocks do without

    axes = sum(map(_axes, space))
    kernel = Matern([0.5] * axes if axes <= MOST_AXES else 0.5, LENGTHS, nu=2.5) + WhiteKernel(0.01, NOISES)
    best, newest = trajectory.incumbent, trajectory.trials[-SURROGATE_TRIALS:]
    kept = newest if best is None or best in newest else (best, *newest[1:])
    return _process(space, kept, kernel, _search)


def _process(space: Space, trials: Sequence[Trial], kernel: Any, optimizer: Any) -> GaussianProcess | None:
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415 - see `fit`

    scores = _scores(trials)
    middle = math.fsum(scores) / len(scores) if scores else 0.0
    spread = math.sqrt(math.fsum((score - middle) ** 2 for score in scores) / len(scores)) if scores else 0.0
    if spread <= 1e-9 * max(1.0, abs(middle)):
        return None
    regressor = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=optimizer)
    with warnings.catch_warnings(), _one_thread():
        warnings.simplefilter("ignore")  # a length scale at its bound means that the axis does not matter, which is shown
        regressor.fit([encoded(space, trial.config) for trial in trials], [(score - middle) / spread for score in scores])
    return GaussianProcess(space, tuple(trials), regressor, middle, spread)


def _scores(trials: Sequence[Trial]) -> list[float]:
    known = [bounded(trial.score) for trial in trials if trial.score is not None]
    if not known:
        return []
    failed = min(known) - FAILED_BELOW * (max(known) - min(known))
    return [failed if trial.score is None else bounded(trial.score) for trial in trials]


def _search(objective: Any, start: Any, bounds: Any) -> tuple[Any, float]:
    """Maximise the marginal likelihood in few steps: ten trials do not tell parameters apart that many steps would separate."""
    from scipy.optimize import minimize  # noqa: PLC0415 - see `fit`

    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return found.x, float(found.fun)


def _one_thread() -> Any:
    return _threads().limit(limits=1)


@functools.cache
def _threads() -> Any:
    """Find the libraries whose threads are limited, once: it reads all that the process has loaded."""
    import scipy.optimize  # noqa: F401, PLC0415 - loaded before it looks
    import sklearn.gaussian_process  # noqa: F401, PLC0415
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - see `fit`

    return ThreadpoolController()


def encoded(space: Space, config: Config) -> list[float]:
    """Return the coordinates of a configuration, see the docstring of this module."""
    found: list[float] = []
    for hp in space:
        value = config.get(hp.name, hp.default)
        if isinstance(hp, Choice) and not hp.ordered:
            # True == 1 in Python, and both may be choices.
            found += [math.sqrt(0.5) * (choice == value and type(choice) is type(value)) for choice in hp.choices]
        else:
            found.append(scale(hp)(value))
    return found


def _axes(hp: Hyperparameter) -> int:
    return len(hp.choices) if isinstance(hp, Choice) and not hp.ordered else 1
