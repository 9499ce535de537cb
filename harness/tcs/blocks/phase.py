"""The phase block: it says whether the next trial should explore or exploit, by fixed rules on budget, stagnation and evidence.

The first rule that holds decides (the numbers are in `thresholds.py`):

    finished   no trial is left
    explore    no trial has a score yet
    exploit    the last 20 % of the budget, or the last trial: too few trials are left to profit from exploring
    explore    the first 30 % of the budget, or one of the first two trials
    explore    stagnation: no improvement for 20 % of the budget, and for at least 3 trials
    explore    thin evidence: no hyperparameter shows an effect, and at least half of them have a gap of half their range
    exploit    otherwise

To explore means: change several hyperparameters and aim at the widest gaps. To exploit means: stay near the incumbent, change one or
two hyperparameters, and follow the effects that have evidence.
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
    """The purpose of the next trial."""

    EXPLORE = "explore"
    EXPLOIT = "exploit"
    FINISHED = "finished"


class Rule(StrEnum):
    """The rule that decided, as the summary words it."""

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
    """The purpose of the next trial, and the counts that decided it.

    left: trials that may still be run.
    trials_since_improvement: trials since the incumbent was found; None while no trial has a score.
    effects, wide_gaps: the number of hyperparameters that show an effect (weak ones included), and that have a wide gap.
    hyperparameters: the number of all hyperparameters.
    targets: names of hyperparameters, at most 4: the widest gap first (explore), or the clearest evidence first (exploit).
    hints: for each target, in the same order, the values to try.
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
    """Apply the rules of the module's docstring."""
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
    """Return which share of the range the widest gap takes; for a choice, the share of untried levels."""
    gap = item.coverage.gap
    return gap.share if gap is not None else 1 - item.coverage.share if item.coverage.untried else 0.0


def _gaps(read: Parameters) -> tuple[tuple[Parameter, str], ...]:
    # A hyperparameter that most trials did not use needs its parent changed too, so it comes last.
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
    """Return hyperparameters with an effect, the clearest first; then those with the best value at the edge of the tried ones."""
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
