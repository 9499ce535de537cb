"""Anytime: the score of the incumbent after every trial, and the regret."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import Frames, rows_of
from harness.report.analysis.intervals import NAN, Array
from harness.report.analysis.objectives import Objectives
from harness.report.analysis.options import Options
from harness.report.render.document import Column, Figure, Fold, Item, Section, Table, Text, columns, listed, number, row
from harness.report.render.plots import Curve, curves, cut_panels, small_curves
from harness.report.render.units import axis_of, lower_is_better, refused, score_digits, score_of, task_name, task_notes, unit_of
from harness.report.study_data import CellData, StudyData, mapping

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SHOWN_TRIALS = (1, 3, 5, 10)
COLOURED = 6
# With more tasks, their panels are small, only have the coloured curves, and stand in a fold.
MOST_PANELS = 12
NAMED_PANELS = 6
AVERAGE = "anytime_average"
ORIGINS = {
    "seen": "the best score seen in this study",
    "known": "the task's known best",
    "grid": "the best of the task's whole grid with the cell's training seed",
}
# A larger number is no percentage.
LARGEST = 1e12


@dataclass(frozen=True)
class Histories:
    """The incumbent's oriented scores after each trial: arrays of shape (seeds, budget) by arm and task, NaN before the first success.

    A cell that ended early keeps its last incumbent. `numbers` holds for each row the place of its cell in the study.
    """

    test: Mapping[tuple[str, str], Array]
    val: Mapping[tuple[str, str], Array]
    numbers: Mapping[tuple[str, str], Sequence[int]]
    tasks: tuple[str, ...]
    arms: tuple[str, ...]
    budget: int
    objectives: Objectives

    @classmethod
    def of(cls, frames: Frames) -> Histories:
        """Build the arrays from the done cells of a study."""
        budget = int(frames.cells["budget"].max())
        test: dict[tuple[str, str], list[Array]] = {}
        val: dict[tuple[str, str], list[Array]] = {}
        numbers: dict[tuple[str, str], list[int]] = {}
        column = {name: frames.trials[name].to_numpy() for name in ("cell", "arm", "task", "best_test", "best_val")}
        # The trials of a cell are neighbours. Grouping the data frame by cell would take minutes in a large study.
        starts = np.flatnonzero(np.diff(column["cell"].astype(np.int64), prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(column["cell"])], strict=True):
            key = (str(column["arm"][start]), str(column["task"][start]))
            for into, name in ((test, "best_test"), (val, "best_val")):
                into.setdefault(key, []).append(_carried_on(column[name][start:end].astype(np.float64), budget))
            numbers.setdefault(key, []).append(int(column["cell"][start]))
        tasks, arms = (tuple(dict.fromkeys(frames.cells[name])) for name in ("task", "arm"))
        stacked = [{key: np.stack(rows) for key, rows in scores.items()} for scores in (test, val)]
        return cls(stacked[0], stacked[1], numbers, tasks, arms, budget, frames.objectives)


def _carried_on(values: Array, budget: int) -> Array:
    last = values[-1] if len(values) else NAN
    return np.concatenate([values, np.full(max(0, budget - len(values)), last)])[:budget]


def mean_curve(strata: Sequence[Array], confidence: float) -> tuple[Array, Array, Array]:
    """Return mean over tasks of the mean over seeds, and its t interval, after each trial; `strata` are arrays (seeds, budget).

    The means are over the cells that have an incumbent by then: NaN where a task has none, no interval where one has fewer than two or
    where all seeds of every task are alike.
    """
    counts = np.array([(~np.isnan(values)).sum(axis=0) for values in strata])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        totals = np.array([np.nansum(values, axis=0) for values in strata])
        means = totals / counts
        squares = np.array([np.nansum((values - mean) ** 2, axis=0) for values, mean in zip(strata, means, strict=True)])
        parts = np.where(counts > 1, squares / (counts - 1) / counts, NAN)
        total = parts.sum(axis=0)
        df = np.where(total > 0, total**2 / (parts**2 / (counts - 1)).sum(axis=0), 1.0)
        # Seeds that all tie say nothing of the seed that will not.
        half = np.where(total > 0, stats.t.ppf(0.5 + confidence / 2, df) * np.sqrt(total) / len(strata), NAN)
    mean = means.mean(axis=0)
    return mean, mean - half, mean + half


def curve_frame(histories: Histories, confidence: float) -> pd.DataFrame:
    """Return one row per arm, task (or `average`) and trial: the incumbent's mean test score, its interval, and mean validation score.

    Scores are in the tasks' own direction. There is no average over tasks of unlike kinds.
    """
    rows: list[dict[str, Any]] = []
    for arm in histories.arms:
        for task in (*histories.tasks, *(["average"] if histories.objectives.shared else [])):
            keys = [(arm, t) for t in (histories.tasks if task == "average" else (task,)) if (arm, t) in histories.test]
            if not keys or (task == "average" and len(keys) < len(histories.tasks)):
                continue
            test, low, high = mean_curve([histories.test[key] for key in keys], confidence)
            val = mean_curve([histories.val[key] for key in keys], confidence)[0]
            scored = np.sum([np.sum(~np.isnan(histories.test[key]), axis=0) for key in keys], axis=0)
            cells = sum(len(histories.test[key]) for key in keys)
            rows += [
                {
                    "arm": arm,
                    "task": task,
                    "trial": trial + 1,
                    "test": test[trial],
                    "low": low[trial],
                    "high": high[trial],
                    "val": val[trial],
                    "scored": int(scored[trial]),
                    "cells": cells,
                }
                for trial in range(histories.budget)
            ]
    frame = pd.DataFrame(rows, columns=["arm", "task", "trial", "test", "low", "high", "val", "scored", "cells"])
    return histories.objectives.natural(frame, "test", "val", ends=("low", "high"))


def reference_bests(study: StudyData, frames: Frames) -> list[tuple[float, str]]:
    """Return for each cell of the study the best validation score, oriented, that its regret is measured from, and its origin.

    The origin is `known` (the settings of the task name it), `grid` (the best of its table with the cell's training seed), `seen` (the
    best on the task in this study), or `none` (with NaN).
    """
    seen = {str(e["task"]): float(e["best_val"]) for e in rows_of(frames.trials.groupby("task")["best_val"].max().reset_index())}
    found = []
    for cell in study.cells:
        known, origin = known_best(cell)
        known = None if known is None else frames.objectives[cell.task].sign * known + 0.0
        best = seen.get(cell.task, NAN)
        found.append((known, origin) if known is not None else (best, "none" if math.isnan(best) else "seen"))
    return found


def known_best(cell: CellData) -> tuple[float | None, str]:
    """Return the best validation score that the settings of the cell name, None without one, and its origin: `known` or `grid`.

    The score is not oriented.
    """
    known, origin = mapping(cell.settings.get("task")).get("best_val_score_pct"), "known"
    if isinstance(known, Mapping):
        known, origin = known.get(str(cell.identity.get("train_seed"))), "grid"
    return (float(known) if isinstance(known, int | float) and -LARGEST < known < LARGEST else None), origin


def regret_frame(histories: Histories, frames: Frames, arms: Mapping[str, Arm], bests: Sequence[tuple[float, str]]) -> pd.DataFrame:
    """Return one row per arm and task: normalised regret of the validation incumbent at the end, and its mean over the trials (area).

    0 is the best of the cell (`bests`, one per cell of the study). 1 is the median validation score of the single trials of random
    search, or of all trials where no arm is random search.
    """
    draws = frames.trials[frames.trials["arm"].map(lambda name: arms[name].role == "random")]
    floor_of = "random search's trials" if len(draws) else "all trials"
    floors = (draws if len(draws) else frames.trials).groupby("task")["val"].median().to_dict()
    rows = []
    for (arm, task), values in histories.val.items():
        references = [bests[number] for number in histories.numbers[arm, task]]
        best, floor = np.array([reference[0] for reference in references])[:, None], floors.get(task, NAN)
        if not (best > floor).all():
            continue
        # The mean of scores that are no percentages may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            regret = (best - values) / (best - floor)
            about = {"best": float(best.mean()), "origin": references[0][1], "floor": floor, "floor_of": floor_of}
        rows.append({"arm": arm, "task": task} | about | _regret(regret))
    frame = pd.DataFrame(rows, columns=["arm", "task", "best", "origin", "floor", "floor_of", "regret", "area", "scored", "cells"])
    return frames.objectives.natural(frame, "best", "floor")


def _regret(regret: Array) -> dict[str, float]:
    """Return the mean regret at the end and over the trials from a cell's first success on."""
    scored = regret[~np.isnan(regret[:, -1])]
    if not len(scored):
        return {"regret": NAN, "area": NAN, "scored": 0, "cells": len(regret)}
    area = float(np.mean([np.nanmean(line) for line in scored]))
    return {"regret": float(scored[:, -1].mean()), "area": area, "scored": len(scored), "cells": len(regret)}


