"""The statistics of paired comparisons. A stratum is a task; its values are differences over seeds, in percentage points.

What is estimated is the mean over tasks of the mean difference over seeds. Intervals:

- seeds within tasks: a stratified bootstrap-t (Efron 1981; Hall 1988): seeds are drawn again within each task, and each draw is
  divided by its own standard error. The percentile bootstrap of Agarwal et al. 2021 (arXiv 2108.13264, `rliable`) covers 85 to 90 %
  instead of 95 % with 6 tasks and 5 seeds; `scripts/interval_coverage.py` measures both. With fewer than 5 seeds in a task, or fewer
  than 20 degrees of freedom over all, a bootstrap has too little to draw from, and Student's t with Welch and Satterthwaite's degrees
  of freedom is used;
- tasks too: tasks are drawn again, then seeds within them, likewise studentised (by the spread of the drawn tasks' means).

Resamples are kept as matrices of weights, one a stratum size, so that one interval costs a few matrix products.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

Array: TypeAlias = npt.NDArray[np.float64]
Strata: TypeAlias = Sequence[Array]

# A score may be finite and its square not: that leaves no interval, and is no reason to speak up in the middle of a table.
QUIET = np.errstate(over="ignore", invalid="ignore", divide="ignore")
LEAST_SEEDS, LEAST_FREEDOM = 5, 20
LEAST_TASKS, LEAST_TASKS_DRAWN = 3, 5
# Draws without any spread have no t value; when they are more than this share, the bootstrap has nothing to say.
MOST_FLAT = 0.01
NAN = float("nan")
# Beyond this many seeds a task nobody cares for the exact number.
MOST_SEEDS = 100_000.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; NaN ends and method `none` where there is none. `method` is bootstrap-t, t, exact or none."""

    value: float
    low: float = NAN
    high: float = NAN
    method: str = "none"


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: their confidence, how many resamples, and from which seed."""

    confidence: float = 0.95
    resamples: int = 10_000
    seed: int = 0


def mean_over_strata(strata: Strata) -> float:
    """Return the mean over strata of their means; NaN without strata."""
    return float(np.mean([values.mean() for values in strata])) if strata else NAN


@QUIET
def seed_interval(strata: Strata, how: Resampling) -> Estimate:
    """Estimate the mean over strata, with an interval for these very tasks (seeds drawn again within each)."""
    value = mean_over_strata(strata)
    if not strata or min(map(len, strata)) < 2:
        return Estimate(value)
    centred = [values - values.mean() for values in strata]
    error = _standard_error(centred)
    if error == 0.0:
        return Estimate(value, value, value, "exact")
    if min(map(len, strata)) >= LEAST_SEEDS and sum(map(len, strata)) - len(strata) >= LEAST_FREEDOM:
        drawn = [_moments(values, index, how) for index, values in enumerate(centred)]
        means = np.mean([mean for mean, _ in drawn], axis=0)
        errors = np.sqrt(np.sum([variance / (len(c) - 1) for c, (_, variance) in zip(centred, drawn, strict=True)], axis=0)) / len(
            strata
        )
        estimate = _studentised(value, error, means, errors, how)
        if estimate is not None:
            return estimate
    quantile = float(stats.t.ppf(0.5 + how.confidence / 2, _degrees_of_freedom(centred)))
    return Estimate(value, value - quantile * error, value + quantile * error, "t")


@QUIET
def task_interval(strata: Strata, how: Resampling) -> Estimate:
    """Estimate the mean over strata, with an interval for other tasks of this kind (tasks drawn again, then seeds within each)."""
    value, count = mean_over_strata(strata), len(strata)
    if count < LEAST_TASKS:
        return Estimate(value)
    means = np.array([values.mean() for values in strata])
    error = float(means.std(ddof=1)) / math.sqrt(count)
    if error == 0.0:
        return Estimate(value, value, value, "exact")
    if count >= LEAST_TASKS_DRAWN:
        slots = _drawn_tasks(strata, how)
        errors = slots.std(axis=1, ddof=1) / math.sqrt(count)
        estimate = _studentised(value, error, slots.mean(axis=1) - value, errors, how)
        if estimate is not None:
            return estimate
    quantile = float(stats.t.ppf(0.5 + how.confidence / 2, count - 1))
    return Estimate(value, value - quantile * error, value + quantile * error, "t")


def _drawn_tasks(strata: Strata, how: Resampling) -> Array:
    """Return the means of drawn tasks, each from its own resample of seeds, shape (resamples, tasks)."""
    count = len(strata)
    chosen = np.random.default_rng([how.seed, 7, count]).integers(0, count, (how.resamples, count))
    slots = np.empty((how.resamples, count))
    for slot in range(count):
        for task, values in enumerate(strata):
            here = chosen[:, slot] == task
            slots[here, slot] = (_weights(len(values), slot, how) @ values)[here]
    return slots


def _studentised(value: float, error: float, deviations: Array, errors: Array, how: Resampling) -> Estimate | None:
    spread = errors > 1e-9 * error
    if np.mean(~spread) > MOST_FLAT:
        return None
    tail = (1 - how.confidence) / 2
    low, high = np.quantile(deviations[spread] / errors[spread], [tail, 1 - tail])
    return Estimate(value, float(value - high * error), float(value - low * error), "bootstrap-t")


def _standard_error(centred: Strata) -> float:
    return math.sqrt(sum(float(values.var(ddof=1)) / len(values) for values in centred)) / len(centred)


def _degrees_of_freedom(centred: Strata) -> float:
    parts = [(float(values.var(ddof=1)) / len(values), len(values) - 1) for values in centred]
    return float(sum(part for part, _ in parts) ** 2 / sum(part**2 / df for part, df in parts))


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


def probability_of_improvement(strata: Strata, how: Resampling) -> Estimate:
    """Estimate the chance that a pair's difference is above 0 (ties count half), averaged over tasks.

    As in Agarwal et al. 2021, but over pairs of the same seed; the interval is their stratified percentile bootstrap.
    """
    wins = [np.where(values > 0, 1.0, np.where(values < 0, 0.0, 0.5)) for values in strata]
    value = mean_over_strata(wins)
    if not wins or min(map(len, wins)) < 2:
        return Estimate(value)
    drawn = np.mean([_weights(len(won), index, how) @ won for index, won in enumerate(wins)], axis=0)
    tail = (1 - how.confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), "percentile")


def rank_biserial(differences: Array) -> float:
    """Return the matched-pairs rank-biserial correlation in [-1, 1] (Kerby 2014): favourable less unfavourable share of the ranks."""
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float((ranks[nonzero > 0].sum() - ranks[nonzero < 0].sum()) / ranks.sum())


def wilcoxon_p(differences: Array) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test (zeros by Pratt's rule); 1 when all are zero, NaN without pairs."""
    if not len(differences):
        return NAN
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="pratt").pvalue)


