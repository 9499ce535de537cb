"""The score tables, one row per arm and one column per task: for the page in full, for a terminal in two tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.report.analysis.frames import rows_by, rows_of
from harness.report.analysis.normalised import NORMALISED
from harness.report.analysis.scores import TITLES, ScoreBook, best_arms
from harness.report.render.document import STRONG, Column, Fold, Section, Table, Text, columns, interval, listed, number, row
from harness.report.render.marks import Marks
from harness.report.render.terminal import COLUMNS, least_width
from harness.report.render.units import (
    difference_digits,
    lower_is_better,
    name_of,
    refused,
    score_digits,
    steps_of,
    task_head,
    task_name,
    task_notes,
    unit_of,
)
from harness.report.sections.findings import Findings, Pool
from harness.trial import PERCENT, Objective

# With more tasks, the columns of the tasks become the rows of a table of their own.
MOST_COLUMNS = 12
NO_DEVIATION = "No arm has a score from two seeds of a task, so there is no deviation over seeds."


def score_table(book: ScoreBook, marks: Marks, pool: Pool | None = None, normalised: ScoreBook | None = None) -> Table:
    """Build the table of test scores, with the gaps of `pool` to the reference arm, or without them.

    `normalised`: the book whose averages stand for those that may not be made; without it, mean ranks do.
    """
    gaps = pool.noninferiority if pool else None
    best, cells = _best(book), rows_by(book.natural_scores, "arm", "task")
    gap_of = {} if gaps is None else rows_by(gaps, "arm")
    shown = {arm: entry["gap"] for (arm,), entry in gap_of.items()}
    overall, tasks = _overall(book, normalised), _shown(book)
    rows = []
    for arm in book.order:
        texts = [_score_text(cells.get((arm, task)), arm in best.get(task, set()), _digits(book, task)) for task in tasks]
        texts += [overall[arm]] if len(book.tasks) > 1 else []
        texts += [] if pool is None else _gap_texts(gap_of.get((arm,)), pool.objective)
        rows.append(row(marks.name(arm), *texts))
    heads: list[str | Column] = [task_head(task, book.objectives) for task in tasks]
    heads += [_overall_head(book, normalised)] if len(book.tasks) > 1 else []
    data = _data(book, normalised)
    if pool is not None and gaps is not None:
        steps = steps_of(pool.objective)
        name = "gap" if pool.objective.is_percentage else f"gap, {steps}"
        heads += [Column(name, hint=f"{steps} to the reference"), "95 % interval"]
        data = data.merge(gaps.rename(columns={c: f"gap_{c}" for c in gaps if c != "arm"}), on="arm", how="left")
    return Table(
        TITLES[book.score][0],
        f"{_title(book)}, mean ± sd over seeds",
        columns("arm", *heads),
        tuple(rows),
        data,
        _notes(book, marks, normalised),
        terminal_tables(book, marks, shown, pool.objective if pool else PERCENT, normalised),
    )


def task_table(book: ScoreBook, marks: Marks) -> Table:
    """Build the table of the same scores with one row per task and one column per arm, for studies with many tasks."""
    best, cells = _best(book), rows_by(book.natural_scores, "arm", "task")
    rows = [
        row(
            task_head(task, book.objectives),
            *(_score_text(cells.get((arm, task)), arm in best.get(task, set()), _digits(book, task)) for arm in book.order),
        )
        for task in book.tasks
    ]
    heads = columns("task", *(marks.name(arm) for arm in book.order))
    data = book.objectives.described(book.natural_scores)
    return Table(f"{TITLES[book.score][0]}_tasks", f"{_title(book)}, per task", heads, tuple(rows), data, _notes(book, marks))


def _shown(book: ScoreBook) -> tuple[str, ...]:
    """Return the tasks that have a column in the tables of arms."""
    return book.tasks if len(book.tasks) <= MOST_COLUMNS else ()


def _title(book: ScoreBook) -> str:
    """Say what the scores of a table are, with the unit and the direction that all tasks share."""
    title, shared = TITLES[book.score][1], book.objectives.shared
    if shared is None:
        return title
    if not shared.test:
        title = "Validation score of the configuration that validation chose"
    unit = f", {unit_of(shared)}" if shared.unit else ""
    return f"{title.replace(' score ', f' {name_of(shared)} ', 1)}{unit}{lower_is_better(shared)}"


def _digits(book: ScoreBook, task: str) -> int:
    return score_digits(book.objectives[task])


def _best(book: ScoreBook) -> dict[str, set[str]]:
    return best_arms(book.scores, lambda task: _digits(book, task))


def _overall_head(book: ScoreBook, normalised: ScoreBook | None) -> str | Column:
    if book.objectives.shared:
        return "average"
    if normalised:
        return Column("normalised mean", hint="over tasks: 0 is the median random trial, 1 the best known")
    return Column("mean rank", hint="over tasks, 1 is best")


def _overall(book: ScoreBook, normalised: ScoreBook | None) -> dict[str, Text]:
    """Return the text of every arm's average; where tasks may not be averaged, that of its normalised mean or of its mean rank."""
    shared, ranks = book.objectives.shared, book.ranks
    if shared is None and normalised:
        return _overall(normalised, None)
    if shared is None:
        return {
            arm: Text(number(ranks.get(arm)), arm in ranks and ranks[arm] == min(ranks.values()), value=ranks.get(arm))
            for arm in book.order
        }
    digits, whole = score_digits(shared), book.averages["cells"] == book.averages["planned"]
    # An arm that lacks seeds is never the best, as in the columns of the tasks.
    top = number(shared.sign * book.averages.loc[whole, "mean"].max(), digits)
    found = {}
    for entry in rows_of(book.natural_averages):
        strong = entry["cells"] == entry["planned"] and number(entry["mean"], digits) == top != "–"
        lacks = not _shown(book) and entry["cells"] < entry["planned"] and not pd.isna(entry["mean"])
        short = f" ({entry['cells']}/{entry['planned']})" if lacks else ""
        found[str(entry["arm"])] = Text(_mean_sd(entry, digits) + short, strong, "warn" if short else "", entry["mean"])
    return found


