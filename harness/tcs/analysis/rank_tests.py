"""Rank statistics with the standard library only: a robust slope with its interval, and a rank correlation with an exact p.

SciPy has these functions too, but it takes 0.8 s to import, and it gives no exact p when there are ties, which ordered levels always
produce. The tests compare every function here with SciPy or with an enumeration of all permutations.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.tcs.view.words import median

_Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution
_EXACT_TRIALS = 30  # most trials for which p is counted exactly when one variable has no ties
_EXACT_TWO_GROUPS = 16  # most trials for which p is counted exactly when both have ties and one of them has two values


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope in units of y per unit of x, from `points` points, with a 95 % interval; an end of it is None where it is unbounded."""

    per_epoch: float
    low: float | None
    high: float | None
    points: int


@lru_cache(maxsize=256)
def _half_widths(size: int, ties: tuple[int, ...]) -> float:
    variance = (size * (size - 1) * (2 * size + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    return _Z95 * math.sqrt(variance)


def theil_sen(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Return the median of all pairwise slopes and its 95 % interval (Sen 1968, eq. 2.6, normal approximation, ties in y corrected).

    `x` and `y` hold at least two finite values each, and `x` increases strictly.
    """
    size = len(x)
    slopes = [
        (b - y0) / (a - x0) for i, (x0, y0) in enumerate(zip(x, y, strict=True), 1) for a, b in zip(x[i:], y[i:], strict=True)
    ]
    slopes.sort()
    ties = tuple(sorted(t for t in Counter(y).values() if t > 1)) if len(set(y)) < size else ()
    width = _half_widths(size, ties)
    low, high = round((len(slopes) - width) / 2) - 1, round((len(slopes) + width) / 2)
    return Slope(
        median(slopes),
        slopes[low] if low >= 0 else None,
        slopes[high] if high < len(slopes) else None,
        size,
    )


@dataclass(frozen=True, slots=True)
class Association:
    """Kendall's tau-b in [-1, 1] of `count` pairs, and its two-sided permutation p.

    `exact` says whether p was counted (True) or approximated by a normal distribution. `least_p` is the smallest p that any outcome of
    `count` trials can have; when it is not small, a large p is no evidence against an effect.
    """

    tau: float
    p: float
    least_p: float
    exact: bool
    count: int


def kendall(x: Sequence[float], y: Sequence[float]) -> Association | None:
    """Return the rank association of x and y, or None when one of them is constant (Kendall 1970, chapters 3 to 5)."""
    size = len(x)
    ties_x, ties_y = _tie_sizes(x), _tie_sizes(y)
    if len(ties_x) < 2 or len(ties_y) < 2:
        return None
    score = _concordance(x, y)
    pairs = size * (size - 1) // 2
    untied = [pairs - sum(t * (t - 1) // 2 for t in ties) for ties in (ties_x, ties_y)]
    tau = score / math.sqrt(untied[0] * untied[1])
    p, least, exact = _p_value(score, ties_x, ties_y)
    return Association(min(max(tau, -1.0), 1.0), p, least, exact, size)


def _tie_sizes(values: Sequence[float]) -> tuple[int, ...]:
    """Return how often each distinct value occurs, in the order of the values."""
    counts = Counter(values)
    return (1,) * len(counts) if len(counts) == len(values) else tuple([counts[value] for value in sorted(counts)])


def _concordance(x: Sequence[float], y: Sequence[float]) -> int:
    """Return the number of concordant pairs minus the number of discordant pairs, in O(n log n) comparisons."""
    pairs = sorted(zip(x, y, strict=True))
    seen: list[float] = []
    score = start = 0
    for i, (a, b) in enumerate(pairs):
        if a != pairs[start][0]:
            for _, earlier in pairs[start:i]:
                insort(seen, earlier)
            start = i
        score += bisect_left(seen, b) + bisect_right(seen, b) - len(seen)
    return score


def _p_value(score: int, ties_x: tuple[int, ...], ties_y: tuple[int, ...]) -> tuple[float, float, bool]:
    size = sum(ties_x)
    if size <= _EXACT_TRIALS and size in (len(ties_x), len(ties_y)):
        return (*_two_sided(_arrangements, (tuple(sorted(ties_x if len(ties_y) == size else ties_y)),), abs(score)), True)
    if size <= _EXACT_TWO_GROUPS and 2 in (len(ties_x), len(ties_y)):
        groups, two = (ties_x, ties_y) if len(ties_y) == 2 else (ties_y, ties_x)
        return (*_two_sided(_two_groups, (groups, two[1]), abs(score)), True)
    ties_x, ties_y = (tuple([t for t in ties if t > 1]) for ties in (ties_x, ties_y))
    least = max(_least_p(ties_x, size), _least_p(ties_y, size))
    return max(_normal_p(score, size, ties_x, ties_y), least), least, False


@lru_cache(maxsize=2048)
def _two_sided(count: Callable[..., Mapping[int, int]], keys: tuple[object, ...], score: int) -> tuple[float, float]:
    """Return the share of arrangements whose score is at least as far from zero as `score`, and the share of the most extreme ones."""
    counts = count(*keys)
    total, furthest = sum(counts.values()), max(map(abs, counts))
    as_far = sum(ways for s, ways in counts.items() if abs(s) >= score)
    return as_far / total, sum(ways for s, ways in counts.items() if abs(s) == furthest) / total


def _least_p(ties: tuple[int, ...], size: int) -> float:
    log_p = math.log(2) + sum(math.lgamma(t + 1) for t in ties) - math.lgamma(size + 1)
    return math.exp(min(log_p, 0.0))


@lru_cache(maxsize=512)
def _arrangements(ties: tuple[int, ...]) -> dict[int, int]:
    """Return how many arrangements of a multiset have each score; the q-multinomial coefficient (Andrews 1976, theorem 3.6).

    `ties` are the sizes of the groups of equal values.
    """
    size = sum(ties)
    degree = (size * size - sum(t * t for t in ties)) // 2
    coefficients = [1] + [0] * degree
    powers = Counter(range(1, size + 1))
    for t in ties:
        powers.subtract(range(1, t + 1))
    for k, times in powers.items():
        for _ in range(times):  # multiply by (1 - q^k)
            for i in range(degree, k - 1, -1):
                coefficients[i] -= coefficients[i - k]
        for _ in range(-times):  # divide by (1 - q^k)
            for i in range(k, degree + 1):
                coefficients[i] += coefficients[i - k]
    return {degree - 2 * inversions: count for inversions, count in enumerate(coefficients)}


@lru_cache(maxsize=512)
def _two_groups(groups: tuple[int, ...], chosen: int) -> dict[int, int]:
    """Return how many choices of `chosen` items from ordered groups of ties have each score: the exact Mann-Whitney distribution."""
    # counts[a] maps a score to the number of ways in which `a` items were chosen from the groups so far.
    counts: dict[int, dict[int, int]] = {0: {0: 1}}
    before = 0
    for size in groups:
        after: dict[int, dict[int, int]] = {}
        for a, scores in counts.items():
            for i in range(min(size, chosen - a) + 1):
                step, ways = i * (before - a) - (size - i) * a, math.comb(size, i)
                target = after.setdefault(a + i, {})
                for score, count in scores.items():
                    target[score + step] = target.get(score + step, 0) + count * ways
        counts, before = after, before + size
    return counts[chosen]


def _normal_p(score: int, size: int, ties_x: tuple[int, ...], ties_y: tuple[int, ...]) -> float:
    """Return a two-sided p by the normal distribution: tie-corrected variance (Kendall 1970, eq. 5.3), continuity correction of 1."""

    def third(ties: tuple[int, ...]) -> float:
        return sum(t * (t - 1) * (2 * t + 5) for t in ties)

    def pairs(ties: tuple[int, ...]) -> int:
        return sum(t * (t - 1) for t in ties)

    def triples(ties: tuple[int, ...]) -> int:
        return sum(t * (t - 1) * (t - 2) for t in ties)

    variance = (size * (size - 1) * (2 * size + 5) - third(ties_x) - third(ties_y)) / 18
    variance += pairs(ties_x) * pairs(ties_y) / (2 * size * (size - 1))
    if size > 2:
        variance += triples(ties_x) * triples(ties_y) / (9 * size * (size - 1) * (size - 2))
    return math.erfc(max(abs(score) - 1, 0) / math.sqrt(2 * variance)) if variance > 0 else 1.0


def fisher(with_trait: int, failed: int, with_trait_failed: int, total: int) -> float:
    """Return the two-sided p of a 2x2 table (Fisher 1935): the total probability of all tables at most as likely as the observed one.

    Of `total` trials, `with_trait` have the trait and `failed` failed; `with_trait_failed` did both.
    """

    def ways(k: int) -> int:
        return math.comb(with_trait, k) * math.comb(total - with_trait, failed - k)

    seen = ways(with_trait_failed)
    possible = range(max(0, failed + with_trait - total), min(failed, with_trait) + 1)
    return sum(ways(k) for k in possible if ways(k) <= seen) / math.comb(total, failed)
