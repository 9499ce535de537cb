"""The failures block: why trainings failed, and what the failed configurations have in common that the others do not have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from harness.space import Choice, Hyperparameter, Space, Value
from harness.tcs.analysis.axis import Observation, observe
from harness.tcs.analysis.effects import Strength, strength
from harness.tcs.analysis.rank_tests import fisher, kendall
from harness.tcs.thresholds import TRAIT_CONTRAST
from harness.tcs.view.section import Cell, Detail, Table, View
from harness.tcs.view.values import Wording, bound_text, sides
from harness.tcs.view.words import clean_error, clean_names, p_text, trials_text
from harness.trial import Status as Ending
from harness.trial import Trajectory

_CAUSES_KEPT = 6
_TRAITS_KEPT = 4
_NUMBERS = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures with the same status and the same error text, where numbers in the text may differ.

    error: the text of the latest failure. trials: their numbers. varies: whether the numbers in the text differ.
    """

    ending: Ending
    error: str
    trials: tuple[int, ...]
    varies: bool = False

    @property
    def text(self) -> str:
        """The error text; when the texts differ in their numbers, it names the trial that this text is from."""
        return f"{self.error} (trial {self.trials[-1]})" if self.varies else self.error


@dataclass(frozen=True)
class Trait:
    """A property that failed configurations share: the value of `hp` is at most `high`, at least `low`, or equal to `level`.

    text: the property as a condition that holds for exactly these trials.
    low, high, level: one of them is set, the other two are None.
    failed_with, failed: of the `failed` failed trials in which `hp` was active, `failed_with` have the property.
    others_with, others: the same counts for the trials that did not fail.
    p: the probability that randomly placed failures separate at least as well (Mann-Whitney for ordered values; for unordered choices
        Fisher's exact test, times the number of levels).
    strength: how much evidence that p is.
    """

    hp: Hyperparameter
    text: str
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
        """The trait's share among the failed trials minus its share among the others."""
        return self.failed_with / self.failed - self.others_with / self.others


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
        rows = tuple((c.ending.value, c.text, trials_text(c.trials, detail.pick(3, 4, 6, 8))) for c in kept)
        tables = [Table("causes", ("status", "error", "trials"), rows, self.other_causes + len(self.causes) - len(kept))]
        if self.traits:
            columns = ("trait", "failed with it", "others with it", "evidence")
            tables.append(Table("shared_by_failures", columns, tuple(self._row(t) for t in self.traits[: detail.pick(1, 2, 3, 4)])))
        elif self.failed == self.trials:
            facts = (*facts, ("shared_by_failures", "nothing to compare with: no trial has a score"))
        else:
            facts = (*facts, ("shared_by_failures", "nothing that sets them apart"))
        return View(facts, tuple(tables))

    def _row(self, trait: Trait) -> tuple[Cell, ...]:
        too_little = trait.strength is Strength.TOO_LITTLE
        sure = str(trait.strength) if too_little else f"{trait.strength} (p {p_text(trait.p)})"
        # The hyperparameter may have been active in only some of the trials.
        some = [" active" if n < m else "" for n, m in ((trait.failed, self.failed), (trait.others, self.trials - self.failed))]
        failed, others = f"{trait.failed_with} of {trait.failed}{some[0]}", f"{trait.others_with} of {trait.others}{some[1]}"
        return (trait.text, failed, others, sure)


def failures(space: Space, trajectory: Trajectory, budget: int) -> Failures:  # noqa: ARG001  (the contract of a block)
    """Collect why trainings failed, and what the failed configurations have in common."""
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
    found: dict[tuple[Ending, str], list[tuple[str, int]]] = {}
    for trial in trajectory:
        if trial.score is None:
            error = clean_error(trial.outcome.error)
            key = (trial.outcome.status, _NUMBERS.sub("#", error))
            found.setdefault(key, []).append((error, trial.number))
    ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[1][0][1]))
    return tuple(
        Cause(ending, errors[-1][0], tuple(number for _, number in errors), len({error for error, _ in errors}) > 1)
        for (ending, _), errors in ranked
    )


def _traits(space: Space, trajectory: Trajectory) -> tuple[Trait, ...]:
    names = clean_names(space.names)
    total = sum(1 for t in trajectory if t.score is None)
    found = []
    for hp in space:
        seen = observe(hp, trajectory)
        failed = sum(1 for o in seen if o.score_pct is None)
        # A property that only a minority of the failures can have does not explain the failures.
        if failed * 2 < total or failed in (0, len(seen)):
            continue
        unordered = isinstance(hp, Choice) and not hp.ordered
        trait = _level_trait(hp, names[hp.name], seen) if unordered else _cut_trait(hp, names[hp.name], seen)
        if trait is not None and trait.contrast >= TRAIT_CONTRAST:
            found.append(trait)
    return tuple(sorted(found, key=lambda t: (-t.contrast, t.p))[:_TRAITS_KEPT])


def _level_trait(hp: Hyperparameter, name: str, seen: Sequence[Observation]) -> Trait | None:
    failed = sum(1 for o in seen if o.score_pct is None)
    others, write = len(seen) - failed, Wording(hp)
    levels = sorted({o.position for o in seen})
    best: Trait | None = None
    for level in levels:
        having = [o for o in seen if o.position == level]
        failed_with = sum(1 for o in having if o.score_pct is None)
        p = min(fisher(len(having), failed, failed_with, len(seen)) * len(levels), 1.0)
        sure = strength(p, min(fisher(len(having), failed, min(failed, len(having)), len(seen)) * len(levels), 1.0))
        value = having[0].value
        counts = (failed_with, failed, len(having) - failed_with, others)
        trait = Trait(hp, f"{name} = {write(value)}", None, None, value, *counts, p, sure)
        best = trait if best is None or trait.contrast > best.contrast else best
    return best


def _cut_trait(hp: Hyperparameter, name: str, seen: Sequence[Observation]) -> Trait | None:
    """Find the bound that best separates failures from the others: the largest difference of shares, the first one on a tie."""
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
    least, most = seen[cut + 1].value, seen[cut].value
    if best > 0:
        text = f"{name} {sides(hp)[0].bound} {bound_text(hp, most, least)}"
        return Trait(hp, text, None, most, None, failed_below, failed, others_below, others, association.p, sure)
    text = f"{name} {sides(hp)[1].bound} {bound_text(hp, least, most)}"
    return Trait(hp, text, least, None, None, failed - failed_below, failed, others - others_below, others, association.p, sure)
