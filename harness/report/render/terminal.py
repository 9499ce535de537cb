"""The main table for a terminal: means in one table, spreads in the next, each at most 80 columns wide where that is possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.analysis.frames import rows_by
from harness.report.analysis.scores import TITLES, ScoreBook, best_arms
from harness.report.render.document import Table, Text, columns, number, row
from harness.report.render.escape import cut, width
from harness.report.render.marks import Marks

COLUMNS = 80
# What a table may carry beside the numbers, dropped from the left until it fits: the gaps, the stars of the best.
LAYOUTS = ((True, True), (False, True), (False, False))
GAP_WIDTH = 6


def narrow_tables(book: ScoreBook, marks: Marks, gaps: Mapping[str, float]) -> tuple[Table, Table]:
    """Return the means (with gaps, if there is room) and the standard deviations."""
    names = {arm: marks.name(arm, "") for arm in book.order}
    taken = max(map(width, names.values())) + 4
    layouts = [(bool(gaps) and with_gap, star) for with_gap, star in LAYOUTS]
    with_gap, star = next((layout for layout in layouts if _needed(book, taken, *layout) <= COLUMNS), layouts[-1])
    titles = cut_titles(book.tasks, COLUMNS - taken - _beside(with_gap, star), 4 + star)
    cells, averages, best = rows_by(book.scores, "arm", "task"), rows_by(book.averages, "arm"), best_arms(book.scores)
    means, spreads = [], []
    for arm in book.order:
        entries = [cells.get((arm, task), {}) for task in book.tasks]
        strong = [star and arm in best.get(task, set()) for task in book.tasks]
        gap = [number(gaps.get(arm), 2, sign=True)] if with_gap else []
        texts = [Text(_mean(entry), mark) for entry, mark in zip(entries, strong, strict=True)]
        means.append(row(names[arm], *texts, number(averages[arm,]["mean"]), *gap))
        spreads.append(row(names[arm], *(number(entry.get("sd")) for entry in entries), number(averages[arm,]["sd"])))
    key, title = TITLES[book.score]
    heads = columns("arm", *titles, "avg", *(["gap"] if with_gap else []))
    return (
        Table(f"{key}_mean", f"{title}, %, mean over seeds", heads, tuple(means), book.scores, _notes(book, marks, star)),
        Table(
            f"{key}_sd",
            "Standard deviation over the same seeds, points",
            columns("arm", *titles, "avg"),
            tuple(spreads),
            book.scores,
        ),
    )


def _mean(entry: Mapping[str, Any]) -> str:
    """Write a mean, with a tilde when seeds are missing from it."""
    return f"{'~' if entry.get('scored', 0) < entry.get('planned', 0) and entry.get('scored') else ''}{number(entry.get('mean'))}"


def _beside(with_gap: bool, star: bool) -> int:
    return 4 + star + 3 + with_gap * (GAP_WIDTH + 3)


def _needed(book: ScoreBook, taken: int, with_gap: bool, star: bool) -> int:
    return taken + len(book.tasks) * (4 + star + 3) + _beside(with_gap, star)


def cut_titles(tasks: tuple[str, ...], room: int, least: int) -> list[str]:
    """Return the tasks' names, the longest cut until columns under them, each at least `least` wide, fit into `room`."""
    limit = max(map(width, tasks))
    while limit > least and sum(max(least, min(width(task), limit)) + 3 for task in tasks) > room:
        limit -= 1
    return [cut(task, limit) for task in tasks]


def _notes(book: ScoreBook, marks: Marks, star: bool) -> tuple[str, ...]:
    notes = ["*: the best mean as printed, among arms that have a score from every planned seed."] if star else []
    shown = book.scores[book.scores["arm"].isin(book.order)]
    if (shown["scored"] < shown["planned"]).any():
        notes.append("~: not every planned seed has a score; see the coverage.")
    return (*notes, *marks.notes(book.order))
