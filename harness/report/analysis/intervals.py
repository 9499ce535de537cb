"""Intervals of paired differences. A stratum is a task; its values are differences over seeds, in percentage points.

The estimate is the mean over tasks of the mean difference over seeds. Two reference distributions give its error:

- Student's t, with the degrees of freedom of Welch (1947) and Satterthwaite (1946). It holds with few seeds and where most pairs tie,
  and is too short where differences are skewed;
- a stratified bootstrap-t (Efron 1981; Hall 1988): seeds are drawn again within each task (for other tasks, the tasks are drawn too),
  and each draw is divided by its own standard error. It follows skewed differences, and is too short where most pairs tie.

An interval is the wider of both on either side, and its p value is the larger of both. So p is below 5 % exactly where the 95 % interval
excludes 0. Where the bootstrap has too little to draw from, Student's t stands alone. The percentile bootstrap of Agarwal et al. 2021
(arXiv 2108.13264, `rliable`) covers 85 to 90 % instead of 95 % with 6 tasks and 5 seeds. `scripts/interval_coverage.py` measures all of
this.

There is no interval where hardly any pair differs from the others of its task: such seeds say nothing about the next one. Resamples
are kept as matrices of weights, one per stratum size, so that one interval costs a few matrix products.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

Array: TypeAlias = npt.NDArray[np.float64]
Strata: TypeAlias = Sequence[Array]

NAN = float("nan")
# The square of a finite score may overflow. Then there is no interval, and NumPy need not warn.
QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")
LEAST_SEEDS, LEAST_FREEDOM = 5, 8
LEAST_TASKS, LEAST_TASKS_DRAWN = 3, 5
# Where most pairs tie, at least so many must differ. With fewer, intervals hold the truth 30 to 90 times in 100.
LEAST_DIFFERING = 8
# With fewer than these, a collapse of one training in twenty is often not seen at all.
FEW_SEEDS, FEW_PAIRS, FEW_TASKS = 10, 100, 12
# Of the largest value: below it, a difference is rounding. A variance made of it is 1e-16, and its root 1e-8.
ROUNDING, FLAT = 1e-9, 1e-6
# Draws without any spread have no t value; when they are more than this share, the bootstrap has nothing to say.
MOST_FLAT = 0.01
# Of a band: so many columns of resamples are kept in memory.
COLUMNS_AT_ONCE = 64
# A stratum with more than this share of the variance is not taken from a sum.
MOST_OF_IT = 0.999
UNBOUNDED = "the spread has no bounds"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval and the two-sided p of the value being 0; NaN where there is none, and `why` says why.

    `method` is wider (of t and bootstrap-t), t, clopper-pearson or none.
    """

    value: float
    low: float = NAN
    high: float = NAN
    p: float = NAN
    method: str = "none"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Resampling:
    """The settings of an interval: its confidence, the number of resamples, and their seed."""

    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0

    @property
    def tail(self) -> float:
        """The share that an interval leaves out on either side."""
        return (1 - self.confidence) / 2


def mean_over_strata(strata: Strata) -> float:
    """Return the mean over strata of their means; NaN without strata."""
    return float(np.mean([values.mean() for values in strata])) if strata else NAN


def is_few(strata: Strata) -> bool:
    """Say whether the seeds of a task, or all pairs, are so few that a rare collapse may be missing."""
    return min(map(len, strata), default=0) < FEW_SEEDS or sum(map(len, strata)) < FEW_PAIRS


def differing(values: Array) -> int:
    """Count the values that differ from the commonest one by more than rounding; all values where no two are alike."""
    steps = np.diff(np.sort(values)) > ROUNDING * np.abs(values).max(initial=0.0)
    groups = np.diff(np.flatnonzero(np.concatenate([[True], steps, [True]])))
    commonest = int(groups.max(initial=0))
    return len(values) - commonest if commonest > 1 else len(values)


def no_spread(strata: Strata, differ: int | None = None) -> str:
    """Return the reason why the differences have too little spread for an interval; empty where they have enough.

    `differ`: how many values differ from the commonest one of their stratum, where that is known.
    """
    pairs, count = sum(map(len, strata)), sum(differing(values) for values in strata) if differ is None else differ
    if count == 0:
        same = "of a task have the same difference" if any(np.any(values) for values in strata) else "tie"
        return f"all {pairs} pairs {same}, which leaves no spread to judge by"
    if count < min(LEAST_DIFFERING, pairs / 2):
        return f"only {count} of {pairs} pairs differ from the rest, too few to judge the spread by"
    return ""


def seed_interval(strata: Strata, how: Resampling) -> Estimate:
    """Estimate the mean over strata, with an interval for these tasks (seeds drawn again within each)."""
    return SeedIntervals(strata, how).without()