def anytime_section(study: StudyData, frames: Frames, arms: Mapping[str, Arm], focus: Sequence[str], options: Options) -> Section:
    """Build the curves (the arms in `focus` in colour), the table at a few trials, and the regret."""
    histories = Histories.of(frames)
    frame = curve_frame(histories, options.confidence)
    regret = regret_frame(histories, frames, arms, reference_bests(study, frames))
    items: list[Item] = [
        "The test score of the configuration that validation would have chosen, had the study stopped after so many trials. "
        "Dotted: some cells had no success by then, and the mean is over the others, which flatters. Grey: the other arms. Every arm in "
        "colour has dashes and a mark of its own, and its name stands at the end of its curve."
    ]
    if (frame["task"] == "average").any() and len(histories.tasks) > 1:
        items.append(_figure((AVERAGE, "Averaged over tasks"), frame, histories, focus, options))
    objectives = frames.objectives
    if objectives.refusal:
        items.append(refused(objectives, "no curve over all of them"))
    if not objectives.plain:
        items += task_notes(objectives)
    per_task = _figure(("anytime_tasks", "Per task"), frame, histories, focus, options)
    items.append(per_task if len(histories.tasks) <= MOST_PANELS else Fold("Curves per task", (per_task,)))
    items.append(_table(frame, regret, histories))
    if len(regret):
        items.append(Fold("Regret per task", (_regret_table(regret, histories),)))
    return Section("anytime", "Anytime: the score after every trial", tuple(items))


