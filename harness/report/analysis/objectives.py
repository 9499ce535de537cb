"""What the scores of every task are, and which tasks may be averaged.

Whatever compares scores (frames, pairs, averages, ranks, curves, regret) holds them *oriented*: in the task's own unit, times -1 where
lower is better. So higher is better everywhere, and a positive difference is an improvement. `Objectives.natural` turns back what is shown,
and what a CSV file holds; differences stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.errors import RecordError
from harness.report.analysis.options import Options
from harness.report.study_data import CellData, State, StudyData
from harness.trial import PERCENT, Direction, Objective


@dataclass(frozen=True)
class Objectives:
    """The objective of every task, in the order of the study. A task without any manifest has the first one that is known."""

    by_task: Mapping[str, Objective]

    @classmethod
    def of(cls, study: StudyData) -> Objectives:
        """Read the objectives from the manifests. Raises RecordError for one that cannot be read: see `settled`."""
        known: dict[str, Objective] = {}
        for cell in study.cells:
            if cell.manifest and cell.state is not State.UNREADABLE and cell.task not in known:
                known[cell.task] = cell.objective
        common = next(iter(known.values()), PERCENT)
        return cls({task: known.get(task, common) for task in study.tasks})

    def __getitem__(self, task: str) -> Objective:
        return self.by_task.get(task, PERCENT)

    @cached_property
    def plain(self) -> bool:
        """Whether every task has the default: a percentage that is to be maximised, with a test score."""
        return all(dataclasses.replace(objective, margin=PERCENT.margin) == PERCENT for objective in self.by_task.values())

    @cached_property
    def pools(self) -> tuple[tuple[Objective, tuple[str, ...]], ...]:
        """The tasks whose scores may be averaged: same unit and direction, and both test scores, or both validation scores.

        The margin of a pool is the mean of its tasks' margins, as the gap is the mean of their gaps.
        """
        found: dict[tuple[object, ...], list[str]] = {}
        for task, objective in self.by_task.items():
            found.setdefault(kind_of(objective), []).append(task)
        return tuple((_common([self.by_task[task] for task in tasks]), tuple(tasks)) for tasks in found.values())

    @property
    def shared(self) -> Objective | None:
        """The objective of all tasks together; None where they may not be averaged."""
        return None if self.refusal else next((objective for objective, _ in self.pools), PERCENT)

    @cached_property
    def refusal(self) -> str:
        """Why there is nothing over all tasks, as a clause; empty where there is."""
        if len(self.pools) < 2:
            return ""
        kinds = [objective for objective, _ in self.pools]
        if len({objective.unit for objective in kinds}) > 1:
            return f"tasks have different units ({', '.join(dict.fromkeys(o.unit or o.name for o in kinds))})"
        if len({objective.direction for objective in kinds}) > 1:
            return (
                f"tasks have different directions (in {kinds[0].unit or kinds[0].name}, higher is better in some, lower in others)"
            )
        return "some tasks have a test score, and others only a validation score"

    @property
    def without_test(self) -> tuple[str, ...]:
        """The tasks that have no test score."""
        return tuple(task for task, objective in self.by_task.items() if not objective.test)

    @cached_property
    def of_validation(self) -> Objectives:
        """The same for validation scores, which every task has."""
        if not self.without_test:
            return self
        return Objectives({task: dataclasses.replace(objective, test=True) for task, objective in self.by_task.items()})

    def natural(self, frame: pd.DataFrame, *columns: str, ends: tuple[str, str] | None = None) -> pd.DataFrame:
        """Turn oriented columns back into the tasks' own direction; `ends` are a lower and an upper one, which change places.

        The frame has a column `task`, or all tasks have one direction. What stands for several tasks has the direction that they share.
        """
        if all(objective.direction is Direction.MAXIMIZE for objective in self.by_task.values()) or frame.empty:
            return frame
        common = self.shared.sign if self.shared else 1.0
        tasks = frame["task"] if "task" in frame else pd.Series("", frame.index)
        signs = tasks.map(lambda task: self.by_task[task].sign if task in self.by_task else common)
        turned = {name: frame[name] * signs + 0.0 for name in (*columns, *(ends or ()))}
        if ends:
            low, high = ends
            turned[low], turned[high] = (
                turned[low].where(signs > 0, turned[high]),
                turned[high].where(signs > 0, turned[low]),
            )
        return frame.assign(**turned)

    def described(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Add to a frame with a column `task` what each score is; nothing where every task has the default."""
        if self.plain:
            return frame
        of = [self.by_task.get(task, self.shared) for task in frame["task"]]
        return frame.assign(
            metric=[objective.name if objective else "" for objective in of],
            unit=[objective.unit if objective else "" for objective in of],
            direction=[str(objective.direction) if objective else "" for objective in of],
            score_of=[("test" if objective.test else "validation") if objective else "" for objective in of],
        )


def kind_of(objective: Objective) -> tuple[object, ...]:
    """Return what two scores must have in common to be averaged."""
    return objective.unit, objective.direction, objective.test


def _common(objectives: list[Objective]) -> Objective:
    names = {objective.name for objective in objectives}
    margins = [objective.margin for objective in objectives]
    margin = margins[0] if len(set(margins)) == 1 else sum(margins) / len(margins)
    return dataclasses.replace(objectives[0], name=names.pop() if len(names) == 1 else "score", margin=margin)


def margin_of(objective: Objective, options: Options) -> float:
    """Return the margin in the objective's unit: its own, or `options.margin_points` points of it."""
    return objective.margin if options.margin_points is None else options.margin_points * objective.point


def in_brief(objective: Objective) -> str:
    """Say in a phrase what scores are: `rmse in k$, lower is better, margin 0.5`."""
    better = "lower" if objective.sign < 0 else "higher"
    unit = f" in {objective.unit}" if objective.unit else ""
    return f"{objective.name}{unit}, {better} is better, margin {objective.margin:g}{'' if objective.test else ', no test score'}"


def settled(study: StudyData) -> StudyData:
    """Return the study with one objective a task: the one of its first cell.

    A cell whose scores are of another kind, or whose objective cannot be read, is not counted. `problems` has a line for every task with
    such cells, or whose cells disagree in the metric's name or margin.
    """
    first: dict[str, tuple[Objective, str]] = {}
    lines: dict[str, str] = {}
    cells = tuple(
        _settled(cell, first, lines) if cell.manifest and cell.state is not State.UNREADABLE else cell for cell in study.cells
    )
    return dataclasses.replace(study, cells=cells, problems=(*study.problems, *lines.values())) if lines else study


def _settled(cell: CellData, first: dict[str, tuple[Objective, str]], lines: dict[str, str]) -> CellData:
    try:
        objective = cell.objective
    except RecordError as error:
        lines.setdefault(f"{cell.task} unread", f"{error}, so the cell is not counted")
        return dataclasses.replace(cell, state=State.UNREADABLE, reason=str(error))
    common, label = first.setdefault(cell.task, (objective, cell.label))
    if objective == common:
        return cell
    other = kind_of(objective) != kind_of(common)
    text = f"{in_brief(common)} in {label}, {in_brief(objective)} in {cell.label}"
    counted = "cells like the second are not counted" if other else "the first one counts"
    lines.setdefault(f"{cell.task} {other}", f"task {cell.task}: its cells disagree on what its scores are ({text}): {counted}")
    return (
        dataclasses.replace(cell, state=State.UNREADABLE, reason=f"its scores are of another kind than the task's: {text}")
        if other
        else cell
    )
