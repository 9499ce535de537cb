"""The phase block: explore or exploit, by a written rule of budget, stagnation and evidence.

The first line that holds decides (numbers in `thresholds.py`; T is the budget):

    finished   no trial is left
    explore    no trial has a score yet
    exploit    the last 20 % of the budget, or the last trial: there is no time left to gain from exploring
    explore    the first 30 % of the budget, or one of the first two trials
    explore    stagnation: no improvement for 20 % of T, and at least 3 trials
    explore    thin evidence: no hyperparameter shows an effect, and at least half of them have a gap of half their range
    exploit    otherwise

To explore means to change several hyperparameters and to aim at the widest gaps; to exploit, to stay near the incumbent, change one
or two, and follow what has evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from harness.space import Choice, Number, Space, Value
from harness.tcs import thresholds as limit
from harness.tcs.blocks.parameters import BestAt, Parameter, Parameters, gap_text, parameters, wording
from harness.tcs.view.section import Cell, Detail, Level, Phrase, View
from harness.tcs.view.values import Wording, bound_text, sides
from harness.tcs.view.words import p_text
from harness.trial import Trajectory

_UNTRIED_KEPT = 3


class Mode(StrEnum):
    """What the next trial is for."""

    EXPLORE = "explore"
    EXPLOIT = "exploit"
    FINISHED = "finished"


class Rule(StrEnum):
    """The line of the rule that decided."""

    NO_TRIAL_LEFT = "no trial is left"
    NO_SCORE = "no trial has a score yet"
    LAST_TRIALS = "the last 20% of the budget"
    LAST_TRIAL = "the last trial of the budget"
    FIRST_TRIALS = "the first 30% of the budget"
    SECOND_TRIAL = "the second trial of the budget"
    STAGNATION = "no improvement for long enough to look elsewhere"
    THIN_EVIDENCE = "no hyperparameter shows an effect and half or more have wide gaps"
    OTHERWISE = "neither stagnation nor thin evidence: build on the incumbent"


@dataclass(frozen=True, slots=True)
class Phase:
    """What the next trial should be for, and the counts that decided it.

    trials_since_improvement: since the incumbent was found; None while no trial has a score.
    targets: names of hyperparameters by widest gap (explore), or by evidence, best first (exploit); `hints` says for each, in the
    same order, where to.
    """

    name: ClassVar[str] = "phase"
    mode: Mode
    rule: Rule
    left: int
    trials_since_improvement: int | None
    effects: int
    wide_gaps: int
    hyperparameters: int
    targets: tuple[str, ...]
    hints: tuple[str, ...]

    def view(self, detail: Detail) -> View:
        decided = Phrase(f"{self.mode}: {self.rule}", {"mode": self.mode.value, "because": self.rule.value})
        facts: list[tuple[str, Cell]] = [("phase", decided)]
        since = "no score yet" if self.trials_since_improvement is None else f"{self.trials_since_improvement} since improvement"
        counts = f"{self.left} left, {since}; of {self.hyperparameters} hyperparameters"
        counts += f" {self.effects} show an effect, weak ones included, {self.wide_gaps} have a wide gap"
        data = {"left": self.left, "since_improvement": self.trials_since_improvement, "effects": self.effects}
        if detail.level > Level.LEAST:
            facts.append(("counts", Phrase(counts, {**data, "wide_gaps": self.wide_gaps, "hyperparameters": self.hyperparameters})))
        if self.mode is Mode.FINISHED:
            return View(tuple(facts))
        how = {
            Mode.EXPLORE: "change several hyperparameters at once, go where nothing was tried",
            Mode.EXPLOIT: "stay near the incumbent, change one or two hyperparameters",
        }[self.mode]
        facts.append(("how", how))
        hints = self.hints[: detail.pick(1, 2, 3, 4)]
        if hints:
            facts.append(("where", "; ".join(hints)))
        return View(tuple(facts))


def phase(space: Space, trajectory: Trajectory, budget: int) -> Phase:
    """Apply the rule of the module's docstring."""
    read = parameters(space, trajectory, budget)
    best = trajectory.incumbent
    since = len(trajectory) - best.number if best else None
    effects = [item for item in read.items if item.effect.strength.speaks]
    wide = [item for item in read.items if _openness(item) >= limit.WIDE_GAP]
    thin = not effects and 2 * len(wide) >= len(read.items)
    mode, rule = _decide(len(trajectory), budget, since, thin)
    aims = _gaps(read) if mode is Mode.EXPLORE else _leads(effects, read) if mode is Mode.EXPLOIT else ()
    return Phase(
        mode=mode,
        rule=rule,
        left=max(budget - len(trajectory), 0),
        trials_since_improvement=since,
        effects=len(effects),
        wide_gaps=len(wide),
        hyperparameters=len(read.items),
        targets=tuple(item.hp.name for item, _ in aims),
        hints=tuple(hint for _, hint in aims),
    )


