"""The evidence of the typed summary for each level of each hyperparameter; `policy.py` combines it into scores.

A level is one value that may be tried next. Scores are in relative units: 1 is the incumbent's score, 0 the median trial's, and -1.5 the
lowest value, which every failure gets.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from harness.space import Config, Value
from harness.space.hyperparameter import Choice, Hyperparameter
from harness.tcs import Changes, Curves, Failures, LastTrial, Parameters, Phase, SearchStatus, Summary
from harness.tcs.analysis.axis import scale
from harness.tcs.analysis.effects import Strength
from harness.tcs.analysis.verdict import Verdict
from harness.tcs.blocks.failures import Trait
from harness.tcs.blocks.parameters import Parameter
from harness.tcs.thresholds import PRACTICAL_PCT

FLOOR = -1.5  # the lowest score, and the score of a failure: a very bad trial must not outweigh all others
REACH = 0.15  # standard deviation of the kernel, as a share of the hyperparameter's scale
CONTRAST_TRIALS = 3.0  # weight, in trials, of a trial that differs from the incumbent in one hyperparameter only
# Bias of an effect at the end of the scale; it is 0 in the middle.
SLOPES = {
    Strength.STRONG: 0.3,
    Strength.MODERATE: 0.2,
    Strength.WEAK: 0.12,
}
GRID = 17  # levels of a number over its whole scale
STEPS = (0.3, 0.15, 0.07)  # further levels lie at about these distances from the base, on both sides

_Evidence = tuple[float, float, float]  # position, score, weight in trials


@dataclass(frozen=True)
class Reading:
    """The sections of a summary that the rules read. They get no other information about a trajectory."""

    status: SearchStatus
    parameters: Parameters
    phase: Phase
    changes: Changes
    failures: Failures
    curves: Curves
    last: LastTrial

    @classmethod
    def of(cls, summary: Summary) -> Reading:
        """Take the sections from a summary. Raises ValueError when one is missing."""
        kinds = (SearchStatus, Parameters, Phase, Changes, Failures, Curves, LastTrial)
        found = [summary.get(kind) for kind in kinds]
        if None in found:
            raise ValueError(f"the rules need the section {kinds[found.index(None)].name}")
        return cls(*found)  # type: ignore[arg-type]  # one of each kind, in order

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the incumbent's training; None while there is no incumbent, or when the summary has no line for it."""
        if self.status.incumbent and self.status.incumbent.trial == self.last.number and self.last.judgement:
            return self.last.judgement.verdict
        return next((line.verdict for line in self.curves.lines if line.incumbent), None)

    @property
    def unit_pct(self) -> float:
        """How many points one relative unit is: from the median trial to the incumbent, and at least a practical difference."""
        best, middle = self.status.incumbent, self.status.median_pct
        return max(best.score_pct - middle if best and middle is not None else 0.0, PRACTICAL_PCT)

    def score(self, pct: float) -> float:
        """Convert a score in percent to relative units, in [-1.5, 1]; 0 while no trial is better than the median."""
        best, middle = self.status.incumbent, self.status.median_pct
        if best is None or middle is None or best.score_pct <= middle:
            return 0.0
        return self._floored((pct - middle) / (best.score_pct - middle))

    def shortfall(self, loss_pct: float | None) -> float:
        """Return the score, in relative units, of a trial that is `loss_pct` points below the incumbent; None means a failure."""
        best, middle = self.status.incumbent, self.status.median_pct
        if loss_pct is None or best is None or middle is None:
            return FLOOR
        return self._floored(1 - loss_pct / max(best.score_pct - middle, 1e-9))

    @staticmethod
    def _floored(score: float) -> float:
        return min(max(score, FLOOR), 1.0)


@dataclass(frozen=True)
class Axis:
    """The levels of one hyperparameter, with the evidence for each; all tuples have one entry per level.

    values, positions: the levels, and their positions in [0, 1]. The first is the base's: the incumbent's value, or the default.
    score_sum, weight: kernel-weighted sum of the scores near a level, and the number of trials behind it, weighted in the same way. The
        kernel is Gaussian on the hyperparameter's own scale; for unordered choices only the same level counts.
    bias: added to the score, from effects with evidence and from traits of the failures.
    """

    hp: Hyperparameter
    values: tuple[Value, ...]
    positions: tuple[float, ...]
    score_sum: tuple[float, ...]
    weight: tuple[float, ...]
    bias: tuple[float, ...]

    @property
    def ordered(self) -> bool:
        """Whether the levels have an order."""
        return is_ordered(self.hp)


