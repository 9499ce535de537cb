"""What the typed summary says about each level of each hyperparameter: the scores that `rules.py` acts on.

A level is one value that may be tried next. Its score is in units of the lead: 1 is the incumbent, 0 the median trial, -1.5 the
worst, and every failure.
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

FLOOR = -1.5  # of a score, and the score of a failure: a disaster says no more than "not here"
REACH = 0.15  # standard deviation of the kernel, as a share of the hyperparameter's scale
CONTRAST_TRIALS = 3.0  # what a one-knob contrast with the incumbent weighs, in trials: nothing else differed
SLOPES = {
    Strength.STRONG: 0.3,
    Strength.MODERATE: 0.2,
    Strength.WEAK: 0.12,
}  # of an effect, from the middle to the end of the scale
GRID = 17  # levels of a number over its scale
STEPS = (0.3, 0.15, 0.07)  # and at about these distances from the incumbent, to either side

_Evidence = tuple[float, float, float]  # position, score, weight in trials


@dataclass(frozen=True)
class Reading:
    """The sections of a summary that the rules read. Nothing else of a trajectory reaches them."""

    status: SearchStatus
    parameters: Parameters
    phase: Phase
    changes: Changes
    failures: Failures
    curves: Curves
    last: LastTrial

    @classmethod
    def of(cls, summary: Summary) -> Reading:
        """Take the sections out of a summary. Raises ValueError when one was left out."""
        kinds = (SearchStatus, Parameters, Phase, Changes, Failures, Curves, LastTrial)
        found = [summary.get(kind) for kind in kinds]
        if None in found:
            raise ValueError(f"the rules need the section {kinds[found.index(None)].name}")
        return cls(*found)  # type: ignore[arg-type]  # one of each kind, in order

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the incumbent's training; None while there is no incumbent, or its line was folded away."""
        if self.status.incumbent and self.status.incumbent.trial == self.last.number and self.last.judgement:
            return self.last.judgement.verdict
        return next((line.verdict for line in self.curves.lines if line.incumbent), None)

    def score(self, pct: float) -> float:
        """Return a score in percent in units of the lead, in [-1.5, 1]; 0 while nothing leads."""
        best, middle = self.status.incumbent, self.status.median_pct
        if best is None or middle is None or best.score_pct <= middle:
            return 0.0
        return self._floored((pct - middle) / (best.score_pct - middle))

    def shortfall(self, loss_pct: float | None) -> float:
        """Return the score of a trial that lies so far below the incumbent; None stands for a failure."""
        best, middle = self.status.incumbent, self.status.median_pct
        if loss_pct is None or best is None or middle is None:
            return FLOOR
        return self._floored(1 - loss_pct / max(best.score_pct - middle, 1e-9))

    @staticmethod
    def _floored(score: float) -> float:
        return min(max(score, FLOOR), 1.0)


@dataclass(frozen=True)
class Axis:
    """The levels of one hyperparameter, the first being the base's (the incumbent's value, or the default).

    `heard` sums the scores heard of near each level, `weight` counts the trials that they come from, both by a Gaussian kernel on
    the hyperparameter's own scale (for unordered choices: of the same level only). `push` is what the evidence for an effect and
    the traits of failures add.
    """

    hp: Hyperparameter
    values: tuple[Value, ...]
    positions: tuple[float, ...]
    heard: tuple[float, ...]
    weight: tuple[float, ...]
    push: tuple[float, ...]

    @property
    def ordered(self) -> bool:
        """Whether levels have a sense of more and less."""
        return is_ordered(self.hp)


def axis_of(item: Parameter, base: Value, reading: Reading, rng: random.Random) -> Axis:
    """Lay out the levels of one hyperparameter around `base`, and score them by the summary."""
    place = scale(item.hp)
    values = _levels(item.hp, base, rng)
    positions = tuple(place(value) for value in values)
    evidence = [*_groups(item, reading), *_incumbent(item.hp, reading), *_contrasts(item.hp, reading)]
    heard, weight = [], []
    for at in positions:
        near = [(_closeness(at - position, ordered=item.ordered) * trials, score) for position, score, trials in evidence]
        heard.append(math.fsum(share * score for share, score in near))
        weight.append(math.fsum(share for share, _ in near))
    push = tuple(_effect(item, at) - _warning(item.hp, at, reading) for at in positions)
    return Axis(item.hp, values, positions, tuple(heard), tuple(weight), push)


def is_ordered(hp: Hyperparameter) -> bool:
    """Say whether the values of a hyperparameter have a sense of more and less."""
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
    """The incumbent's value counts once more: it is the one that is known to go well together with the others."""
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
    """Tilt the scale in the direction of an effect that has evidence."""
    if not item.ordered:
        return 0.0
    return SLOPES.get(item.effect.strength, 0.0) * item.effect.direction * (2 * at - 1)


def _warning(hp: Hyperparameter, at: float, reading: Reading) -> float:
    """Return what a level loses for sharing a trait of the failures: by how much the trait tells them from the others, in [0, 1]."""
    return max((trait.contrast for trait in reading.failures.traits if trait.hp.name == hp.name and _has(trait, at)), default=0.0)


def _has(trait: Trait, at: float) -> bool:
    place, slack = scale(trait.hp), 1e-9
    if trait.level is not None:
        return abs(place(trait.level) - at) < slack
    if trait.low is not None:
        return at >= place(trait.low) - slack
    return trait.high is not None and at <= place(trait.high) + slack


def full_config(reading: Reading, items: tuple[Parameter, ...]) -> Config:
    """Return a value for every hyperparameter: the incumbent's where it has one, else the default."""
    best = reading.status.config or {}
    return {item.hp.name: best.get(item.hp.name, item.hp.default) for item in items}
