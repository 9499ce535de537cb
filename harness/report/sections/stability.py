"""Stability: how much a method varies, from trial to trial and from seed to seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.report.analysis.frames import oriented, rows_of
from harness.report.analysis.intervals import NAN, Array
from harness.report.analysis.objectives import Objectives
from harness.report.analysis.options import Options
from harness.report.analysis.scores import ScoreBook
from harness.report.render.document import Column, Section, Table, columns, number, row
from harness.report.render.units import difference_digits, refused, steps_of, validation_notes
from harness.report.study_data import CellData, State, StudyData
from harness.space import Choice, Number, Space
from harness.trial import MARGIN_POINTS, PERCENT, Objective, incumbent

# An integer with fewer values is at an end of its range by chance.
LEAST_VALUES, AT_END = 20, 1e-3


def stability_frame(study: StudyData, options: Options) -> pd.DataFrame:
    """Return one row per done cell, with what `cell_measures` returns."""
    spaces: dict[str, Space | None] = {}
    rows = []
    objectives = Objectives.of(study)
    for cell in study.cells:
        if cell.state is State.DONE and cell.own:
            if cell.task not in spaces:
                spaces[cell.task] = cell.space
            measures = cell_measures(cell, spaces[cell.task], options, objectives[cell.task])
            rows.append({"arm": cell.arm, "task": cell.task, "seed": cell.seed} | measures)
    return pd.DataFrame(rows, columns=["arm", "task", "seed", *MEASURES])


MEASURES = ("test", "catastrophic", "failed", "new_bests", "trend", "exact_repeats", "near_repeats", "boundary", "move")


def cell_measures(cell: CellData, space: Space | None, options: Options, objective: Objective = PERCENT) -> dict[str, float]:
    """Return a cell's measures; shares are of its own trials (of its numbers, for `boundary`), `move` is in [0, 1].

    catastrophic: failed, or further from the best so far than `options.catastrophe_points`. new_bests: share of trials after the
    first that improved on all before. trend: Kendall's tau between trial and validation score. near_repeats: every hyperparameter
    within `options.near_repeat` of its range from an earlier trial, exact repeats not counted. boundary: numbers at an end of their
    range. move: root mean square distance to the trial before, each hyperparameter on its own scale, 0 or 1 for categories.
    """
    scores = np.array([oriented(trial.outcome, objective)[0] for trial in cell.own])
    so_far = np.fmax.accumulate(scores)
    before = np.concatenate([[NAN], so_far[:-1]])
    failed = np.isnan(scores)
    with np.errstate(invalid="ignore"):
        drops = before - scores > options.catastrophe_points * objective.point
        improved = scores[1:] > np.where(np.isnan(before[1:]), -np.inf, before[1:])
    best = incumbent(cell.trials, objective)
    found = {
        "test": oriented(best.outcome if best else None, objective)[1],
        "catastrophic": float(np.mean(failed | drops)),
        "failed": float(np.mean(failed)),
        "new_bests": float(np.mean(improved)) if len(improved) else NAN,
        "trend": _tau(scores[~failed]),
    }
    return found | _search_measures(cell, space, options)


def _tau(scores: Array) -> float:
    """Return Kendall's tau-b (1945) between the scores, shape (n,), and their order, in which there are no ties."""
    if len(scores) < 3 or np.ptp(scores) == 0:
        return NAN
    signs = np.sign(scores[None, :] - scores[:, None])[np.triu_indices(len(scores), 1)]
    return float(signs.sum() / np.sqrt(len(signs) * np.count_nonzero(signs)))


def _search_measures(cell: CellData, space: Space | None, options: Options) -> dict[str, float]:
    configs = [trial.config for trial in cell.own]
    exact = sum(config in configs[:place] for place, config in enumerate(configs))
    none = {"exact_repeats": exact / len(configs), "near_repeats": NAN, "boundary": NAN, "move": NAN}
    if space is None:
        return none
    try:
        points = np.array([space.to_unit(config) for config in configs])
        boundary = _boundary(space, cell)
    # A record of another version of the space may hold values outside of this one.
    except (AssertionError, ValueError, TypeError, KeyError, OverflowError):
        return none
    unordered = np.array([isinstance(hp, Choice) and not hp.ordered for hp in space])
    distances = np.abs(points[:, None, :] - points[None, :, :])
    distances = np.where(unordered, (distances > 0).astype(float), distances)
    near = sum(
        bool((distances[place, :place].max(axis=1) <= options.near_repeat).any()) and configs[place] not in configs[:place]
        for place in range(1, len(configs))
    )
    moves = np.sqrt((distances[np.arange(1, len(configs)), np.arange(len(configs) - 1)] ** 2).mean(axis=1))
    return none | {
        "near_repeats": near / len(configs),
        "boundary": boundary,
        "move": float(moves.mean()) if len(moves) else NAN,
    }


