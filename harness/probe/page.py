"""The page of a probe: what moved, beside the controls, and what was changed, line by line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.probe.changes import Change
from harness.probe.measures import LEAST_STATES, SURE, Effect, is_nothing
from harness.report.analysis.intervals import Estimate
from harness.report.render.document import (
    Answer,
    Column,
    Fold,
    Item,
    Report,
    Section,
    Table,
    Text,
    Verbatim,
    columns,
    interval,
    listed,
    number,
    row,
)

KEY = "probe"
_QUESTION = "Does the model read it?"
_TWO = ("changed", "control")


@dataclass(frozen=True)
class Told:
    """What the page says besides the effects.

    facts: lines under the title. problems: what keeps the figures from being taken as they are. examples: for each change, a state and
    the lines of its prompt that differ.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    examples: tuple[tuple[Change, str, Sequence[str]], ...]


def page_of(effects: Sequence[Effect], told: Told) -> Report:
    """Return the page."""
    items: tuple[Item, ...] = (_often(effects), _far(effects), _direction(effects), _same_seed(effects), *_caveats())
    shown = Fold("What was changed, in the first state that holds it", tuple(_example(*example) for example in told.examples))
    sections = (Section(KEY, "What the proposals do when one fact is changed", items), Section("changes", "The changes", (shown,)))
    return Report(told.title, told.facts, (_answer(effects),), sections, told.problems)


def name_of(change: Change) -> str:
    """Return the name of a change in the tables."""
    return f"{change.block.replace('_', ' ')}: {change.title}"


def _answer(effects: Sequence[Effect]) -> Answer:
    seen = [effect for effect in effects if any(p < SURE for p in effect.p)]
    told = [effect for effect in effects if effect.is_judged]
    names = listed([name_of(effect.change) for effect in seen], 9)
    if not told:
        why = next((_reason(effect) for effect in effects if effect.states), "no state is answered in full")
        return Answer(_QUESTION, "Nothing can be told yet", "muted", f"There is no interval: {why}.", KEY)
    if not seen:
        text = f"None of {len(told)} changed facts moves the proposal more than other sampling seeds do, as far as this many states show."
        return Answer(_QUESTION, "Not seen", "warn", text, KEY)
    text = f"The proposal moves with {names}, of {len(told)} changed facts that could be judged."
    return Answer(_QUESTION, "Yes, in part" if len(seen) < len(told) else "Yes", "good", text, KEY)


def _often(effects: Sequence[Effect]) -> Table:
    rows = [
        row(_name(e), str(e.states), *map(_percent, e.often), _points(e.more), _word(e, e.more, e.p[0], "more", "less"))
        for e in effects
    ]
    heads = columns("changed fact", "states", "moved", "control", "more [95 %], points", Column("reading", numeric=False))
    notes = (
        "moved: of two proposals, to the changed and to the recorded question at different seeds, the share of pairs that differ, in %. "
        "control: the same for two proposals to the recorded question. On average both are alike where a fact makes no difference.",
        *_why(effects),
    )
    return Table("probe_often", "How often the proposal moves", heads, tuple(rows), _data(effects, "often", "more", 0), notes)


def _far(effects: Sequence[Effect]) -> Table:
    rows = [
        row(_name(e), str(e.states), *map(_two, e.far), _estimate(e.farther), _word(e, e.farther, e.p[1], "farther", "nearer"))
        for e in effects
    ]
    heads = columns("changed fact", "states", "distance", "control", "farther [95 %]", Column("reading", numeric=False))
    note = "distance: the mean distance of the same pairs, from 0 to 1, averaged over the hyperparameters (Gower 1971)."
    return Table("probe_far", "How far it moves", heads, tuple(rows), _data(effects, "far", "farther", 1), (note,))


def _direction(effects: Sequence[Effect]) -> Table:
    rows = [
        row(_name(e), str(e.states), _estimate(e.toward), _word(e, e.toward, e.p[2], "as it says", "the other way"))
        for e in effects
    ]
    heads = columns("changed fact", "states", "along [95 %]", Column("reading", numeric=False))
    note = (
        "along: by how much the mean distance to the configuration that the changed fact speaks for falls; to one that it speaks "
        "against, rises. Above 0 the proposal goes the way that the fact says."
    )
    data = pd.DataFrame([_named(e) | _numbers("along", e.toward, e.p[2]) for e in effects])
    return Table("probe_direction", "In which direction it moves", heads, tuple(rows), data, (note,))


