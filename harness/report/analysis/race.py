"""The sequential rule by which a race drops methods that are clearly behind.

A race runs K methods seed by seed; all methods of one seed share its training seed. From FIRST_LOOK seeds on, there is a look after every
seed: each method in the race is compared with the leader, the method with the highest mean score. It is dropped when the one-sided test of
the paired differences (leader less method, mean above 0) has p <= spent(k) / (K - 1) at look k.

- *Which comparisons count* (Hsu 1984, multiple comparisons with the best): the best method can only be lost in one of its K - 1
  comparisons, whichever method leads at that look. So Bonferroni's correction for K - 1 comparisons bounds the chance to lose it. Where
  several methods are equally good, a dropped one is no better than the best of the others, and no more is said.
- *Looks* (alpha spending, Lan and DeMets 1983): look k may spend spent(k) = ERROR * 4 / ((k + 3) * (k + 4)). The sum over all looks,
  without end, is ERROR. So a race may be prolonged as often as one likes.
- *The test*: Student's t of paired differences, on Hall's (1992) monotone transformation for skewness where that makes it more careful
  (differences with a long tail on the method's side, of which few seeds have seen nothing yet), and never below half of t. Differences
  without spread decide nothing.

ERROR is 2 of the 5 % that are promised, since the test errs more often than it should with few skewed differences.
`scripts/advise_error.py` simulates the error. It holds up to the skewness of an exponential distribution. No test of a mean holds for all
distributions: a method that owes its mean to one rare large gain, or to rare collapses of the others, may be dropped before that is seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from harness.report.analysis.intervals import FLAT, QUIET, Array

# What is promised, and what the tests may spend of it.
PROMISED, ERROR = 0.05, 0.02
FIRST_LOOK = 5
# The spending is slow at first: look 1 may spend a fifth.
_SLOWNESS = 3
# So much of an effect is left by the correction for skewness. It is made for small effects, and takes away most of a large one.
LEAST_KEPT = 0.5
# More seeds than these are not an offer.
MOST_SEEDS = 1000
POWER = 0.8

Scores = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Dropped:
    """When a method was dropped, and which method led then."""

    after: int
    leader: str


@dataclass(frozen=True)
class Standing:
    """How a race stands after `seeds` seeds that all methods in it have run. `alive` are those methods, the best mean first."""

    seeds: int
    alive: tuple[str, ...]
    dropped: Mapping[str, Dropped] = field(default_factory=dict)

    @property
    def leader(self) -> str:
        """The method with the best mean; empty where no method is in the race."""
        return self.alive[0] if self.alive else ""


def spent(look: int) -> float:
    """Return the share of the error, in (0, ERROR), that look 1, 2, ... may spend."""
    return ERROR * (_SLOWNESS + 1) / ((look + _SLOWNESS) * (look + _SLOWNESS + 1))


def level(seeds: int, methods: int) -> float:
    """Return the level of one comparison after so many seeds, in a race that began with so many methods; 0 before the first look."""
    return spent(seeds - FIRST_LOOK + 1) / max(1, methods - 1) if seeds >= FIRST_LOOK else 0.0


@QUIET
def chance(differences: Array) -> Array:
    """Return the one-sided p of the mean difference being 0 or less, for the last axis of `differences` (..., seeds).

    It is 1 where the differences have no spread.
    """
    count = differences.shape[-1]
    unit = np.abs(differences).max(axis=-1, keepdims=True)
    scaled = differences / np.where(unit > 0, unit, 1.0)
    mean, spread = scaled.mean(axis=-1), scaled.std(axis=-1, ddof=1) if count > 1 else np.zeros(differences.shape[:-1])
    effect = mean / spread
    skewness = ((scaled - mean[..., None]) ** 3).mean(axis=-1) / spread**3
    statistic = math.sqrt(count) * np.minimum(effect, np.maximum(_hall(effect, skewness, count), LEAST_KEPT * effect))
    return np.where(spread > FLAT, special.stdtr(count - 1, -statistic), 1.0)


def _hall(effect: Array, skewness: Array, count: int) -> Array:
    """Return Hall's (1992) transformation of a mean in standard deviations: monotone, and free of skewness to second order."""
    return np.asarray(effect + skewness * effect**2 / 3 + skewness**2 * effect**3 / 27 + skewness / (6 * count))


def replay(scores: Scores) -> Standing:
    """Run the race on the scores of each method from seed 0 on, higher is better, NaN where a cell ended without a score.

    A method may have more seeds than others. The race goes as far as every method that is still in it has run.
    """
    alive, dropped, look = list(scores), dict[str, Dropped](), FIRST_LOOK
    while alive and look <= min(len(scores[name]) for name in alive):
        ordered = _ordered(scores, alive, look)
        lost = _behind(scores, ordered, look)
        dropped |= {name: Dropped(look, ordered[0]) for name in lost}
        alive = [name for name in alive if name not in lost]
        look += 1
    seeds = min((len(scores[name]) for name in alive), default=0)
    return Standing(seeds, tuple(_ordered(scores, alive, seeds)), dropped)


def _behind(scores: Scores, ordered: Sequence[str], seeds: int) -> list[str]:
    """Return the methods that are clearly behind the first one at the look after so many seeds."""
    pairs = {name: paired(scores, ordered[0], name, seeds) for name in ordered[1:]}
    lost = []
    for count in {len(found) for found in pairs.values() if len(found) >= FIRST_LOOK}:
        alike = [name for name, found in pairs.items() if len(found) == count]
        behind = chance(np.array([pairs[name] for name in alike])) <= level(seeds, len(scores))
        lost += [name for name, is_behind in zip(alike, behind, strict=True) if is_behind]
    return lost


def paired(scores: Scores, first: str, second: str, seeds: int) -> Array:
    """Return the differences of the seeds below `seeds` on which both methods have a score."""
    both = min(seeds, len(scores[first]), len(scores[second]))
    found = np.asarray(scores[first][:both], dtype=np.float64) - np.asarray(scores[second][:both], dtype=np.float64)
    return found[~np.isnan(found)]


def _ordered(scores: Scores, names: Sequence[str], seeds: int) -> list[str]:
    """Return methods by the number of their scores, and then by their mean: one without some of its scores leads none that has all."""

    def key(name: str) -> tuple[int, float]:
        found = [value for value in scores[name][:seeds] if not math.isnan(value)]
        return -len(found), -mean(found)

    return sorted(names, key=key)


def mean(values: Sequence[float]) -> float:
    """Return the mean, -inf of nothing."""
    return math.fsum(values) / len(values) if values else -math.inf


@QUIET
def seeds_to_decide(differences: Array, methods: int) -> float:
    """Estimate how many seeds in all let the rule drop a method, with power 0.8, if its differences go on as they are.

    It takes the observed mean and standard deviation of the leader's differences to it, without a correction for skewness. Infinite above
    MOST_SEEDS; NaN where there is nothing to estimate from: fewer than FIRST_LOOK pairs, or no spread.
    """
    count = len(differences)
    if count < FIRST_LOOK:
        return math.nan
    center, spread = float(differences.mean()), float(differences.std(ddof=1))
    if not 0.0 < spread < math.inf or spread <= FLAT * float(np.abs(differences).max()):
        return math.nan
    for seeds in range(count + 1, MOST_SEEDS + 1):
        needed = special.stdtrit(seeds - 1, 1 - level(seeds, methods)) + special.stdtrit(seeds - 1, POWER)
        if math.sqrt(seeds) * center / spread >= needed:
            return seeds
    return math.inf