def _figure(about: tuple[str, str], frame: pd.DataFrame, histories: Histories, focus: Sequence[str], options: Options) -> Figure:
    """Draw the curves averaged over tasks (`about` is the key and the title), or per task."""
    (key, title), objectives = about, histories.objectives
    tasks = ("average",) if key == AVERAGE else histories.tasks
    data = frame[frame["task"].isin(tasks)]
    accents = {arm: place for place, arm in enumerate(focus[:COLOURED])}
    names = {task: task_name(task, objectives[task]) for task in tasks}
    panels: dict[str, list[Curve]] = {name: [] for name in names.values()}
    many = len(tasks) > MOST_PANELS
    # Small panels have room for neither bands nor grey curves.
    drawn = data[data["arm"].isin(list(accents))] if many else data
    for (arm, task), part in drawn.groupby(["arm", "task"], sort=False):
        test, low, high = ([float(value) for value in part[name]] for name in ("test", "low", "high"))
        whole = int((part["scored"] < part["cells"]).sum())
        panels[names[str(task)]].append(Curve(str(arm), test, low, high, accents.get(str(arm)), whole))
    shared = objectives.shared
    score = score_of(shared) if shared else "score"
    percent = f"{100 * options.confidence:g} % intervals"
    text = f"{title}: {score} of the incumbent after each trial, {f'whose {percent} the CSV has' if many else f'with {percent}'}"
    alt = f"Curves over {int(data['trial'].max() or 0)} trials, in colour: {', '.join(accents)}."
    labels = {name: axis_of(shared or objectives[task]) for task, name in names.items()}
    lower = [names[task] for task in tasks if (shared or objectives[task]).sign < 0]

    def draw(*, narrow: bool = False) -> Canvas:
        if many:
            return small_curves(panels, labels=labels, lower=lower, narrow=narrow)
        return curves(panels, labels=labels, lower=lower, narrow=narrow)

    return Figure(key, text, alt, objectives.described(data), draw, curve_notes(panels, lower), lambda: draw(narrow=True))


def curve_notes(panels: Mapping[str, Sequence[Curve]], lower: Sequence[str] = ()) -> tuple[str, ...]:
    """Say which panels do not show every value of the coloured curves; nothing where all do."""
    cut = cut_panels(panels, lower)
    if not cut:
        return ()
    where = f"The axes of {listed(cut)} do" if len(cut) <= NAMED_PANELS else f"The axes of {len(cut)} of {len(panels)} tasks do"
    where = "The axis does" if len(panels) == 1 else f"The axis of {cut[0]} does" if len(cut) == 1 else where
    return (
        f"{where} not reach to values far from the others, so that the ends of the curves can be told apart: a curve comes from beyond the "
        "edge where its first trials lie there, and an arrow marks one that ends there.",
    )


