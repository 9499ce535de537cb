"""The probability of improvement between arms, averaged over tasks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.report.analysis.families import FAMILIES, FOLDED, contrasts_of
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import Resampling
from harness.report.analysis.over_tasks import Complete, chances, improvement, scores_of
from harness.report.analysis.pairs import LEAST_POINTS, ScoreIndex
from harness.report.render.document import Figure, Item, Table, columns, number, row
from harness.report.render.marks import Marks
from harness.report.render.plots import Line, forest
from harness.report.sections.contrasts import UNLIKE, label
from harness.report.sections.findings import Findings

AGAINST = "reference"


def pairs_of(found: Findings, complete: Complete) -> Iterator[dict[str, str]]:
    """Yield the pairs of arms: every arm against the reference arm, and the contrasts that are not folded, each pair once."""
    reference, seen = found.reference[0], set()
    against = [(AGAINST, arm, reference, "") for arm in complete.arms if arm != reference and reference in complete.arms]
    others = [(c.family, c.first, c.second, c.unlike) for c in contrasts_of(found.arms) if c.family not in FOLDED]
    for family, first, second, unlike in (*others, *against):
        if {first, second} <= set(complete.arms) and (first, second) not in seen:
            seen.add((first, second))
            yield {"family": family, "first": first, "second": second, "unlike": unlike}


def improvement_frame(index: ScoreIndex, pairs: Iterator[dict[str, str]], complete: Complete, how: Resampling) -> pd.DataFrame:
    """Return one row per pair: its probability of improvement with an interval that draws tasks, and the tasks that favour each arm."""
    rows = []
    ties = [LEAST_POINTS * index.objectives[task].point for task in complete.tasks]
    for pair in pairs:
        first, second = ([scores_of(index, pair[side], task) for task in complete.tasks] for side in ("first", "second"))
        by_task = chances(first, second, ties)
        estimate = improvement(by_task, how)
        counts = {"for": by_task > 0.5, "even": by_task == 0.5, "against": by_task < 0.5}
        rows.append(
            {**pair, "tasks": len(by_task), "improvement": estimate.value, "low": estimate.low, "high": estimate.high}
            | {"method": estimate.method, **{name: int(np.sum(which)) for name, which in counts.items()}}
        )
    columns = ["family", "first", "second", "unlike", "tasks", "improvement", "low", "high", "method", "for", "even", "against"]
    return pd.DataFrame(rows, columns=columns)


def improvement_items(frame: pd.DataFrame, reference: str, marks: Marks, percent: str) -> tuple[Item, ...]:
    """Build the figure and the table; nothing without a pair."""
    if frame.empty:
        return ()
    titles = {**{family: title.partition(":")[0] for family, title in FAMILIES.items()}, AGAINST: f"Against {reference}"}
    entries = sorted(rows_of(frame), key=lambda entry: list(titles).index(entry["family"]))
    lines = [Line(label(e, marks), e["improvement"], e["low"], e["high"], group=titles[e["family"]]) for e in entries]
    tasks = int(frame["tasks"].iloc[0])
    axis = "P(a run of the first arm is better than a run of the second)"
    figure = Figure(
        "improvement",
        f"Probability of improvement over {tasks} tasks, with {percent} intervals that draw tasks; the line: as often better as worse",
        f"{len(lines)} pairs of arms, from {min(line.value for line in lines):.2f} to {max(line.value for line in lines):.2f}.",
        frame,
        lambda: forest(lines, axis=axis, margin=None, even=0.5, whole=True),
        narrow=lambda: forest(lines, axis=axis, margin=None, even=0.5, whole=True, narrow=True),
    )
    rows = tuple(
        row(
            label(e, marks),
            number(e["improvement"], 2),
            f"[{number(e['low'], 2)}, {number(e['high'], 2)}]",
            f"{e['for']} : {e['even']} : {e['against']}",
        )
        for e in entries
    )
    heads = columns("first − second", "P(better)", f"{percent}, other tasks", "tasks for : even : against")
    return (
        figure,
        Table("improvement_table", "Probability of improvement, averaged over tasks", heads, rows, frame, _notes(frame, marks)),
    )


def _notes(frame: pd.DataFrame, marks: Marks) -> tuple[str, ...]:
    notes = [
        "On each task it is the share of all pairs of runs, of the same seed or not, in which the first arm's run is better; ties count "
        "half. P(better) of the contrasts is over pairs of the same seed."
    ]
    notes += [f"{UNLIKE} {unlike}." for unlike in dict.fromkeys(frame["unlike"]) if unlike]
    if (frame["method"] == "clopper-pearson").any():
        notes.append(
            "Where all tasks have the same share, the interval is that of Clopper and Pearson, with every task as one draw."
        )
    return (*notes, *marks.notes([*frame["first"], *frame["second"]]))
