"""The failures block: why trainings failed, and what the failed configurations share that the others do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from harness.space import Choice, Hyperparameter, Space, Value
from harness.tcs.axis import Observation, observe, shown
from harness.tcs.evidence import Strength, strength
from harness.tcs.ranks import fisher, kendall
from harness.tcs.section import Cell, Detail, Table, View
from harness.tcs.thresholds import TRAIT_CONTRAST
from harness.tcs.words import clean_error, clean_names, p_text, trials_text
from harness.trial import Status as Ending
from harness.trial import Trajectory

_CAUSES_KEPT = 6
_TRAITS_KEPT = 4
_NUMBERS = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures with the same status and the same error but for its numbers; `error` is that of the latest."""

    ending: Ending
    error: str
    trials: tuple[int, ...]


@dataclass(frozen=True)
class Trait:
    """What failed configurations share: `hp` at most `high` or at least `low` (one of them None), or equal to `level`.

    Of the failed trials in which it was active `failed_with` of `failed` have the trait, of the others `others_with` of `others`. p: how
    often failures dealt at random would separate as well (Mann-Whitney for ordered values, Fisher times the number of levels for
    choices); `strength` says what that is worth.
    """

    hp: Hyperparameter
    shown_name: str
    low: Value | None
    high: Value | None
    level: Value | None
    failed_with: int
    failed: int
    others_with: int
    others: int
    p: float
    strength: Strength

    @property
    def contrast(self) -> float:
        """Share among the failed minus share among the others."""
        return self.failed_with / self.failed - self.others_with / self.others

    @property
    def text(self) -> str:
        """The trait as a condition."""
        if self.level is not None:
            return f"{self.shown_name} = {shown(self.hp, self.level)}"
        if self.low is not None:
            return f"{self.shown_name} >= {shown(self.hp, self.low)}"
        assert self.high is not None
        return f"{self.shown_name} <= {shown(self.hp, self.high)}"


@dataclass(frozen=True)
class Failures:
    """The failed trials: causes, most frequent first, and traits, largest contrast first."""

    name: ClassVar[str] = "failures"
    trials: int
    failed: int
    causes: tuple[Cause, ...]
    other_causes: int
    traits: tuple[Trait, ...]

    def view(self, detail: Detail) -> View:
        if not self.failed:
            return View((("failures", "none" if self.trials else "no trial yet"),))
        facts: tuple[tuple[str, Cell], ...] = (("failures", f"{self.failed} of {self.trials} trials"),)
        kept = self.causes[: detail.pick(2, 3, 4, _CAUSES_KEPT)]
        rows = tuple((c.ending.value, c.error, trials_text(c.trials, detail.pick(3, 4, 6, 8))) for c in kept)
        tables = [Table("causes", ("status", "error", "trials"), rows, self.other_causes + len(self.causes) - len(kept))]
        if self.traits:
            columns = ("trait", "failed with it", "others with it", "evidence")
            tables.append(
                Table("shared_by_failures", columns, tuple(_trait_row(t) for t in self.traits[: detail.pick(1, 2, 3, 4)]))
            )
        else:
            facts = (*facts, ("shared_by_failures", "nothing that sets them apart"))
        return View(facts, tuple(tables))


def failures(space: Space, trajectory: Trajectory, budget: int) -> Failures:  # noqa: ARG001  (the contract of a block)
    """Say why trainings failed, and what those configurations have in common."""
    failed = [t for t in trajectory if t.score is None]
    causes = _causes(trajectory)
    return Failures(
        trials=len(trajectory),
        failed=len(failed),
        causes=causes[:_CAUSES_KEPT],
        other_causes=max(len(causes) - _CAUSES_KEPT, 0),
        traits=_traits(space, trajectory) if failed and len(failed) < len(trajectory) else (),
    )


def _causes(trajectory: Trajectory) -> tuple[Cause, ...]:
    found: dict[tuple[Ending, str], tuple[str, list[int]]] = {}
    for trial in trajectory:
        if trial.score is None:
            error = clean_error(trial.outcome.error)
            key = (trial.outcome.status, _NUMBERS.sub("#", error))
            found[key] = (error, [*found.get(key, ("", []))[1], trial.number])
    ranked = sorted(found.items(), key=lambda item: (-len(item[1][1]), item[1][1][0]))
    return tuple(Cause(ending, error, tuple(numbers)) for (ending, _), (error, numbers) in ranked)


def _traits(space: Space, trajectory: Trajectory) -> tuple[Trait, ...]:
    names = clean_names(space.names)
    total = sum(1 for t in trajectory if t.score is None)
    found = []
    for hp in space:
        seen = observe(hp, trajectory)
        failed = sum(1 for o in seen if o.score_pct is None)
        # A trait of a minority of the failures is no trait of the failures.
        if failed * 2 < total or failed in (0, len(seen)):
            continue
        unordered = isinstance(hp, Choice) and not hp.ordered
        trait = _level_trait(hp, names[hp.name], seen) if unordered else _cut_trait(hp, names[hp.name], seen)
        if trait is not None and trait.contrast >= TRAIT_CONTRAST:
            found.append(trait)
    return tuple(sorted(found, key=lambda t: (-t.contrast, t.p))[:_TRAITS_KEPT])


def _level_trait(hp: Hyperparameter, name: str, seen: Sequence[Observation]) -> Trait | None:
    failed = sum(1 for o in seen if o.score_pct is None)
    levels = sorted({o.position for o in seen})
    best: Trait | None = None
    for level in levels:
        having = [o for o in seen if o.position == level]
        failed_with = sum(1 for o in having if o.score_pct is None)
        p = min(fisher(len(having), failed, failed_with, len(seen)) * len(levels), 1.0)
        others = len(seen) - failed
        sure = strength(p, min(fisher(len(having), failed, min(failed, len(having)), len(seen)) * len(levels), 1.0))
        trait = Trait(hp, name, None, None, having[0].value, failed_with, failed, len(having) - failed_with, others, p, sure)
        best = trait if best is None or trait.contrast > best.contrast else best
    return best


def _cut_trait(hp: Hyperparameter, name: str, seen: Sequence[Observation]) -> Trait | None:
    """Find the one-sided cut that separates failures from others best (largest difference of shares; the first on a tie)."""
    association = kendall([o.position for o in seen], [float(o.score_pct is None) for o in seen])
    if association is None:
        return None
    failed = sum(1 for o in seen if o.score_pct is None)
    others = len(seen) - failed
    best, cut, failed_below, others_below, below = 0.0, 0, 0, 0, 0
    for i, (here, following) in enumerate(pairwise(seen)):
        below += here.score_pct is None
        contrast = below / failed - (i + 1 - below) / others
        if here.position != following.position and abs(contrast) > abs(best):
            best, cut, failed_below, others_below = contrast, i, below, i + 1 - below
    sure = strength(association.p, association.least_p)
    if best > 0:
        return Trait(hp, name, None, seen[cut].value, None, failed_below, failed, others_below, others, association.p, sure)
    least = seen[cut + 1].value
    return Trait(hp, name, least, None, None, failed - failed_below, failed, others - others_below, others, association.p, sure)


def _trait_row(trait: Trait) -> tuple[Cell, ...]:
    too_little = trait.strength is Strength.TOO_LITTLE
    sure = str(trait.strength) if too_little else f"{trait.strength} (p {p_text(trait.p)})"
    return (trait.text, f"{trait.failed_with} of {trait.failed}", f"{trait.others_with} of {trait.others}", sure)
