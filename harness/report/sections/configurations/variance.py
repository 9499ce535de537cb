"""How much of the variance of a score each hyperparameter explains: functional ANOVA of a random forest.

The method is that of Hutter, Hoos and Leyton-Brown (ICML 2014): a random forest learns the score from the configuration, and the variance
of its predictions over the whole space is divided among the hyperparameters. Their shares are Sobol' indices (Sobol' 1993), which
`scipy.stats.sobol_indices` estimates (Saltelli et al. 2010) from the forest's predictions at points that are spread evenly over the space.
So it does not matter how many trainings lie where, but only what they taught the forest. (Optuna's fANOVA
leaves conditional hyperparameters out, weighs those of a log scale linearly, and has no spread.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from harness.space import Choice, Config, Hyperparameter, Space

Array = npt.NDArray[np.float64]
# More configurations than this add time and hardly anything else: a random part of them is used.
MOST_CONFIGS = 1000
# Trees of the forest; and forests of some trees, each of configurations that are drawn anew, for the spread.
TREES, REFITS, REFIT_TREES = 32, 8, 6
# The forest is asked at about so many points; of each number it is asked at so many places.
POINTS, PLACES = 16_384, 64
LEAST_POINTS = 64


@dataclass(frozen=True)
class Shares:
    """Shares of the variance, in [0, 1], one for each hyperparameter of the space: arrays of shape (d,).

    `alone` is what a hyperparameter explains by itself (the main effect), `total` what it explains alone and with others together. The sum
    of `alone` is at most 1; a total counts an interaction for each of its hyperparameters. `alone_sd` and `total_sd` are the standard
    deviations over forests of configurations that were drawn anew. `r2` is the forest's, of configurations that its trees have not seen
    (out of bag).
    """

    alone: Array
    total: Array
    alone_sd: Array
    total_sd: Array
    r2: float


def variance_shares(space: Space, configs: Sequence[Config], scores: Sequence[float], seed: int, least_r2: float) -> Shares:
    """Return the shares. Each configuration of the space is given once, with a finite score, in any order.

    The same configurations and scores give the same shares. They are zero where the forest's r2 is below `least_r2`.
    """
    from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415 - half a second, which a brief report must not wait for

    places = np.array([space.to_unit(config) for config in configs])
    order = np.lexsort(places.T[::-1])
    features, values = _features(space, places[order]), np.array(scores)[order]
    rng = np.random.default_rng(seed)
    if len(values) > MOST_CONFIGS:
        kept = np.sort(rng.choice(len(values), MOST_CONFIGS, replace=False))
        features, values = features[kept], values[kept]
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=seed).fit(features, values)
    if not forest.oob_score_ >= least_r2:
        none = np.zeros(len(space))
        return Shares(none, none, none, none, float(forest.oob_score_))
    forests = [forest]
    for number in range(REFITS):
        drawn = rng.integers(0, len(values), len(values))
        forests.append(RandomForestRegressor(REFIT_TREES, random_state=seed + number).fit(features[drawn], values[drawn]))
    alone, total = _indices(space, forests, rng)
    spread = [np.std(found[1:], axis=0, ddof=1) for found in (alone, total)]
    # An estimate of a share near 0 may lie below it.
    return Shares(np.clip(alone[0], 0.0, 1.0), np.clip(total[0], 0.0, 1.0), spread[0], spread[1], float(forest.oob_score_))


def _indices(space: Space, forests: Sequence[Any], rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the main and the total effects of every forest, each of shape (forests, d)."""
    even = Even(space)

    def predicted(places: Array) -> Array:
        # On a grid, many points are one configuration.
        points, back = np.unique(even.places(places.T), axis=0, return_inverse=True)
        features = _features(space, points)
        return np.stack([forest.predict(features)[back.ravel()] for forest in forests])

    count = max(LEAST_POINTS, 2 ** int(math.log2(POINTS / (len(space) + 2))))
    return sobol_shares(predicted, len(space), count, rng)


def sobol_shares(function: Callable[[Array], Array], d: int, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the main and the total effects of functions on the unit cube, each of shape (functions, d).

    `function` turns points of shape (d, n) into values of shape (functions, n). `count` is a power of 2.
    """
    even: list[Any] = [stats.uniform()] * d
    found = stats.sobol_indices(func=function, n=count, dists=even, rng=rng)
    return found.first_order.reshape(-1, d), found.total_order.reshape(-1, d)


class Even:
    """Maps points of the unit cube to configurations of a space, as `Space.sample` does, but for many points at once.

    A number takes one of PLACES even places on its own scale. An inactive hyperparameter is at its default, as in `Space.to_unit`.
    """

    def __init__(self, space: Space) -> None:
        counts = [len(hp.choices) if isinstance(hp, Choice) else PLACES for hp in space]
        values = [[hp.from_unit((place + 0.5) / count) for place in range(count)] for hp, count in zip(space, counts, strict=True)]
        index = {name: place for place, name in enumerate(space.names)}
        self._default = [hp.to_unit(hp.default) for hp in space]
        self._units = [np.array([hp.to_unit(value) for value in row]) for hp, row in zip(space, values, strict=True)]
        # For each hyperparameter its parents, and for which of their places it is active.
        self._parents = [
            [
                (index[parent], np.array([value in allowed for value in values[index[parent]]]))
                for parent, allowed in hp.when.items()
            ]
            for hp in space
        ]

    def places(self, points: Array) -> Array:
        """Return where the configurations of the points lie on the hyperparameters' scales; both have the shape (n, d), in [0, 1]."""
        found = np.empty(points.shape)
        chosen: list[npt.NDArray[np.int64]] = []
        active: list[npt.NDArray[np.bool_]] = []
        for column, units in enumerate(self._units):
            chosen.append(np.minimum((points[:, column] * len(units)).astype(np.int64), len(units) - 1))
            here = np.ones(len(points), dtype=bool)
            for parent, allowed in self._parents[column]:
                here &= active[parent] & allowed[chosen[parent]]
            active.append(here)
            found[:, column] = np.where(here, units[chosen[column]], self._default[column])
        return found


def _features(space: Space, places: Array) -> Array:
    """Return what the forest reads, of shape (n, columns): a column for each place, and for unordered choices one for each of them."""
    return np.concatenate([_columns(hp, places[:, [column]]) for column, hp in enumerate(space)], axis=1)


def _columns(hp: Hyperparameter, places: Array) -> Array:
    if not isinstance(hp, Choice) or hp.ordered or len(hp.choices) == 2:
        return places
    one_of_them: Array = (np.floor(places * len(hp.choices)) == np.arange(len(hp.choices))).astype(np.float64)
    return one_of_them