class SeedIntervals:
    """The seed interval of some strata, and of all of them but one, from the same draws."""

    def __init__(self, strata: Strata, how: Resampling) -> None:
        self._strata, self._how = strata, how
        self._differing = [differing(values) for values in strata]

    @QUIET
    def without(self, place: int | None = None) -> Estimate:
        """Estimate the mean over all strata but the one at `place`, with an interval for these tasks."""
        kept = [index for index in range(len(self._strata)) if index != place]
        strata = [self._strata[index] for index in kept]
        value = mean_over_strata(strata)
        if not strata or min(map(len, strata)) < 2:
            return Estimate(value, why="one seed a task has no spread to judge by" if strata else "no task has a pair")
        if why := no_spread(strata, sum(self._differing[index] for index in kept)):
            return Estimate(value, why=why)
        unit, parts = self._unit, self._parts[kept]
        error = math.sqrt(parts.sum()) / len(strata)
        freedom = parts.sum() ** 2 / (parts**2 / [len(values) - 1 for values in strata]).sum()
        drawn = None
        if min(map(len, strata)) >= LEAST_SEEDS and sum(map(len, strata)) - len(strata) >= LEAST_FREEDOM:
            means, variances = self._drawn(place)
            drawn = _studentised(means / len(strata), np.sqrt(variances) / len(strata), error)
        return _estimate(value, error * unit, float(freedom), drawn, self._how)

    @functools.cached_property
    def _scaled(self) -> tuple[list[Array], float]:
        return _in_units([values - values.mean() for values in self._strata])

    @property
    def _unit(self) -> float:
        return self._scaled[1]

    @functools.cached_property
    def _parts(self) -> Array:
        """The squared standard errors of the strata's means; 0 from one value."""
        return np.array([values.var(ddof=1) / len(values) if len(values) > 1 else 0.0 for values in self._scaled[0]])

    @functools.cached_property
    def _moments(self) -> list[tuple[Array, Array]]:
        """Mean and squared standard error of every resample, by stratum; the error is 0 from one value."""
        moments = [_moments(values, index, self._how) for index, values in enumerate(self._scaled[0])]
        return [(mean, spread / max(len(values) - 1, 1)) for values, (mean, spread) in zip(self._scaled[0], moments, strict=True)]

    @functools.cached_property
    def _totals(self) -> tuple[Array, Array]:
        return self._sum(range(len(self._strata)))

    def _sum(self, places: Iterable[int]) -> tuple[Array, Array]:
        means, errors = zip(*(self._moments[place] for place in places), strict=True)
        return np.sum(means, axis=0), np.sum(errors, axis=0)

    def _drawn(self, place: int | None) -> tuple[Array, Array]:
        """Return the sums, over all strata but one, of means and squared standard errors of every resample."""
        if place is None:
            return self._totals
        if self._parts[place] > MOST_OF_IT * self._parts.sum():  # the difference of the sums would be rounding
            return self._sum(index for index in range(len(self._strata)) if index != place)
        means, errors = self._totals
        return means - self._moments[place][0], np.maximum(errors - self._moments[place][1], 0.0)


@QUIET
def task_interval(strata: Strata, how: Resampling) -> Estimate:
    """Estimate the mean over strata, with an interval for other tasks of this kind (tasks drawn again, then seeds within each)."""
    value, count = mean_over_strata(strata), len(strata)
    if count < LEAST_TASKS:
        return Estimate(value, why=f"it takes {LEAST_TASKS} tasks")
    why = no_spread(strata) or no_spread([np.array([values.mean() for values in strata])])
    if why:
        return Estimate(value, why=why)
    scaled, unit = _in_units([values - value for values in strata])
    error = float(np.std([values.mean() for values in scaled], ddof=1)) / math.sqrt(count)
    drawn = None
    if count >= LEAST_TASKS_DRAWN:
        slots = _drawn_tasks(scaled, how)
        drawn = _studentised(slots.mean(axis=1), slots.std(axis=1, ddof=1) / math.sqrt(count), error)
    return _estimate(value, error * unit, count - 1.0, drawn, how)


def _in_units(strata: Strata) -> tuple[list[Array], float]:
    """Return the values divided by the largest of them, so that no square overflows or vanishes, and that unit."""
    unit = max(float(np.abs(values).max()) for values in strata)
    return [values / unit for values in strata], unit


def _estimate(value: float, error: float, freedom: float, drawn: Array | None, how: Resampling) -> Estimate:
    """Return the wider of Student's t and of the studentised draws (sorted; None without), and the larger of their p values."""
    if not (0.0 < error < math.inf and math.isfinite(value)):
        return Estimate(value, why=UNBOUNDED)
    seen = value / error
    low, high = special.stdtrit(freedom, [how.tail, 1 - how.tail])
    below, above = float(special.stdtr(freedom, seen)), float(special.stdtr(freedom, -seen))
    if drawn is not None:
        first, last = np.quantile(drawn, [how.tail, 1 - how.tail])
        low, high = min(low, first), max(high, last)
        place, least = float(np.interp(seen, drawn, np.linspace(0.0, 1.0, len(drawn)))), 1 / (len(drawn) + 1)
        below, above = max(below, place, least), max(above, 1 - place, least)
    p = min(1.0, 2 * min(below, above))
    ends = value - float(high) * error, value - float(low) * error
    if not all(map(math.isfinite, ends)):
        return Estimate(value, why=UNBOUNDED)
    return Estimate(value, *ends, p, "t" if drawn is None else "wider")


