"""Coverage: how many of the planned cells are done, per arm and task, and why others are missing."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from harness.report.analysis.frames import Frames, rows_by, rows_of
from harness.report.render.document import Column, Fold, Item, Section, Table, Text, columns, listed, row
from harness.report.render.marks import Marks
from harness.report.study_data import State

_COUNTED = tuple(State)
_MARK = {
    State.FAILED: "failed",
    State.BLOCKED: "blocked",
    State.UNFINISHED: "unfinished",
    State.UNREADABLE: "unreadable",
    State.NEVER: "not started",
}


def coverage_section(frames: Frames, marks: Marks) -> Section:
    """Build the section: planned cells by state, done of planned per arm and task, and the reasons of missing cells."""
    counts = coverage_counts(frames)
    tables: list[Item] = [_arm_table(counts, marks), Fold("Seeds done of planned, per arm and task", (_grid(frames),), opened=True)]
    reasons = _reasons(frames)
    if reasons is not None:
        tables.append(reasons)
    if (frames.cells["state"] == State.DONE.value).all():
        tables = [Fold("Per arm and task", tuple(tables))]
    return Section("coverage", "Coverage", (coverage_sentence(frames), *tables))


def coverage_counts(frames: Frames) -> pd.DataFrame:
    """Return one row per arm and task: planned cells, and the number in each state."""
    cells = frames.cells
    counts = cells.groupby(["arm", "task"], sort=False).size().rename("planned").to_frame()
    for state in _COUNTED:
        per_pair = cells[cells["state"] == state.value].groupby(["arm", "task"], sort=False).size()
        counts[state.value] = per_pair.reindex(counts.index, fill_value=0)
    return counts.reset_index()


def coverage_sentence(frames: Frames) -> str:
    """Say in one sentence how many of the planned cells are done."""
    states = frames.cells["state"].value_counts()
    planned, done = len(frames.cells), int(states.get(State.DONE.value, 0))
    rest = [f"{int(states[s.value])} {s.value}" for s in _COUNTED if s is not State.DONE and s.value in states.index]
    tail = f"; {listed(rest)}" if rest else ", so every planned cell is in the tables"
    return f"{done} of {planned} planned cells are done{tail}."


def _arm_table(counts: pd.DataFrame, marks: Marks) -> Table:
    per_arm = counts.drop(columns="task").groupby("arm", sort=False).sum().reset_index()
    heads = [Column("planned"), *(Column(state.value) for state in _COUNTED)]
    rows = []
    for entry in rows_of(per_arm):
        texts = [Text(str(entry["planned"]))]
        for state in _COUNTED:
            count = int(entry[state.value])
            bad = state is not State.DONE and count > 0
            texts.append(Text(str(count), tone="warn" if bad else "muted" if not count else ""))
        rows.append(row(marks.name(entry["arm"]), *texts))
    table = Table("coverage", "Cells by state", columns("arm", *heads), tuple(rows), counts, marks.notes(per_arm["arm"]))
    return replace(table, terminal=(_incomplete(table),))


def _incomplete(table: Table) -> Table:
    """Return the table with only the arms that lack cells, and the states of their cells."""
    rows = [texts for texts in table.rows if texts[1].text != texts[2].text]
    kept = [place for place in range(len(table.columns)) if place < 3 or any(texts[place].text != "0" for texts in rows)]
    short = tuple(tuple(texts[place] for place in kept) for texts in rows)
    return Table("coverage_incomplete", "Arms that lack cells", tuple(table.columns[place] for place in kept), short, table.data)


def _grid(frames: Frames) -> Table:
    """Build the table of done and planned seeds, one row per arm and one column per task."""
    cells = frames.cells.assign(done=frames.cells["state"] == State.DONE.value)
    data = cells.groupby(["arm", "task"], sort=False)["done"].agg(done="sum", planned="size").reset_index()
    pairs = rows_by(data, "arm", "task")
    tasks = list(dict.fromkeys(cells["task"]))
    rows = []
    for arm in dict.fromkeys(cells["arm"]):
        texts = []
        for task in tasks:
            entry = pairs.get((arm, task))
            whole = entry is None or entry["done"] == entry["planned"]
            texts.append(Text("–" if entry is None else f"{entry['done']}/{entry['planned']}", tone="" if whole else "warn"))
        rows.append(row(str(arm), *texts))
    return Table("coverage_grid", "Seeds done of planned", columns("arm", *tasks), tuple(rows), data)


def _reasons(frames: Frames) -> Table | None:
    """Group the cells that are not done by arm, state and reason."""
    missing = frames.cells[~frames.cells["state"].isin([State.DONE.value, State.NEVER.value])]
    if missing.empty:
        return None
    groups = missing.groupby(["arm", "state", "reason", "fix"], sort=False)["task"]
    data = pd.DataFrame({"cells": groups.size(), "tasks": groups.unique().map(list).map(listed)}).reset_index()
    rows = [row(e["arm"], e["state"], str(e["cells"]), e["tasks"], _why(e["reason"], e["fix"])) for e in rows_of(data)]
    heads = (
        Column("arm", numeric=False),
        Column("state", numeric=False),
        Column("cells"),
        Column("tasks", numeric=False),
        Column("why, and what to do", numeric=False),
    )
    return Table("coverage_reasons", "Why cells are missing", heads, tuple(rows), data)


def _why(reason: str, fix: str) -> str:
    return f"{reason.rstrip('.')}. {fix}" if fix else reason