def _boundary(space: Space, cell: CellData) -> float:
    """Return the share of numbers, among those with a wide enough range, that lie at an end of it."""
    hits = count = 0
    for hp in space:
        if not isinstance(hp, Number) or (hp.integer and hp.high - hp.low + 1 < LEAST_VALUES):
            continue
        for trial in cell.own:
            if hp.name in trial.config:
                value, place = trial.config[hp.name], hp.to_unit(trial.config[hp.name])
                at_end = value in (hp.low, hp.high) if hp.integer else min(place, 1 - place) <= AT_END
                hits, count = hits + at_end, count + 1
    return hits / count if count else NAN


def stability_section(frame: pd.DataFrame, book: ScoreBook, options: Options) -> Section:
    """Build the table, one row per arm."""
    arms, objectives, order, shared = arm_means(frame), book.objectives, book.order, book.objectives.shared
    if shared is None:
        arms = arms.assign(sd=NAN)
    found: Mapping[str, dict[str, Any]] = {entry["arm"]: entry for entry in rows_of(arms)}
    rows = [
        row(
            arm,
            *([number(found[arm]["sd"], difference_digits(shared))] if shared else []),
            *(_percent(found[arm][name]) for name in ("catastrophic", "failed", "new_bests")),
            number(found[arm]["trend"], 2, sign=True),
            *(_percent(found[arm][name]) for name in ("exact_repeats", "near_repeats", "boundary")),
            number(found[arm]["move"], 2),
        )
        for arm in order
        if arm in found
    ]
    heads = (
        *([_sd_head(shared)] if shared else []),
        Column("catastrophic", hint="trials that failed or fell far below the best so far"),
        Column("failed"),
        Column("new bests", hint="trials that improved on all before"),
        Column("trend", hint="Kendall's tau of trial and score"),
        Column("exact repeats"),
        Column("near repeats"),
        Column("at a boundary", hint="numbers at an end of their range"),
        Column("move", hint="distance to the trial before, 0 to 1"),
    )
    notes: tuple[str, ...] = (
        f"catastrophic: a trial that failed, or scored more than {_far(objectives, options)} its cell's best so far. "
        "trend: Kendall's tau between trial number and validation score (+1: every trial better than the one before). "
        f"near repeats: every hyperparameter within {100 * options.near_repeat:g} % of its range of an earlier trial's. "
        "at a boundary: numbers at an end of their range. move: root mean square distance to the trial before, each hyperparameter on its "
        "own scale.",
    )
    if shared is None:
        notes = (refused(objectives, "no mean of the deviations over seeds; the table of the scores has them per task"), *notes)
    else:
        notes = (*notes, *validation_notes(objectives))
    table = Table("stability", "Stability, means over cells", columns("arm", *heads), tuple(rows), arms, notes)
    text = "Two methods with the same average can differ in how they get there: steadily, or by luck between failures."
    return Section("stability", "Stability", (text, table))


def _sd_head(shared: Objective) -> Column:
    steps = steps_of(shared)
    return Column("sd" if shared.is_percentage else f"sd, {steps}", hint=f"over seeds, {steps}, mean over tasks")


def _far(objectives: Objectives, options: Options) -> str:
    """Say how far below the best so far is catastrophic, in the unit that the tasks share."""
    points, shared = options.catastrophe_points, objectives.shared
    if objectives.plain or (shared and shared.is_percentage and shared.sign > 0):
        return f"{points:g} points below"
    if shared and len({objective.point for objective in objectives.by_task.values()}) == 1:
        return f"{points * shared.point:.4g} {steps_of(shared)} worse than"
    return f"{points:g} points (in a unit other than %, a point is the task's margin / {MARGIN_POINTS:g}) worse than"


def arm_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per arm: the mean of each measure over cells, and `sd`: over seeds, averaged over tasks."""
    sd = frame.groupby(["arm", "task"], sort=False)["test"].std().groupby("arm").mean().rename("sd")
    means = frame.drop(columns=["task", "seed", "test"]).groupby("arm", sort=False).mean()
    return means.join(sd).reset_index()


def _percent(value: float) -> str:
    return "–" if pd.isna(value) else f"{100 * value:.0f} %"