def smallest_p(pairs: int) -> float:
    """Return the smallest two-sided p that a signed-rank test of so many pairs can reach: all signs alike, 2 of 2**pairs."""
    return min(1.0, 2.0 ** (1 - pairs))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's (1979) adjusted p values, in the order given; a NaN stays one and is not counted as a test."""
    real = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [NAN] * len(p_values)
    highest = 0.0
    for place, (p, index) in enumerate(real):
        highest = max(highest, min(1.0, p * (len(real) - place)))
        adjusted[index] = highest
    return adjusted


@QUIET
def seeds_needed(strata: Strata, distance: float, how: Resampling, power: float) -> float:
    """Return the seeds a task with which an interval would exclude a value at `distance` from the truth, with this power.

    From the spread seen here, each task with the same number of seeds, by Student's t with Satterthwaite's degrees of freedom.
    Infinite at no distance, NaN without a spread.
    """
    if not strata or min(map(len, strata)) < 2:
        return NAN
    if distance == 0.0:
        return math.inf
    variances = np.array([float(values.var(ddof=1)) for values in strata])
    total = float(variances.sum())
    if total == 0.0:
        return 2.0
    tasks = total**2 / float((variances**2).sum())
    scale = total / (len(strata) * distance) ** 2
    normal = float(stats.norm.ppf(0.5 + how.confidence / 2) + stats.norm.ppf(power))
    seeds = max(2.0, float(math.ceil(scale * normal**2)))
    while seeds < MOST_SEEDS:
        freedom = tasks * (seeds - 1)
        quantiles = float(stats.t.ppf(0.5 + how.confidence / 2, freedom) + stats.t.ppf(power, freedom))
        if scale * quantiles**2 <= seeds:
            break
        seeds += 1
    return seeds
