"""The figure of the first screen: every arm less random search from the same start, ranked, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.report.analysis.frames import rows_of
from harness.report.analysis.normalised import NORMALISED
from harness.report.render.document import Figure, Tone, number
from harness.report.render.ranked_plot import Bar, Group, Panel, ranked_drawing
from harness.report.render.units import difference_digits, ends_of, score_of, steps_of
from harness.report.sections.contrasts import UNLIKE as UNLIKE_MARK
from harness.report.sections.contrasts import measures
from harness.report.sections.findings import Findings, Pool
from harness.report.sections.leading.comparisons import (
    AHEAD,
    BEHIND,
    DOUBLE,
    INCOMPLETE,
    UNLIKE,
    WITHHELD,
    Comparisons,
    index_of,
)

KEY = "ranked"
# Of rows that are no comparison of a method with random search.
NO_SEARCH, TO_REFERENCE, OTHER_START = "no search", "to the reference", "other start"
TONES: dict[str, Tone] = {AHEAD: "good", BEHIND: "bad"}
HOLLOW = (UNLIKE, INCOMPLETE, WITHHELD, DOUBLE, OTHER_START)


@dataclass(frozen=True)
class Row:
    """One arm less another: difference and interval, oriented and in the pool's unit, and what may be said of it."""

    pool: Pool
    arm: str
    less: str
    state: str
    difference: float
    low: float
    high: float
    p_holm: float
    pairs: int
    tasks: int
    why: str = ""


def ranked_figures(found: Findings, pools: Sequence[Comparisons]) -> tuple[Figure, ...]:
    """Return the figure, with a panel for each kind of score; nothing where no arm can be compared with another."""
    rows = [row for pool in pools for row in _against_random(found, pool)]
    against = "random search from the same start" if rows else found.reference[0]
    rows = rows or [row for pool in found.pools for row in _to_reference(found, pool)]
    rows = [row for row in rows if math.isfinite(row.difference)]
    if not rows:
        return ()
    panels = _panels(found, rows)
    best, worst = (extreme(rows, key=lambda row: row.difference) for extreme in (max, min))
    ends = f"{best.arm} at {_text(best)}" + (f" down to {worst.arm} at {_text(worst)}" if len(rows) > 1 else "")
    intervals = f", with {_percent(found)} intervals" if any(not math.isnan(row.low) for row in rows) else ""
    figure = Figure(
        KEY,
        f"Each arm less {against}: mean differences over pairs of the same task and seed{intervals}",
        f"Differences to {against}: {ends}",
        _data(rows),
        lambda: ranked_drawing(panels),
        tuple(_notes(rows, panels)),
        lambda: ranked_drawing(panels, narrow=True),
    )
    return (figure,)


def _percent(found: Findings) -> str:
    return f"{100 * found.options.confidence:g} %"


def _against_random(found: Findings, pool: Comparisons) -> Iterator[Row]:
    """Yield every comparison with random search; then the default configuration alone, which says what any search is worth."""
    for entry in pool.all:
        yield Row(
            pool.pool,
            entry.arm.name,
            entry.second,
            entry.state,
            *(entry.difference, entry.low, entry.high, entry.p_holm),
            entry.pairs,
            entry.tasks,
            entry.why,
        )
    seconds = [entry.second for entry in pool.all]
    second = next((name for name in seconds if found.arms[name].start == "default"), seconds[0] if seconds else "")
    alone = [arm for name, arm in found.arms.items() if second and arm.role == "default" and name not in found.absent]
    index = index_of(found, pool.pool).only(pool.tasks)
    for arm in alone:
        pairs = index.pairs(arm.name, second)
        if pairs.all_tasks and not pairs.lacking and arm.given_alike(found.arms[second]):
            made = measures(pairs, found.how)
            yield Row(
                pool.pool,
                arm.name,
                second,
                NO_SEARCH,
                made["difference"],
                made["low"],
                made["high"],
                math.nan,
                pairs.count,
                made["tasks"],
            )