def _table(frame: pd.DataFrame, regret: pd.DataFrame, histories: Histories) -> Table:
    """Build the table at a few trials, with the regret; with the regret alone where tasks may not be averaged."""
    shared = histories.objectives.shared
    shown = sorted({trial for trial in SHOWN_TRIALS if trial <= histories.budget} | {histories.budget}) if shared else []
    average = {(e["arm"], e["trial"]): e for e in rows_of(frame[frame["task"] == "average"])}
    whole = (
        regret.groupby("arm")[["regret", "area"]]
        .mean()
        .where(regret.groupby("arm")["task"].count() == len(histories.tasks), axis=0)
    )
    ends = {e["arm"]: e for e in rows_of(whole.reset_index())}
    order = _order(histories, average, ends)
    digits = score_digits(shared) if shared else 1
    rows = [
        row(
            arm,
            *(_score_after(average.get((arm, trial)), digits) for trial in shown),
            number(ends.get(arm, {}).get("regret"), 3),
            number(ends.get(arm, {}).get("area"), 3),
        )
        for arm in order
    ]
    heads = [
        *(Column(f"{trial}", hint="trials") for trial in shown),
        Column("regret"),
        Column("area", hint="mean regret over the trials"),
    ]
    data = frame[(frame["task"] == "average") & frame["trial"].isin(shown)].merge(whole.reset_index(), on="arm", how="left")
    title = "Normalised regret at the end and over the trials, mean over tasks"
    if shared:
        unit = f", {unit_of(shared)}" if shared.unit else ""
        title = f"Average {score_of(shared)} of the incumbent after so many trials{unit}{lower_is_better(shared)}"
    else:
        data = whole.reset_index()
    if "task" in data:
        data = histories.objectives.described(data)
    return Table("anytime", title, columns("arm", *heads), tuple(rows), data, _notes(regret, histories.objectives))


def _order(histories: Histories, average: Mapping[Any, dict[str, Any]], ends: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the arms from the best average score at the end down; from the least regret up where there is no average."""
    arms, shared = list({arm: None for arm, _ in histories.test}), histories.objectives.shared
    if shared is None:
        return sorted(arms, key=lambda arm: -_finite(-ends.get(arm, {}).get("regret", NAN)))
    sign = shared.sign
    return sorted(arms, key=lambda arm: -_finite(sign * average.get((arm, histories.budget), {}).get("test", NAN)))


def _notes(regret: pd.DataFrame, objectives: Objectives) -> tuple[str, ...]:
    origins = sorted(set(regret["origin"]))
    where = " (column `origin` of csv/regret.csv says which)" if len(origins) > 1 else ""
    origin = ", or ".join(ORIGINS[name] for name in origins or ["seen"]) + where  # an empty table has no origin
    floor_of = regret["floor_of"].iloc[0] if len(regret) else "random search's trials"
    about = () if objectives.shared else (refused(objectives, "no average score after so many trials; regret has no unit"),)
    return (
        *about,
        f"regret: of the validation score at the end, normalised: 0 is {origin}, 1 the median of {floor_of}.",
        "area: the mean of that regret over the trials. (k/n): only k of n cells had a success by then, and the mean is over those.",
    )


def _regret_table(regret: pd.DataFrame, histories: Histories) -> Table:
    """Build the table of the regret per task; its data also hold the best and the floor."""
    found = {(e["arm"], e["task"]): e for e in rows_of(regret)}
    tasks = [task for task in histories.tasks if (regret["task"] == task).any()]
    rows = [
        row(arm, *(number(found.get((arm, task), {}).get("regret"), 3) for task in tasks))
        for arm in histories.arms
        if any((arm, task) in found for task in tasks)
    ]
    note = (
        "Columns `best` and `floor` of csv/regret.csv are the validation scores that count as 0 and as 1. `origin` of csv/regret.csv says "
        "where the best is from, and `area` of csv/regret.csv is the mean over the trials."
    )
    title = "Normalised regret of the validation score at the end, per task"
    return Table("regret", title, columns("arm", *tasks), tuple(rows), histories.objectives.described(regret), (note,))


def _score_after(entry: dict[str, Any] | None, digits: int) -> Text:
    if entry is None or math.isnan(entry["test"]):
        return Text("–", tone="muted")
    short = entry["scored"] < entry["cells"]
    return Text(
        number(entry["test"], digits) + (f" ({entry['scored']}/{entry['cells']})" if short else ""), tone="warn" if short else ""
    )


def _finite(value: float) -> float:
    return -math.inf if math.isnan(value) else value
