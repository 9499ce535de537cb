"""Formulas of paired comparisons: effect size, correction for many tests, and the number of seeds for a decision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from harness.report.analysis.intervals import NAN, QUIET, Array, Resampling, Strata

# The search stops here: the exact number of so many seeds is of no use.
MOST_SEEDS = 100_000.0


def rank_biserial(differences: Array) -> float:
    """Return the matched-pairs rank-biserial correlation in [-1, 1] (Kerby 2014): favourable less unfavourable share of the ranks."""
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float((ranks[nonzero > 0].sum() - ranks[nonzero < 0].sum()) / ranks.sum())


def smallest_p(pairs: int) -> float:
    """Return the smallest two-sided p of a sign test: of the 2**pairs ways to sign the pairs, two have all signs alike."""
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
    """Return how many seeds per task an interval needs to exclude a value at `distance` from the truth, with this power.

    It takes the spread of `strata`, the same number of seeds for every task, and Student's t with Satterthwaite's degrees of freedom.
    Infinite at distance 0, NaN without a spread.
    """
    if not strata or min(map(len, strata)) < 2:
        return NAN
    if distance == 0.0:
        return math.inf
    variances = np.array([float(values.var(ddof=1)) for values in strata])
    total = float(variances.sum())
    if total == 0.0:
        return NAN
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