def _to_reference(found: Findings, pool: Pool) -> Iterator[Row]:
    """Yield the gap of every arm to the reference, for a study without random search."""
    reference = found.arms[found.reference[0]]
    for entry in rows_of(pool.noninferiority):
        arm = found.arms[entry["arm"]]
        state = WITHHELD if entry["withheld"] else OTHER_START if arm.start != reference.start else TO_REFERENCE
        why = entry["withheld"] or (f"{arm.name} and {reference.name} do not begin alike" if state == OTHER_START else "")
        yield Row(
            pool,
            arm.name,
            reference.name,
            state,
            *(entry["gap"], entry["low"], entry["high"], math.nan),
            entry["pairs"],
            entry["tasks"],
            why,
        )


def _panels(found: Findings, rows: Sequence[Row]) -> tuple[Panel, ...]:
    """Return a panel for each kind of score; in it a group for each arm that is subtracted, the largest difference first."""
    panels = []
    for pool in dict.fromkeys(row.pool.key(KEY) for row in rows):
        here = [row for row in rows if row.pool.key(KEY) == pool]
        groups = []
        for less in dict.fromkeys(row.less for row in here):
            ranked = sorted((row for row in here if row.less == less), key=lambda row: -row.difference)
            groups.append(Group(_head(found, less), tuple(_bar(found, row) for row in ranked)))
        panels.append(Panel(_axis(here[0].pool), tuple(groups)))
    return tuple(panels)


def _head(found: Findings, less: str) -> str:
    first = ", the default configuration first" if found.arms[less].start == "default" else ""
    return f"less {found.marks.name(less)}{first}"


def _axis(pool: Pool) -> str:
    objective = pool.objective
    if objective == NORMALISED:
        return "difference of normalised score"
    unit = f", {steps_of(objective)}" if objective.unit else ""
    better = " (above 0: better)" if objective.sign < 0 else ""
    return f"difference of {score_of(objective)}{unit}{better}{pool.of}"


def _bar(found: Findings, row: Row) -> Bar:
    mark = f" {UNLIKE_MARK}" if row.state == UNLIKE else ""
    return Bar(
        f"{found.marks.name(row.arm)}{mark}",
        row.difference,
        row.low,
        row.high,
        text=_text(row),
        tone=TONES.get(row.state, ""),
        hollow=row.state in HOLLOW or math.isnan(row.low),
    )


def _text(row: Row) -> str:
    objective = row.pool.objective
    value = number(row.difference, difference_digits(objective), sign=True)
    return value if math.isnan(row.low) else f"{value} {ends_of(row.low, row.high, objective)}"


def _data(rows: Sequence[Row]) -> pd.DataFrame:
    frames = [row.pool.data(pd.DataFrame([{**vars(row), "pool": row.pool.name}])) for row in rows]
    data = pd.concat(frames, ignore_index=True)
    return data if (data["pool"] != "").any() else data.drop(columns="pool")


def _notes(rows: Sequence[Row], panels: Sequence[Panel]) -> Iterator[str]:
    """Yield how to read the drawing, as far as it shows each thing."""
    states = {row.state for row in rows}
    said = {
        AHEAD: "blue: ahead of random search",
        BEHIND: "red: falls behind it",
    }
    parts = [text for state, text in said.items() if state in states]
    parts += ["grey: not told apart"] if parts and states - set(said) else []
    parts += ["hollow: not judged, or without an interval"] if any(bar.hollow for panel in panels for bar in panel.bars) else []
    parts += ["arrow: goes on beyond the axis"] if any(panel.is_clipped for panel in panels) else []
    if parts:
        text = "; ".join(parts)
        yield f"{text[:1].upper()}{text[1:]}."
    if tuned := [row.arm for row in rows if row.state == NO_SEARCH]:
        yield f"{tuned[0]} searches nothing: it is the default configuration alone."
