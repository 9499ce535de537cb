"""The score tables, one row per arm and one column per task: for the page in full, for a terminal in two tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.report.analysis.frames import rows_by
from harness.report.analysis.scores import TITLES, ScoreBook, best_arms
from harness.report.render.document import Column, Fold, Section, Table, Text, columns, interval, listed, number, row
from harness.report.render.marks import Marks
from harness.report.render.terminal import COLUMNS, least_width
from harness.report.sections.findings import Findings


def score_table(book: ScoreBook, marks: Marks, gaps: pd.DataFrame | None = None) -> Table:
    """Build the table of test scores, with `gaps` to the reference arm, or the table of validation scores, without."""
    best, cells, averages = best_arms(book.scores), rows_by(book.scores, "arm", "task"), rows_by(book.averages, "arm")
    # An arm that lacks seeds is never the best, as in the columns of the tasks.
    top = number(book.averages.loc[book.averages["cells"] == book.averages["planned"], "mean"].max())
    gap_of = {} if gaps is None else rows_by(gaps, "arm")
    shown = {arm: entry["gap"] for (arm,), entry in gap_of.items()}
    rows = []
    for arm in book.order:
        texts = [_score_text(cells.get((arm, task)), arm in best.get(task, set())) for task in book.tasks]
        average = averages[arm,]
        texts.append(
            Text(_mean_sd(average), strong=average["cells"] == average["planned"] and number(average["mean"]) == top != "–")
        )
        texts += [] if gaps is None else _gap_texts(gap_of.get((arm,)))
        rows.append(row(marks.name(arm), *texts))
    heads: list[str | Column] = [*book.tasks, "average"]
    data = book.scores.merge(
        book.averages.rename(columns={"mean": "average", "sd": "average_sd"})[["arm", "average", "average_sd"]], on="arm"
    )
    if gaps is not None:
        heads += [Column("gap", hint="points to the reference"), "95 % interval"]
        data = data.merge(gaps.rename(columns={c: f"gap_{c}" for c in gaps if c != "arm"}), on="arm", how="left")
    key, title = TITLES[book.score]
    notes = _notes(book, marks)
    return Table(
        key,
        f"{title}, %, mean ± sd over seeds",
        columns("arm", *heads),
        tuple(rows),
        data,
        notes,
        terminal_tables(book, marks, shown),
    )


def terminal_tables(book: ScoreBook, marks: Marks, gaps: Mapping[str, float]) -> tuple[Table, Table]:
    """Return the tables for a terminal: the means, with gaps and stars where 80 columns have room for them, and the deviations."""
    layouts = [(True, True), (False, True), (False, False)] if gaps else [(False, True), (False, False)]
    means = [_means(book, marks, gaps if with_gap else {}, star) for with_gap, star in layouts]
    return next((table for table in means if least_width(table) <= COLUMNS), means[-1]), _deviations(book, marks)


def _means(book: ScoreBook, marks: Marks, gaps: Mapping[str, float], star: bool) -> Table:
    cells, averages, best = rows_by(book.scores, "arm", "task"), rows_by(book.averages, "arm"), best_arms(book.scores)
    rows = []
    for arm in book.order:
        texts = [Text(_mean(cells.get((arm, task), {})), star and arm in best.get(task, set())) for task in book.tasks]
        gap = [number(gaps.get(arm), 2, sign=True)] if gaps else []
        rows.append(row(marks.name(arm, ""), *texts, number(averages[arm,]["mean"]), *gap))
    key, title = TITLES[book.score]
    heads = columns("arm", *book.tasks, "avg", *(["gap"] if gaps else []))
    return Table(f"{key}_mean", f"{title}, %, mean over seeds", heads, tuple(rows), book.scores, _terminal_notes(book, marks, star))


def _mean(entry: Mapping[str, Any]) -> str:
    """Write a mean, with a tilde when seeds are missing from it."""
    return f"{'~' if entry.get('scored', 0) < entry.get('planned', 0) and entry.get('scored') else ''}{number(entry.get('mean'))}"


def _deviations(book: ScoreBook, marks: Marks) -> Table:
    cells, averages = rows_by(book.scores, "arm", "task"), rows_by(book.averages, "arm")
    rows = [
        row(
            marks.name(arm, ""),
            *(number(cells.get((arm, task), {}).get("sd")) for task in book.tasks),
            number(averages[arm,]["sd"]),
        )
        for arm in book.order
    ]
    title = "Standard deviation over the same seeds, points"
    return Table(f"{TITLES[book.score][0]}_sd", title, columns("arm", *book.tasks, "avg"), tuple(rows), book.scores)


def _terminal_notes(book: ScoreBook, marks: Marks, star: bool) -> tuple[str, ...]:
    notes = ["*: the best mean as printed, among arms that have a score from every planned seed."] if star else []
    shown = book.scores[book.scores["arm"].isin(book.order)]
    if (shown["scored"] < shown["planned"]).any():
        notes.append("~: not every planned seed has a score; see the coverage.")
    return (*notes, *marks.notes(book.order))


def score_section(found: Findings) -> Section:
    """Build the section: the table of test scores, and in a fold the one of validation scores."""
    main = score_table(found.test, found.marks, found.noninferiority)
    gap = f"gap: to {found.reference[0]}, points of the average, over pairs of the same task and seed."
    absent = [f"Not in the table, since no cell of theirs is done: {listed(found.absent, 30)}."] if found.absent else []
    main = replace(main, notes=(gap, *main.notes, *absent), terminal=_with_note(main.terminal, absent))
    return Section("scores", "Scores", (main, Fold(TITLES["val"][1], (score_table(found.val, found.marks),))))


def _with_note(tables: tuple[Table, ...], notes: list[str]) -> tuple[Table, ...]:
    return tuple(replace(table, notes=(*table.notes, *notes)) if place == 0 else table for place, table in enumerate(tables))


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


def _notes(book: ScoreBook, marks: Marks) -> tuple[str, ...]:
    notes = ["Bold: the best mean as printed, among arms that have a score from every planned seed."]
    shown = book.scores[book.scores["arm"].isin(book.order)]
    if (shown["scored"] < shown["planned"]).any():
        notes.append("(k/n): only k of n planned seeds have a score. Nothing stands in for the others.")
    if book.averages[book.averages["arm"].isin(book.order)]["mean"].isna().any():
        notes.append("No average where a task has no score: averages over different tasks do not compare.")
    return (*notes, *marks.notes(book.order))