def _studentised(deviations: Array, errors: Array, error: float) -> Array | None:
    """Return each draw's deviation in its own standard errors, sorted; None when too many draws have no spread."""
    spread = errors > FLAT * error
    if np.mean(~spread) > MOST_FLAT:
        return None
    return np.sort(deviations[spread] / errors[spread])


def _drawn_tasks(strata: Strata, how: Resampling) -> Array:
    """Return the means of drawn tasks, each from its own resample of seeds, shape (resamples, tasks)."""
    count = len(strata)
    chosen = np.random.default_rng([how.seed, 7, count]).integers(0, count, (how.resamples, count))
    slots = np.empty((how.resamples, count))
    sizes = np.array([len(values) for values in strata])
    for size in np.unique(sizes):
        same = np.array([values for values in strata if len(values) == size])
        place = np.cumsum(sizes == size) - 1  # of a task among those of this size
        for slot in range(count):
            weights, tasks = _weights(int(size), slot, how), chosen[:, slot]
            if len(same) == count:  # the usual case: no copy of the weights
                slots[:, slot] = np.einsum("rs,rs->r", weights, same[tasks])
            else:
                here = sizes[tasks] == size
                slots[here, slot] = np.einsum("rs,rs->r", weights[here], same[place[tasks[here]]])
    return slots


def _moments(centred: Array, stratum: int, how: Resampling) -> tuple[Array, Array]:
    """Return the mean and the variance (divided by n) of every resample of a stratum."""
    weights = _weights(len(centred), stratum, how)
    means = weights @ centred
    return means, np.maximum(weights @ centred**2 - means**2, 0.0)


@functools.lru_cache(maxsize=128)
def _weights(size: int, stratum: int, how: Resampling) -> Array:
    """Return the shares with which each of `size` values enters each resample, shape (resamples, size)."""
    generator = np.random.default_rng([how.seed, size, stratum])
    return generator.multinomial(size, np.full(size, 1 / size), how.resamples) / size


def task_band(values: Array, how: Resampling) -> tuple[Array, Array]:
    """Return the ends of an interval for the mean over tasks of every column; `values` has the shape (tasks, columns).

    Tasks are drawn again, each with all of its seeds, whose spread is part of the spread between tasks. It is the percentile bootstrap of
    Agarwal et al. 2021, whose ends lie farther out by the factor of Hesterberg 2015 (section 4.4): from n tasks, the percentile bootstrap
    is too short by the ratio of Student's t to the normal quantile, and by sqrt((n - 1) / n). Where all tasks are alike, it has no width.
    """
    count = len(values)
    quantile = float(special.stdtrit(count - 1, how.tail)) * math.sqrt(count / (count - 1))
    tail = float(special.ndtr(quantile))
    weights = _weights(count, 0, how)
    lows, highs = [], []
    for start in range(0, values.shape[1], COLUMNS_AT_ONCE):
        low, high = np.quantile(weights @ values[:, start : start + COLUMNS_AT_ONCE], [tail, 1 - tail], axis=0)
        lows.append(low)
        highs.append(high)
    # A mean of the tasks lies between them; the weights add up to 1 but for rounding.
    least, most = values.min(axis=0), values.max(axis=0)
    return np.clip(np.concatenate(lows), least, most), np.clip(np.concatenate(highs), least, most)


def clopper_pearson(share: float, count: float, how: Resampling) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (1934) for a share of `count` draws, which need not be whole."""
    wins = share * count
    low = float(special.betaincinv(wins, count - wins + 1, how.tail)) if wins > 0 else 0.0
    high = float(special.betaincinv(wins + 1, count - wins, 1 - how.tail)) if wins < count else 1.0
    return low, high


def probability_of_improvement(strata: Strata, how: Resampling) -> Estimate:
    """Estimate the chance that a pair's difference is above 0 (ties count half), averaged over tasks.

    As in Agarwal et al. 2021, but over pairs of the same seed. The interval is that of Clopper and Pearson (1934), as if all pairs had the
    same chance and none tied. Unequal chances and ties spread less (Hoeffding 1956), so the interval errs on the safe side. Tasks with
    unequal numbers of seeds count as pairs of the same standard error.
    """
    if not strata:
        return Estimate(NAN, why="no task has a pair")
    value = float(np.mean([np.mean(0.5 + 0.5 * np.sign(values)) for values in strata]))
    count = len(strata) ** 2 / sum(1 / len(values) for values in strata)
    return Estimate(value, *clopper_pearson(value, count, how), method="clopper-pearson")