def _data(book: ScoreBook, normalised: ScoreBook | None) -> pd.DataFrame:
    """Return the numbers of a table in full."""
    scores = book.objectives.described(book.natural_scores)
    if book.objectives.shared is None:
        scores = scores.assign(mean_rank=scores["arm"].map(book.ranks))
        return scores if normalised is None else scores.assign(normalised_mean=scores["arm"].map(_means_of(normalised)))
    averages = book.natural_averages.rename(columns={"mean": "average", "sd": "average_sd"})
    return scores.merge(averages[["arm", "average", "average_sd"]], on="arm")


def _means_of(book: ScoreBook) -> dict[str, float]:
    return {str(entry["arm"]): float(entry["mean"]) for entry in rows_of(book.averages)}


def terminal_tables(
    book: ScoreBook,
    marks: Marks,
    gaps: Mapping[str, float],
    objective: Objective = PERCENT,
    normalised: ScoreBook | None = None,
) -> tuple[Table, ...]:
    """Return the tables for a terminal: the means, with gaps and stars where 80 columns have room for them, and the deviations.

    `objective`: what the gaps are of. `normalised`: as for `score_table`. With many tasks, there are only the means over them.
    """
    layouts = [(True, True), (False, True), (False, False)] if gaps else [(False, True), (False, False)]
    digits = difference_digits(objective)
    texts = {arm: number(gap, digits, sign=True) for arm, gap in gaps.items()}
    means = [_means(book, marks, texts if with_gap else {}, star, normalised) for with_gap, star in layouts]
    fitting = next((table for table in means if least_width(table) <= COLUMNS), means[-1])
    if not _shown(book):
        return (fitting,)
    if book.scores["sd"].isna().all():
        return (replace(fitting, notes=(*fitting.notes, NO_DEVIATION)),)
    return (fitting, _deviations(book, marks))


