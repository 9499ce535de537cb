"""The main table: the test score of the configuration that validation chose, arm by task, with the average and the gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from harness.report.arms import Arm
from harness.report.coverage import NO_BREAK, marked, startup_note
from harness.report.document import Column, Fold, Section, Table, Text, columns, interval, listed, number, row
from harness.report.findings import Findings
from harness.report.frames import rows_by
from harness.report.funnel import fallback_note, marked_arms
from harness.report.narrow import narrow_tables
from harness.report.scores import TITLES, ScoreBook, best_arms


def score_table(book: ScoreBook, arms: dict[str, Arm], gaps: pd.DataFrame | None = None) -> Table:
    """Build the main table (test scores, with the gaps to the reference) or the one of validation beside it."""
    best, cells, averages = best_arms(book.scores), rows_by(book.scores, "arm", "task"), rows_by(book.averages, "arm")
    top = number(book.averages["mean"].max())
    gap_of = {} if gaps is None else rows_by(gaps, "arm")
    shown = {arm: entry["gap"] for (arm,), entry in gap_of.items()}
    rows = []
    for arm in book.order:
        texts = [_score_text(cells.get((arm, task)), arm in best.get(task, set())) for task in book.tasks]
        average = averages[arm,]
        texts.append(Text(_mean_sd(average), strong=number(average["mean"]) == top != "–"))
        texts += [] if gaps is None else _gap_texts(gap_of.get((arm,)))
        rows.append(row(marked(arm, arms), *texts))
    heads: list[str | Column] = [*book.tasks, "average"]
    data = book.scores.merge(
        book.averages.rename(columns={"mean": "average", "sd": "average_sd"})[["arm", "average", "average_sd"]], on="arm"
    )
    if gaps is not None:
        heads += [Column("gap", hint="points to the reference"), "95 % interval"]
        data = data.merge(gaps.rename(columns={c: f"gap_{c}" for c in gaps if c != "arm"}), on="arm", how="left")
    key, title = TITLES[book.score]
    notes = _notes(book, arms)
    return Table(
        key, f"{title}, %, mean ± sd over seeds", columns("arm", *heads), tuple(rows), data, notes, narrow_tables(book, arms, shown)
    )


def score_section(found: Findings) -> Section:
    """Build the main table, with the validation table folded beside it."""
    main = score_table(found.test, found.arms, found.gaps)
    polluted = marked_arms(found.funnel, found.options)
    if polluted:
        main = _mark(main, polluted, fallback_note(found.options))
    gap = f"gap: to {found.reference[0]}, points of the average, over pairs of the same task and seed."
    absent = [f"Not in the table, since no cell of theirs is done: {listed(found.absent, 30)}."] if found.absent else []
    main = replace(main, notes=(gap, *main.notes, *absent), narrow=_with_note(main.narrow, absent))
    return Section("scores", "Scores", (main, Fold(TITLES["val"][1], (score_table(found.val, found.arms),))))


def _with_note(tables: tuple[Table, ...], notes: list[str]) -> tuple[Table, ...]:
    return tuple(replace(table, notes=(*table.notes, *notes)) if place == 0 else table for place, table in enumerate(tables))


def _mark(table: Table, arms: set[str], note: str, gap: str = NO_BREAK) -> Table:
    """Put a double dagger behind the names of some arms, in the narrow tables too."""
    rows = tuple(
        (replace(r[0], text=f"{r[0].text}{gap}‡") if r[0].text.rstrip(f"{NO_BREAK}†") in arms else r[0], *r[1:]) for r in table.rows
    )
    narrow = tuple(_mark(inner, arms, note, "") for inner in table.narrow)
    return replace(table, rows=rows, narrow=narrow, notes=(*table.notes, note) if table.notes else ())


def _score_text(entry: dict[str, Any] | None, strong: bool) -> Text:
    if entry is None or not entry["done"]:
        return Text("–", tone="muted")
    if not entry["scored"]:
        return Text("no score", tone="warn")
    short = "" if entry["scored"] == entry["planned"] else f" ({entry['scored']}/{entry['planned']})"
    return Text(_mean_sd(entry) + short, strong=strong, tone="warn" if short else "")


def _mean_sd(entry: dict[str, Any]) -> str:
    if pd.isna(entry["sd"]):
        return number(entry["mean"])
    return f"{number(entry['mean'])} ± {number(entry['sd'])}"


def _gap_texts(entry: dict[str, Any] | None) -> list[Text]:
    if entry is None:
        return [Text("–", tone="muted"), Text("–", tone="muted")]
    return [Text(number(entry["gap"], 2, sign=True)), Text(interval(entry["low"], entry["high"]))]


def _notes(book: ScoreBook, arms: dict[str, Arm]) -> tuple[str, ...]:
    notes = ["Bold: the best mean as printed, among arms that have a score from every planned seed."]
    shown = book.scores[book.scores["arm"].isin(book.order)]
    if (shown["scored"] < shown["planned"]).any():
        notes.append("(k/n): only k of n planned seeds have a score. Nothing stands in for the others.")
    if book.averages[book.averages["arm"].isin(book.order)]["mean"].isna().any():
        notes.append("No average where a task has no score: averages over different tasks do not compare.")
    if any(arm.all_startup for arm in arms.values()):
        notes.append(startup_note())
    return tuple(notes)