def _same_seed(effects: Sequence[Effect]) -> Table:
    rows = [row(_name(e), *map(_percent, e.same_often), *map(_two, e.same_far)) for e in effects]
    heads = columns("changed fact", "moved", "control", "distance", "control")
    pairs = (("moved", "same_often"), ("distance", "same_far"))
    data = [
        _named(e) | {f"{name}_{which}": getattr(e, key)[i] for name, key in pairs for i, which in enumerate(_TWO)} for e in effects
    ]
    note = (
        "Pairs with one sampling seed. control: the recorded question asked twice with one seed, which moves only where the server "
        "does not repeat itself. Another text may change what a seed draws, so moving here does not show that the fact was read."
    )
    return Table("probe_same_seed", "The same at one sampling seed", heads, tuple(rows), pd.DataFrame(data), (note,))


def _name(effect: Effect) -> str:
    return name_of(effect.change)


def _two(value: float) -> str:
    return number(value, 2)


def _caveats() -> tuple[str, ...]:
    return (
        f"Intervals treat states as drawn one by one. States of one cell share trials, so the truth may spread more. Below {LEAST_STATES} "
        "states there is no interval. The readings take all tests of this page together (Holm 1979).",
        "But for 'all', one block alone sees the change, so the summary may contradict itself, and a model may follow the other blocks. "
        "The probe says what moves a proposal, and not whether it gets better. It looks at proposals alone, not at log-probabilities.",
    )


def _example(change: Change, where: str, lines: Sequence[str]) -> Verbatim:
    return Verbatim(f"{name_of(change)}. {change.what} ({where})", "\n".join(lines))


def _word(effect: Effect, estimate: Estimate, p: float, above: str, below: str) -> Text:
    if math.isnan(p):
        return Text("none" if is_nothing(estimate, effect.states) else "–", tone="muted")
    if p >= SURE:
        return Text("not seen", tone="muted")
    return Text(above if estimate.value > 0 else below, tone="good" if estimate.value > 0 else "warn")


def _why(effects: Sequence[Effect]) -> Iterator[str]:
    """Say why some changes have no interval, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for effect in effects:
        if effect.states and math.isnan(effect.more.p):
            reasons.setdefault(_reason(effect), []).append(name_of(effect.change))
    for why, names in reasons.items():
        yield f"No interval for {listed(names, 3) if len(names) < len(effects) else 'any of them'}: {why}."
    if without := [name_of(effect.change) for effect in effects if not effect.states]:
        yield f"No state with answers holds {listed(without, 9)}."


def _reason(effect: Effect) -> str:
    """Return why there is no interval, in the words of `intervals.py` but for its pairs, which are states here."""
    return effect.more.why.replace("pairs", "states")


def _percent(value: float) -> str:
    return number(100 * value, 0)


def _points(estimate: Estimate) -> str:
    """Write a difference of shares in percentage points."""
    low, high = 100 * estimate.low, 100 * estimate.high
    between = "" if math.isnan(low) else f" {interval(low, high, 0)}"
    return f"{number(100 * estimate.value, 0, sign=True)}{between}"


def _estimate(estimate: Estimate) -> str:
    between = "" if math.isnan(estimate.low) else f" {interval(estimate.low, estimate.high)}"
    return f"{number(estimate.value, 2, sign=True)}{between}"


def _named(effect: Effect) -> dict[str, object]:
    return {"change": effect.change.key, "states": effect.states}


def _numbers(name: str, estimate: Estimate, p: float) -> dict[str, object]:
    return {name: estimate.value, f"{name}_low95": estimate.low, f"{name}_high95": estimate.high, "p": estimate.p, "p_holm": p}


def _data(effects: Sequence[Effect], pair: str, difference: str, place: int) -> pd.DataFrame:
    pairs = [dict(zip(_TWO, getattr(effect, pair), strict=True)) for effect in effects]
    rows = zip(effects, pairs, strict=True)
    return pd.DataFrame([_named(e) | two | _numbers("difference", getattr(e, difference), e.p[place]) for e, two in rows])
