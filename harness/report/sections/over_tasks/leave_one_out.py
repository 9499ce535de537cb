"""What one task decides: every lead contrast and verdict with each task left out in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.report.analysis.families import FOLDED
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import Estimate, SeedIntervals
from harness.report.analysis.objectives import Objectives, margin_of
from harness.report.analysis.pairs import Pairs, ScoreIndex
from harness.report.render.document import Item, Table, Text, columns, interval, listed, number, row
from harness.report.render.marks import Marks
from harness.report.render.units import difference_digits
from harness.report.sections.contrasts import UNLIKE, label
from harness.report.sections.findings import Findings, Pool
from harness.report.sections.noninferiority import FEW_PASS, decide_pass_or_fail, few_pass_note, verdict_word

# With three tasks, two are left, and each of the three is a third of the average: that one task moves it says nothing.
LEAST_TASKS_LEFT_OUT = 4
ABOVE, BELOW, NEITHER = "above 0", "below 0", "not told apart"
SHOWN_TASKS = 12
COLUMNS = [
    "family",
    "first",
    "second",
    "unlike",
    "tasks",
    "difference",
    "low",
    "high",
    "statement",
    "least",
    "least_without",
    "most",
    "most_without",
    "lowest_low",
    "highest_high",
    "changes",
    "changed_by",
]


def contrast_rows(pool: Pool, index: ScoreIndex, found: Findings) -> pd.DataFrame:
    """Return one row per contrast that is not folded: what it says with all tasks, and with each task left out."""
    rows = []
    for entry in rows_of(pool.contrasts):
        if entry["family"] in FOLDED or not entry["pairs"] or entry["withheld"]:
            continue
        pairs = index.pairs(entry["first"], entry["second"])
        about = {name: entry[name] for name in ("family", "first", "second", "unlike")}
        rows.append(about | _left_out(pairs, found, lambda _, estimate: statement(estimate)))
    return pd.DataFrame(rows, columns=COLUMNS)


def verdict_rows(pool: Pool, index: ScoreIndex, found: Findings) -> pd.DataFrame:
    """Return one row per arm against the reference: its verdict with all tasks, and with each task left out."""
    rows = []
    for entry in rows_of(pool.noninferiority.sort_values("gap", ascending=False, kind="stable", na_position="last")):
        pairs = index.pairs(entry["arm"], entry["reference"])
        if not pairs.all_tasks or entry["withheld"]:
            continue

        def decided(kept: Pairs, estimate: Estimate, few: bool = bool(entry["few"])) -> str:
            objectives = Objectives({task: found.objectives[task] for task in kept.differences})
            margin = margin_of(objectives.pools[0][0], found.options)
            verdict, _ = decide_pass_or_fail(kept, estimate, margin, found.withheld)
            # That one task less makes few pairs of enough is no other verdict.
            return verdict_word({"verdict": verdict, "few": few})

        about = {"family": "verdict", "first": entry["arm"], "second": entry["reference"], "unlike": ""}
        rows.append(about | _left_out(pairs, found, decided))
    return pd.DataFrame(rows, columns=COLUMNS)


def statement(estimate: Estimate) -> str:
    """Say on which side of 0 the interval lies."""
    return ABOVE if estimate.low > 0 else BELOW if estimate.high < 0 else NEITHER


def _left_out(pairs: Pairs, found: Findings, decided: Callable[[Pairs, Estimate], str]) -> dict[str, Any]:
    """Return estimate, interval and statement over all tasks, and their range where each task with pairs is left out."""
    tasks = [task for task, values in pairs.differences.items() if len(values)]
    intervals = SeedIntervals(pairs.strata, found.how)
    whole = intervals.without()
    said = decided(pairs, whole)
    without = {task: intervals.without(place) for place, task in enumerate(tasks)}
    words = {task: decided(_less(pairs, task), estimate) for task, estimate in without.items()}
    least, most = (extreme(without, key=lambda task: without[task].value) for extreme in (min, max))
    changed = {task: word for task, word in words.items() if word != said}
    known = [estimate for estimate in without.values() if not math.isnan(estimate.low)]
    return {
        "tasks": len(tasks),
        "difference": whole.value,
        "low": whole.low,
        "high": whole.high,
        "statement": said,
        "least": without[least].value,
        "least_without": least,
        "most": without[most].value,
        "most_without": most,
        "lowest_low": min((estimate.low for estimate in known), default=math.nan),
        "highest_high": max((estimate.high for estimate in known), default=math.nan),
        "changes": len(changed),
        "changed_by": tuple(changed.items()),
    }


def _less(pairs: Pairs, task: str) -> Pairs:
    """Return the pairs of the other tasks."""
    kept = {name: values for name, values in pairs.differences.items() if name != task}
    return replace(pairs, differences=kept, missing={name: count for name, count in pairs.missing.items() if name != task})


def leave_one_out_items(found: Findings) -> tuple[Item, ...]:
    """Build a table of contrasts and one of verdicts for each pool with enough tasks; else say why there is none."""
    items: list[Item] = []
    pools = [(pool, "contrasts") for pool in found.contrast_pools] + [(pool, "verdicts") for pool in found.pools]
    short = dict.fromkeys(pool.name or "this study" for pool, _ in pools if len(pool.tasks) < LEAST_TASKS_LEFT_OUT)
    for pool, kind in pools:
        if len(pool.tasks) < LEAST_TASKS_LEFT_OUT:
            continue
        index = found.index if pool is not found.normalised.pool else ScoreIndex.of(found.normalised.frames)
        made = contrast_rows if kind == "contrasts" else verdict_rows
        frame = made(pool, index.only(pool.tasks), found)
        if len(frame):
            items.append(_table(kind, frame, pool, found))
    if items:
        items.insert(0, _lead([item.data for item in items if isinstance(item, Table)]))
    if short:
        items.append(
            f"What one task decides is withheld for {listed(list(short), 4)}: it takes {LEAST_TASKS_LEFT_OUT} tasks. Each of fewer is a "
            "third of the average or more, and moves it by that alone."
        )
    return tuple(items)


def _lead(frames: Sequence[pd.DataFrame]) -> str:
    rows, changed = sum(map(len, frames)), sum(int((frame["changes"] > 0).sum()) for frame in frames)
    if changed:
        outcome = f"{changed} of these {rows} statements change when some one task is left out, as the last column says"
    else:
        outcome = f"none of these {rows} statements changes whichever task is left out"
    return (
        "What one task decides: every difference and verdict again with each task left out in turn, over the other tasks. A statement is "
        f"on which side of 0 the interval for these tasks lies, or the verdict; {outcome}."
    )


def _table(kind: str, frame: pd.DataFrame, pool: Pool, found: Findings) -> Table:
    digits, percent = difference_digits(pool.objective), f"{100 * found.options.confidence:g} %"
    rows = []
    for entry in rows_of(frame):
        difference = number(entry["difference"], digits, sign=True)
        rows.append(
            row(
                found.marks.name(entry["first"]) if kind == "verdicts" else label(entry, found.marks),
                Text(f"{difference} {interval(entry['low'], entry['high'], digits)}", value=entry["difference"]),
                entry["statement"],
                f"{number(entry['least'], digits, sign=True)} ({entry['least_without']}) to "
                f"{number(entry['most'], digits, sign=True)} ({entry['most_without']})",
                interval(entry["lowest_low"], entry["highest_high"], digits),
                _changes(entry),
            )
        )
    what = "gap" if kind == "verdicts" else "difference"
    heads = columns(
        "arm" if kind == "verdicts" else "first − second",
        f"{what}, {percent}, all tasks",
        "verdict" if kind == "verdicts" else "statement",
        f"{what} without one task (which)",
        "widest reach of the intervals",
        "changes",
    )
    heads = tuple(replace(head, numeric=head.title not in ("verdict", "statement", "changes") and head.numeric) for head in heads)
    titles = {"contrasts": "Contrasts with one task left out", "verdicts": "Verdicts with one task left out"}
    data = frame.assign(changed_by=frame["changed_by"].map(lambda pairs: "; ".join(f"{task}: {word}" for task, word in pairs)))
    notes = _notes(frame, found.marks)
    return Table(pool.key(f"left_out_{kind}"), f"{titles[kind]}{pool.of}", heads, tuple(rows), pool.data(data), notes)


def _changes(entry: Mapping[str, Any]) -> str:
    """Name the tasks without which the statement is another one, and that one."""
    found: dict[str, list[str]] = {}
    for task, word in entry["changed_by"]:
        found.setdefault(word, []).append(task)
    return "; ".join(f"{word} without {listed(tasks, SHOWN_TASKS)}" for word, tasks in found.items()) or "none"


def _notes(frame: pd.DataFrame, marks: Marks) -> tuple[str, ...]:
    notes = [f"{UNLIKE} {unlike}." for unlike in dict.fromkeys(frame["unlike"]) if unlike]
    notes += [few_pass_note()] if (frame["statement"] == FEW_PASS).any() else []
    return (*notes, *marks.notes([*frame["first"], *frame["second"]]))