def _means(book: ScoreBook, marks: Marks, gaps: Mapping[str, str], star: bool, normalised: ScoreBook | None) -> Table:
    cells, best, tasks = rows_by(book.natural_scores, "arm", "task"), _best(book), _shown(book)
    shared, overall = book.objectives.shared, _terminal_overall(book, normalised)
    rows = []
    for arm in book.order:
        texts = [
            Text(_mean(cells.get((arm, task), {}), _digits(book, task)), star and arm in best.get(task, set())) for task in tasks
        ]
        gap = [gaps.get(arm, "–")] if gaps else []
        average = [overall.get(arm, "–")] if len(book.tasks) > 1 else []
        rows.append(row(marks.name(arm, ""), *texts, *average, *gap))
    word = ["avg" if shared else "norm" if normalised else "rank"] if len(book.tasks) > 1 else []
    heads = columns("arm", *(_terminal_heads(book) if tasks else ()), *word, *(["gap"] if gaps else []))
    title = f"{_title(book)}, mean over seeds" if tasks else f"{_title(book)}, mean over seeds and {len(book.tasks)} tasks"
    notes = _terminal_notes(book, marks, star and bool(tasks), normalised)
    return Table(f"{TITLES[book.score][0]}_mean", title, heads, tuple(rows), book.natural_scores, notes)


def _terminal_overall(book: ScoreBook, normalised: ScoreBook | None) -> dict[str, str]:
    """Return what stands for every arm over all tasks: its average, normalised mean or mean rank."""
    shared, ranks = book.objectives.shared, book.ranks
    if shared:
        digits = score_digits(shared)
        return {str(entry["arm"]): number(entry["mean"], digits) for entry in rows_of(book.natural_averages)}
    if normalised:
        return {arm: number(mean, score_digits(NORMALISED)) for arm, mean in _means_of(normalised).items()}
    return {arm: number(rank) for arm, rank in ranks.items()}


def _terminal_heads(book: ScoreBook) -> list[str]:
    """Return the heads of the tasks; the lines below the table say what their scores are."""
    return [task_name(task, book.objectives[task]) for task in book.tasks]


def _mean(entry: Mapping[str, Any], digits: int) -> str:
    """Write a mean, with a tilde when seeds are missing from it."""
    tilde = "~" if entry.get("scored", 0) < entry.get("planned", 0) and entry.get("scored") else ""
    return f"{tilde}{number(entry.get('mean'), digits)}"


def _deviations(book: ScoreBook, marks: Marks) -> Table:
    cells, averages, shared = rows_by(book.scores, "arm", "task"), rows_by(book.averages, "arm"), book.objectives.shared
    average = [score_digits(shared)] if shared and len(book.tasks) > 1 else []
    rows = [
        row(
            marks.name(arm, ""),
            *(number(cells.get((arm, task), {}).get("sd"), _digits(book, task)) for task in book.tasks),
            *(number(averages[arm,]["sd"], digits) for digits in average),
        )
        for arm in book.order
    ]
    title = f"Standard deviation over the same seeds, {steps_of(shared) if shared else 'each in the unit of its task'}"
    heads = columns("arm", *_terminal_heads(book), *(["avg"] if average else []))
    return Table(f"{TITLES[book.score][0]}_sd", title, heads, tuple(rows), book.scores)


def _terminal_notes(book: ScoreBook, marks: Marks, star: bool, normalised: ScoreBook | None) -> tuple[str, ...]:
    notes = ["*: the best mean as printed, among arms that have a score from every planned seed."] if star else []
    shown = book.scores[book.scores["arm"].isin(book.order)]
    if (shown["scored"] < shown["planned"]).any():
        notes.append("~: not every planned seed has a score; see the coverage.")
    return (*notes, *_kinds(book, normalised), *marks.notes(book.order))


def _kinds(book: ScoreBook, normalised: ScoreBook | None) -> tuple[str, ...]:
    """Say what the tasks' scores are, and why there is no average, where that differs from task to task."""
    if not book.objectives.refusal:
        return task_notes(book.objectives)
    text = "no average and no gap; arms stand in the order of their mean rank over tasks (1 is best)"
    if normalised:
        text = (
            "no average and no gap in them; the mean of the normalised scores (0 is the median random trial, 1 the best known) takes its "
            "place, and gives the order"
        )
    return (refused(book.objectives, text), *task_notes(book.objectives))


def score_section(found: Findings) -> Section:
    """Build the section: the table of test scores, and in a fold the one of validation scores."""
    pool = None if found.objectives.refusal else found.pools[0]
    of_test, of_val = (
        normalised if normalised.tasks == book.tasks else None
        for book, normalised in ((found.test, found.normalised.test), (found.val, found.normalised.val))
    )
    main = score_table(found.test, found.marks, pool, of_test)
    gap = []
    if pool is not None:
        better = ", above 0 is better" if pool.objective.sign < 0 else ""
        of = " of the average" if len(pool.tasks) > 1 else ""
        gap = [f"gap: to {found.reference[0]}, {steps_of(pool.objective)}{of}, over pairs of the same task and seed{better}."]
    absent = [f"Not in the table, since no cell of theirs is done: {listed(found.absent, 30)}."] if found.absent else []
    main = replace(main, notes=(*gap, *main.notes, *absent), terminal=_with_note(main.terminal, absent))
    per_task = (Fold("Test scores per task", (task_table(found.test, found.marks),)),) if not _shown(found.test) else ()
    validation = [score_table(found.val, found.marks, None, of_val)]
    validation += [] if _shown(found.val) else [task_table(found.val, found.marks)]
    return Section("scores", "Scores", (main, *per_task, Fold(TITLES["val"][1], tuple(validation))))


def _with_note(tables: tuple[Table, ...], notes: list[str]) -> tuple[Table, ...]:
    return tuple(replace(table, notes=(*table.notes, *notes)) if place == 0 else table for place, table in enumerate(tables))


def _score_text(entry: dict[str, Any] | None, strong: bool, digits: int) -> Text:
    if entry is None or not entry["done"]:
        return Text("–", tone="muted")
    if not entry["scored"]:
        return Text("no score", tone="warn")
    short = "" if entry["scored"] == entry["planned"] else f" ({entry['scored']}/{entry['planned']})"
    return Text(_mean_sd(entry, digits) + short, strong, "warn" if short else "", entry["mean"])


def _mean_sd(entry: dict[str, Any], digits: int) -> str:
    if pd.isna(entry["sd"]):
        return number(entry["mean"], digits)
    return f"{number(entry['mean'], digits)} ± {number(entry['sd'], digits)}"


def _gap_texts(entry: dict[str, Any] | None, objective: Objective) -> list[Text]:
    if entry is None:
        return [Text("–", tone="muted"), Text("–", tone="muted")]
    digits, gap = difference_digits(objective), entry["gap"]
    return [Text(number(gap, digits, sign=True), value=gap), Text(interval(entry["low"], entry["high"], digits), value=gap)]


def _notes(book: ScoreBook, marks: Marks, normalised: ScoreBook | None = None) -> tuple[str, ...]:
    notes = [f"{STRONG}the best mean as printed, among arms that have a score from every planned seed."]
    if book.scores["sd"].isna().all():
        notes.append(NO_DEVIATION)
    shown = book.scores[book.scores["arm"].isin(book.order)]
    if (shown["scored"] < shown["planned"]).any():
        notes.append("(k/n): only k of n planned seeds have a score. Nothing stands in for the others.")
    if book.objectives.shared and book.averages[book.averages["arm"].isin(book.order)]["mean"].isna().any():
        notes.append("No average where a task has no score: averages over different tasks do not compare.")
    return (*notes, *_kinds(book, normalised), *marks.notes(book.order))
