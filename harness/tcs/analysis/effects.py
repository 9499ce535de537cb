"""The effect of one hyperparameter on the score, with the strength of the evidence for it.

The p comes from a permutation test: how often would randomly permuted scores show an effect at least as clear? A method chose the
trials, they are not random, so p is only a guide.
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
    """How much evidence a p is: strong up to 0.01, moderate up to 0.05, weak up to 0.20, unclear above.

    Too little evidence means that no outcome of these trials could have given a small p.
    """

    STRONG = "strong"
    MODERATE = "moderate"
    WEAK = "weak"
    NONE = "unclear"
    TOO_LITTLE = "too little evidence"

    @property
    def speaks(self) -> bool:
        """Whether there is evidence of an effect, at least weak."""
        return self in (Strength.STRONG, Strength.MODERATE, Strength.WEAK)


def strength(p: float, least_p: float) -> Strength:
    """Return the strength of evidence of a p-value; `least_p` is the smallest p that any outcome could have."""
    if least_p > limit.ATTAINABLE_P:
        return Strength.TOO_LITTLE
    steps = ((limit.STRONG_P, Strength.STRONG), (limit.MODERATE_P, Strength.MODERATE), (limit.WEAK_P, Strength.WEAK))
    return next((s for most, s in steps if p <= most), Strength.NONE)


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a hyperparameter on the score, over the `count` scored trials in which it was active.

    strength: the strength of the evidence.
    direction: for a number or ordered levels, +1 when scores rise with the position, -1 when they fall, else 0. For an unordered choice,
        +1 when `level` is better than the rest, -1 when it is worse.
    tau: Kendall's tau-b, in [-1, 1]. None when there was nothing to compare; p too.
    p: for an unordered choice it is multiplied by the number of compared levels (Bonferroni). exact: False when p is approximated.
    level: of an unordered choice, the level that differs most from the rest.
    values, scores: the number of distinct values and of distinct scores.
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
    """Return the effect of `hp` over its scored observations; the failures block handles the failed trials."""
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
    """Compare each level with all others. For two levels this is one comparison, and the better level is reported."""
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
