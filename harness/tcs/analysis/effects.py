"""The effect of one hyperparameter on the score, with the strength of the evidence for it.

The p is that of a permutation: how often would scores dealt at random among the same trials show an effect as clear? The trials were
chosen by a method and not at random, so it is a guide, not a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.space import Choice, Hyperparameter, Value
from harness.tcs import thresholds as limit
from harness.tcs.analysis.axis import Observation
from harness.tcs.analysis.rank_tests import Association, kendall


class Strength(StrEnum):
    """How much evidence there is, from p: at most 0.01, 0.05, 0.20, or more; or no p could have been small."""

    STRONG = "strong"
    MODERATE = "moderate"
    WEAK = "weak"
    NONE = "unclear"
    TOO_LITTLE = "too little evidence"

    @property
    def speaks(self) -> bool:
        """Whether an effect may be read at all."""
        return self in (Strength.STRONG, Strength.MODERATE, Strength.WEAK)


def strength(p: float, least_p: float) -> Strength:
    """Return the strength of evidence of a p-value; `least_p` is the smallest that any outcome could have had."""
    if least_p > limit.ATTAINABLE_P:
        return Strength.TOO_LITTLE
    steps = ((limit.STRONG_P, Strength.STRONG), (limit.MODERATE_P, Strength.MODERATE), (limit.WEAK_P, Strength.WEAK))
    return next((s for most, s in steps if p <= most), Strength.NONE)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a hyperparameter does to the score, over the `count` scored trials in which it was active.

    For a number and for ordered levels `direction` is +1 (scores rise with its position), -1 or 0, and `tau` is Kendall's tau-b. For
    unordered choices `level` is the one that differs most from the rest, `direction` says whether it is better (+1) or worse (-1), and
    p is multiplied by the number of levels that were compared (Bonferroni). `tau` and `p` are None when there was nothing to compare:
    `values` and `scores` count how many there are that differ. `exact` is False where p is approximated.
    """

    strength: Strength
    count: int
    direction: int = 0
    tau: float | None = None
    p: float | None = None
    exact: bool = True
    level: Value | None = None
    values: int = 0
    scores: int = 0


def effect_of(hp: Hyperparameter, observations: Sequence[Observation]) -> Effect:
    """Return the effect of `hp` over its scored observations; failed trials are the business of the failures block."""
    pairs = [(o.position, o.score_pct, o.value) for o in observations if o.score_pct is not None]
    positions, scores = [p for p, _, _ in pairs], [score for _, score, _ in pairs]
    if isinstance(hp, Choice) and not hp.ordered:
        effect = _of_levels(positions, scores, {p: v for p, _, v in pairs})
    else:
        found = kendall(positions, scores)
        effect = _effect(found, len(pairs), found.p if found else 1.0)
    return replace(effect, values=len(set(positions)), scores=len(set(scores)))


def _effect(found: Association | None, count: int, p: float, level: Value | None = None) -> Effect:
    if found is None:
        return Effect(Strength.TOO_LITTLE, count)
    direction = (found.tau > 0) - (found.tau < 0)
    return Effect(strength(p, found.least_p), count, direction, found.tau, p, found.exact, level)


def _of_levels(positions: list[float], scores: list[float], values: dict[float, Value]) -> Effect:
    """Compare each level with all others; between two levels there is one comparison, told from the better one's side."""
    levels = sorted(values)
    if len(levels) < 2:
        return Effect(Strength.TOO_LITTLE, len(scores))
    tests = [(kendall([float(p == level) for p in positions], scores), level) for level in levels]
    found = [(a, level) for a, level in tests if a is not None]
    if not found:
        return Effect(Strength.TOO_LITTLE, len(scores))
    best, level = min(found, key=lambda pair: (pair[0].p, -pair[0].tau))
    factor = 1 if len(levels) == 2 else len(levels)
    least = Association(best.tau, best.p, min(best.least_p * factor, 1.0), best.exact, best.count)
    return _effect(least, len(scores), min(best.p * factor, 1.0), values[level])