def _decide(done: int, budget: int, since: int | None, thin: bool) -> tuple[Mode, Rule]:
    left = budget - done
    stagnation = max(limit.STAGNATION_TRIALS, limit.STAGNATION_SHARE * budget)
    rules = (
        (left <= 0, Mode.FINISHED, Rule.NO_TRIAL_LEFT),
        (since is None, Mode.EXPLORE, Rule.NO_SCORE),
        (left <= limit.EXPLOIT_SHARE * budget, Mode.EXPLOIT, Rule.LAST_TRIALS),
        (left == 1, Mode.EXPLOIT, Rule.LAST_TRIAL),
        (done < limit.EXPLORE_SHARE * budget, Mode.EXPLORE, Rule.FIRST_TRIALS),
        (done < 2, Mode.EXPLORE, Rule.SECOND_TRIAL),
        (since is not None and since >= stagnation, Mode.EXPLORE, Rule.STAGNATION),
        (thin, Mode.EXPLORE, Rule.THIN_EVIDENCE),
    )
    return next(((mode, rule) for holds, mode, rule in rules if holds), (Mode.EXPLOIT, Rule.OTHERWISE))


def _openness(item: Parameter) -> float:
    """Return the share of the range in the widest gap; of a choice, the share of untried levels."""
    gap = item.coverage.gap
    return gap.share if gap is not None else 1 - item.coverage.share if item.coverage.untried else 0.0


def _gaps(read: Parameters) -> tuple[tuple[Parameter, str], ...]:
    # One that is not part of the incumbent can only be tried together with its parent: it comes last.
    open_ones = [item for item in read.items if _openness(item) > 0]
    ranked = sorted(open_ones, key=lambda item: (item.active_trials * 2 < read.trials, -_openness(item)))
    return tuple((item, _gap_hint(item)) for item in ranked[:4])


def _gap_hint(item: Parameter) -> str:
    gap, untried = item.coverage.gap, item.coverage.untried
    if gap is not None:
        return f"{item.shown_name} {gap_text(item, wording(item, item.groups))}"
    write = Wording(item.hp)
    kept = [write(value) for value in untried[:_UNTRIED_KEPT]]
    more = [f"{len(untried) - len(kept)} more"] if len(kept) < len(untried) else []
    return f"{item.shown_name} = {' or '.join([*kept, *more])}"


def _leads(effects: list[Parameter], read: Parameters) -> tuple[tuple[Parameter, str], ...]:
    """Return what has evidence, clearest first; then best values at the edge of what was tried, where the range goes on."""
    ranked = sorted(effects, key=lambda item: item.effect.p or 0.0)
    edges = [item for item in read.items if item not in effects and item.beyond and item.best_at is not BestAt.ONLY]
    return tuple((item, _lead_hint(item)) for item in (*ranked, *edges))[:4]


def _lead_hint(item: Parameter) -> str:
    effect, name = item.effect, item.shown_name
    at = item.best_value
    assert at is not None, "no score, no lead"
    if not effect.strength.speaks or effect.p is None:
        highest = item.best_at is BestAt.HIGHEST
        return f"{name} {sides(item.hp)[highest].past} {bound_text(item.hp, at, _end_value(item, highest), rough=True)}"
    sure = f"{effect.strength}, p {p_text(effect.p)}"
    if effect.level is not None:
        return f"{name} {'=' if effect.direction > 0 else 'not'} {Wording(item.hp)(effect.level)} ({sure})"
    rises = effect.direction > 0
    if at == _end_value(item, rises):
        return f"{name} at {Wording(item.hp)(at)}, its end ({sure})"
    failed = item.failed_past[rises]
    return f"{name} {sides(item.hp)[rises].toward}{'' if failed is None else f', failed at {wording(item, item.groups)(failed)}'} ({sure})"


def _end_value(item: Parameter, high: bool) -> Value:
    """Return the last value of the range on one side."""
    if isinstance(item.hp, Choice):
        return item.hp.choices[-1 if high else 0]
    assert isinstance(item.hp, Number)
    return item.hp.exact(item.hp.high if high else item.hp.low)
