"""Normalised scores: 0 is a task's median random trial, 1 its best known score. They have no unit, so those of all tasks can be averaged.

A cell's manifest holds the two ends under `reference`, in points (see `harness.trial.Objective.points`). They come with the task and not
from the study, so that a normalised score does not move when an arm joins. A score beyond an end is below 0 or above 1, and stays so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.report.analysis.frames import Frames
from harness.report.analysis.objectives import Objectives
from harness.report.analysis.pairs import LEAST_POINTS
from harness.report.study_data import CellData, State, StudyData, mapping
from harness.trial import Objective

# What a normalised score is. It has no margin of its own: this one gives its differences three decimals.
NORMALISED = Objective("normalised score", unit="", margin=0.09)
NONE, UNLIKE, FLAT = "none is recorded", "its cells disagree", "the best known score is the median random trial's"
UPSIDE_DOWN, UNREAD = "the best known score is worse than the median random trial's", "it cannot be read"
NO_TEST = "it has no test scores"


@dataclass(frozen=True, slots=True)
class Scale:
    """The two ends of a task's scores, oriented and in its unit, as in the frames. `best` is above `median`."""

    median: float
    best: float
    source: str = ""

    @property
    def length(self) -> float:
        """How far the two ends lie apart."""
        return self.best - self.median


@dataclass(frozen=True)
class Scales:
    """The scale of every task that has one, and for the other tasks why they have none (the constants above)."""

    by_task: Mapping[str, Scale]
    missing: Mapping[str, str]

    @classmethod
    def of(cls, study: StudyData, objectives: Objectives, score: str = "test") -> Scales:
        """Read the scales of one score (test or val). The validation scale stands for a task without a test score, as its scores do."""
        cells: dict[str, list[CellData]] = {task: [] for task in study.tasks}
        for cell in study.cells:
            if cell.manifest and cell.state is not State.UNREADABLE:
                cells[cell.task].append(cell)
        found = {task: _scale(of_task, objectives[task], score) for task, of_task in cells.items()}
        return cls(
            {task: scale for task, scale in found.items() if isinstance(scale, Scale)},
            {task: why for task, why in found.items() if isinstance(why, str)},
        )

    @property
    def complete(self) -> bool:
        """Whether every task has a scale."""
        return bool(self.by_task) and not self.missing

    @cached_property
    def objectives(self) -> Objectives:
        """What the normalised scores of the tasks are."""
        return Objectives(dict.fromkeys(self.by_task, NORMALISED))

    def frames(self, frames: Frames) -> Frames:
        """Return the frames with normalised scores, of the tasks that have a scale. Columns that are no scores stay as they are."""
        cells, trials = (frame[frame["task"].isin(list(self.by_task))] for frame in (frames.cells, frames.trials))
        return Frames(
            self._columns(cells, "val", "test", "first_val", "first_test"),
            self._columns(trials, "val", "test", "best_val", "best_test"),
            self.objectives,
        )

    def _columns(self, frame: pd.DataFrame, *names: str) -> pd.DataFrame:
        median, length = (
            frame["task"].map({task: getattr(scale, name) for task, scale in self.by_task.items()}).astype(float)
            for name in ("median", "length")
        )
        return frame.assign(**{name: (frame[name].astype(float) - median) / length for name in names})


def _scale(cells: list[CellData], objective: Objective, score: str) -> Scale | str:
    """Return the scale of one task, from all cells that have a manifest, or why there is none."""
    references = [cell.reference for cell in cells]
    if not any(references):
        return NONE
    first = references[0]
    if any(reference.get(name) != first.get(name) for reference in references[1:] for name in ("val", "test")):
        return UNLIKE
    ends = first.get("test" if score == "test" and objective.test else "val")
    if ends is None:
        return NO_TEST if score == "test" and objective.test else UNREAD
    median, best = (_finite(mapping(ends).get(name)) for name in ("median", "best"))
    if math.isnan(median) or math.isnan(best):
        return UNREAD
    if abs(best - median) < LEAST_POINTS:
        return FLAT
    if best < median:
        return UPSIDE_DOWN
    if not math.isfinite((best - median) * objective.point):
        return UNREAD
    return Scale(median * objective.point, best * objective.point, " ".join(str(first.get("source", "")).split()))


def _finite(value: object) -> float:
    """Return a recorded number; NaN for anything else, and for a number that is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan
