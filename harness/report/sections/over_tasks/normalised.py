"""Normalised scores: per task, and averaged over tasks of any unit."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from harness.report.analysis.frames import rows_by, rows_of
from harness.report.analysis.intervals import Array, Estimate, Resampling, no_spread, task_interval
from harness.report.analysis.normalised import Scale
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import best_arms
from harness.report.render.document import Column, Figure, Fold, Item, Section, Table, Text, columns, listed, number, row
from harness.report.render.plots import Curve, curves
from harness.report.render.units import task_name
from harness.report.sections.anytime import COLOURED, Histories, curve_notes, mean_curve
from harness.report.sections.findings import Findings

DIGITS = 3
TITLE = "Normalised scores: 0 is the median random trial, 1 the best known"
SHOWN_SOURCES = 3


def normalised_section(found: Findings, accents: Mapping[str, int]) -> Section:
    """Build the means over tasks, the curve over trials, and the scores per task; or say why there are none."""
    scales = found.normalised.scales
    missing = _missing(scales.missing)
    if not scales.by_task:
        return Section("normalised", TITLE, (f"No task of this study has normalised scores: {missing}.",))
    items: list[Item] = [_lead(found)]
    if scales.missing:
        items.append(f"No mean over tasks, since not every task has normalised scores: {missing}.")
        return Section("normalised", TITLE, (*items, _per_task(found)))
    frame = mean_frame(found)
    items += [_means(frame, found), _curves(found, accents), Fold("Normalised scores per task", (_per_task(found),))]
    return Section("normalised", TITLE, tuple(items))


def _lead(found: Findings) -> str:
    sources: dict[str, list[str]] = {}
    for task, scale in found.normalised.scales.by_task.items():
        sources.setdefault(scale.source or "not said", []).append(task)
    said = [f"{listed(tasks, 4)}: {source.rstrip('.')}" for source, tasks in list(sources.items())[:SHOWN_SOURCES]]
    rest = len(sources) - SHOWN_SOURCES
    more = f" {rest} more {'source is' if rest == 1 else 'sources are'} in csv/normalised_tasks.csv." if rest > 0 else ""
    return (
        "The score of a cell, less that of the task's median random trial, divided by what the best known score is above it. Both ends "
        "come with the task, so that nothing moves when arms join. A score may lie below 0, or above 1 where it beats the best known; "
        f"none is cut off. No verdict is in these scores: margins are in the tasks' units. The two ends are from: {'; '.join(said)}.{more}"
    )


def _missing(missing: Mapping[str, str]) -> str:
    """Say which tasks have no normalised scores, by reason."""
    reasons: dict[str, list[str]] = {}
    for task, why in missing.items():
        reasons.setdefault(why, []).append(task)
    return "; ".join(f"{listed(tasks, 30)} ({why})" for why, tasks in reasons.items())


def mean_frame(found: Findings) -> pd.DataFrame:
    """Return one row per arm, best first: mean over tasks with an interval that draws tasks, and how many runs lie beyond the ends.

    The mean is NaN where the arm has no score on some task.
    """
    book, index = found.normalised.test, ScoreIndex.of(found.normalised.frames)
    averages, rows = rows_by(book.averages, "arm"), []
    for arm in book.order:
        strata = [_known(index, arm, task) for task in index.tasks]
        entry, runs = averages[arm,], np.concatenate(strata)
        estimate = mean_over_tasks(strata, found.how) if all(map(len, strata)) else Estimate(math.nan, why="some task has no score")
        rows.append(
            {"arm": arm, "mean": estimate.value, "low": estimate.low, "high": estimate.high, "method": estimate.method}
            | {"why": estimate.why, "tasks": int(sum(len(values) > 0 for values in strata)), "of_tasks": len(strata)}
            | {"scored": entry["cells"], "planned": entry["planned"]}
            | {"below_0": int((runs < 0.0).sum()), "above_1": int((runs > 1.0).sum())}
        )
    return pd.DataFrame(rows)


def _known(index: ScoreIndex, arm: str, task: str) -> Array:
    values = np.array(list(index.scores.get(arm, {}).get(task, {}).values()), dtype=np.float64)
    return values[~np.isnan(values)]


def mean_over_tasks(strata: list[Array], how: Resampling) -> Estimate:
    """Estimate the mean over tasks with an interval that draws tasks, and seeds within them where seeds differ.

    The seeds of a method that draws nothing are all alike. Its tasks differ all the same, and each is one value then.
    """
    return task_interval([np.array([values.mean()]) for values in strata] if no_spread(strata) else strata, how)


def _means(frame: pd.DataFrame, found: Findings) -> Table:
    percent, marks = f"{100 * found.options.confidence:g} %", found.marks
    entries = rows_of(frame)
    whole = [entry for entry in entries if entry["scored"] == entry["planned"]]
    top = number(max((entry["mean"] for entry in whole), default=math.nan), DIGITS)
    rows = []
    for entry in entries:
        mean, short = entry["mean"], entry["scored"] < entry["planned"]
        text, count = number(mean, DIGITS), f" ({entry['scored']}/{entry['planned']})" if short else ""
        rows.append(
            row(
                marks.name(entry["arm"]),
                Text(text + count, text == top != "–" and not short, value=mean),
                Text(_between(entry["low"], entry["high"]), value=mean),
                str(entry["below_0"]),
                str(entry["above_1"]),
            )
        )
    heads = columns(
        "arm", "mean", f"{percent}, other tasks", Column("runs below 0", hint="worse than the median random trial"), "runs above 1"
    )
    tasks = len(found.normalised.scales.by_task)
    notes = [
        f"The interval is for other tasks of this kind: {found.options.resamples:,} draws of {tasks} tasks, and of seeds within each, each "
        "draw divided by its own standard error, or Student's t where that is wider."
    ]
    if any(entry["scored"] < entry["planned"] for entry in entries):
        notes.append("(k/n): only k of n planned cells have a score. Nothing stands in for the others.")
    without = {entry["why"]: entry["arm"] for entry in entries if entry["why"]}
    notes += [f"No interval for some arms: {why}." for why in without]
    data = frame.drop(columns="why")
    return Table(
        "normalised",
        f"Normalised scores, mean over {_tasks(tasks)}",
        heads,
        tuple(rows),
        data,
        (*notes, *marks.notes(frame["arm"])),
    )


def _between(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"[{number(low, DIGITS)}, {number(high, DIGITS)}]"


def _tasks(count: int) -> str:
    return f"{count} task{'s' * (count != 1)}"


def _curves(found: Findings, accents: Mapping[str, int]) -> Figure:
    """Draw the mean normalised score of the incumbent after every trial."""
    histories, confidence = Histories.of(found.normalised.frames), found.options.confidence
    coloured = {arm: place for arm, place in accents.items() if place < COLOURED}
    frames, lines = [], []
    for arm in found.normalised.test.order:
        strata = [histories.test[arm, task] for task in histories.tasks if (arm, task) in histories.test]
        if len(strata) < len(histories.tasks):
            continue
        mean, low, high = mean_curve(strata, confidence)
        scored, cells = np.sum([(~np.isnan(values)).sum(axis=0) for values in strata], axis=0), sum(map(len, strata))
        trials = range(1, histories.budget + 1)
        frames.append(pd.DataFrame({"arm": arm, "trial": trials, "normalised": mean, "low": low, "high": high, "scored": scored}))
        lines.append(
            Curve(found.marks.name(arm), list(mean), list(low), list(high), coloured.get(arm), int((scored < cells).sum()))
        )
    data = (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=["arm", "trial", "normalised", "low", "high", "scored"])
    )
    text = f"Mean normalised score of the incumbent after each trial, with {100 * confidence:g} % intervals for these tasks"
    alt = f"Curves of {len(lines)} arms over {histories.budget} trials."
    panel = "averaged over tasks"
    panels, labels = {panel: lines}, {panel: "normalised score"}
    return Figure(
        "anytime_normalised",
        text,
        alt,
        data,
        lambda: curves(panels, labels=labels),
        curve_notes(panels),
        lambda: curves(panels, labels=labels, narrow=True),
    )


def _per_task(found: Findings) -> Table:
    """Build the table with one row per task: its two ends, and the mean of every arm."""
    book, scales = found.normalised.test, found.normalised.scales
    cells, best = rows_by(book.scores, "arm", "task"), best_arms(book.scores, lambda _: DIGITS)
    rows = []
    for task in book.tasks:
        scores = [(arm, cells.get((arm, task), {})) for arm in book.order]
        texts = [
            Text(
                f"{'~' if e.get('scored', 0) < e.get('planned', 0) and e.get('scored') else ''}{number(e.get('mean'), DIGITS)}",
                arm in best.get(task, ()),
            )
            for arm, e in scores
        ]
        rows.append(row(task_name(task, found.objectives[task]), *texts))
    data = _described(book.scores[book.scores["arm"].isin(book.order)], scales.by_task, found)
    notes = ["Bold: the best mean as printed, among arms that have a score from every planned seed."]
    if (data["scored"] < data["planned"]).any():
        notes.append("~: not every planned seed has a score; see the coverage.")
    heads = columns("task", *(found.marks.name(arm) for arm in book.order))
    title = "Normalised scores per task, mean over seeds"
    return Table("normalised_tasks", title, heads, tuple(rows), data, (*notes, *found.marks.notes(book.order)))


def _described(scores: pd.DataFrame, scales: Mapping[str, Scale], found: Findings) -> pd.DataFrame:
    """Add the two ends of every task, in its own unit and direction, and where they are from."""
    signs = {task: found.objectives[task].sign for task in scales}
    ends = {name: {task: signs[task] * getattr(scale, name) + 0.0 for task, scale in scales.items()} for name in ("median", "best")}
    added = {f"{name}_score": scores["task"].map(of_task) for name, of_task in ends.items()}
    return scores.assign(**added, source=scores["task"].map({task: scale.source for task, scale in scales.items()}))