def axis_of(item: Parameter, base: Value, reading: Reading, rng: random.Random) -> Axis:
    """Choose the levels of one hyperparameter around `base`, and collect the summary's evidence for each."""
    place = scale(item.hp)
    values = _levels(item.hp, base, rng)
    positions = tuple(place(value) for value in values)
    evidence = [*_groups(item, reading), *_incumbent(item.hp, reading), *_contrasts(item.hp, reading)]
    score_sum, weight = [], []
    for at in positions:
        near = [(_closeness(at - position, ordered=item.ordered) * trials, score) for position, score, trials in evidence]
        score_sum.append(math.fsum(share * score for share, score in near))
        weight.append(math.fsum(share for share, _ in near))
    bias = tuple(_effect(item, at) - _warning(item.hp, at, reading) for at in positions)
    return Axis(item.hp, values, positions, tuple(score_sum), tuple(weight), bias)


def is_ordered(hp: Hyperparameter) -> bool:
    """Say whether the values of a hyperparameter have an order."""
    return not isinstance(hp, Choice) or hp.ordered


def _levels(hp: Hyperparameter, base: Value, rng: random.Random) -> tuple[Value, ...]:
    if isinstance(hp, Choice):
        return (base, *(choice for choice in hp.choices if not _same(choice, base)))
    here, shift = scale(hp)(base), rng.random()
    positions = [(k + shift) / GRID for k in range(GRID)]
    for step in STEPS:
        positions += [here + side * step * rng.uniform(0.6, 1.4) for side in (-1, 1)]
    return tuple(dict.fromkeys([base, *(hp.from_unit(at) for at in positions if 0 <= at <= 1)]))


def _same(a: Value, b: Value) -> bool:
    # True == 1 in Python, and both may be choices.
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _closeness(distance: float, *, ordered: bool) -> float:
    if not ordered:
        return float(abs(distance) < 1e-9)
    return math.exp(-0.5 * (distance / REACH) ** 2)


def _groups(item: Parameter, reading: Reading) -> Iterator[_Evidence]:
    for group in item.groups:
        at = (group.low_position + group.high_position) / 2
        if group.mean_pct is not None:
            yield at, reading.score(group.mean_pct), float(group.scored)
        if group.failed:
            yield at, FLOOR, float(group.failed)


def _incumbent(hp: Hyperparameter, reading: Reading) -> Iterator[_Evidence]:
    """Count the incumbent's value once more: it is known to work together with the base's other values."""
    config = reading.status.config
    if config is not None and hp.name in config:
        yield scale(hp)(config[hp.name]), 1.0, 1.0


def _contrasts(hp: Hyperparameter, reading: Reading) -> Iterator[_Evidence]:
    best = reading.status.incumbent
    for contrast in (*reading.changes.last, *reading.changes.one_knob):
        if best is None or not contrast.one_knob or contrast.changed[0].name != hp.name:
            continue
        change = contrast.changed[0]
        ends = {contrast.later: (change.after, change.before), contrast.earlier: (change.before, change.after)}
        if best.trial in ends:
            mine, other = ends[best.trial]
            loss = None if contrast.gain_pct is None else abs(contrast.gain_pct)
            yield scale(hp)(other), reading.shortfall(loss), CONTRAST_TRIALS
            yield scale(hp)(mine), 1.0, CONTRAST_TRIALS


def _effect(item: Parameter, at: float) -> float:
    """Return the bias of a level at position `at` from an effect that has evidence."""
    if not item.ordered:
        return 0.0
    return SLOPES.get(item.effect.strength, 0.0) * item.effect.direction * (2 * at - 1)


def _warning(hp: Hyperparameter, at: float, reading: Reading) -> float:
    """Return what a level loses when it shares a trait of the failures: the largest contrast of such a trait, in [0, 1]."""
    return max((trait.contrast for trait in reading.failures.traits if trait.hp.name == hp.name and _has(trait, at)), default=0.0)


def _has(trait: Trait, at: float) -> bool:
    place, slack = scale(trait.hp), 1e-9
    if trait.level is not None:
        return abs(place(trait.level) - at) < slack
    if trait.low is not None:
        return at >= place(trait.low) - slack
    return trait.high is not None and at <= place(trait.high) + slack


def full_config(reading: Reading, items: tuple[Parameter, ...]) -> Config:
    """Return a value for every hyperparameter, active or not: the incumbent's where it has one, else the default."""
    best = reading.status.config or {}
    return {item.hp.name: best.get(item.hp.name, item.hp.default) for item in items}
