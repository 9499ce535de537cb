"""Trainings as the released system records them, made from a trajectory.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. Its history alternates: the Generator appends
(iteration, configuration) before a training, the Analyzer appends the training after it. Both follow from the trainings, so that only
those are kept here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.optimizers.published.dimension import Setting
from harness.optimizers.published.metric import Metric
from harness.trial import Objective, Trajectory, Trial

Recorded: TypeAlias = "float | Sequence[float]"
# Entries of the history in which recent scores are looked for.
WINDOW_ENTRIES = 5


@dataclass(frozen=True)
class Training:
    """One training. `iteration` counts from 0. `metrics` holds curves by name, or single numbers; empty after a failure.

    `epochs` are the numbers of the epochs of the curves; where they are not given, they count from 1.
    """

    iteration: int
    config: Mapping[str, Setting]
    metrics: Mapping[str, Recorded] = field(default_factory=dict)
    epochs: Sequence[int] = ()


@dataclass(frozen=True)
class Reader:
    """Reads the score and the train metric of a training.

    `best`: read the best epoch, where the released system reads the last one. `real_train`: read the real train metric, where it looks
    one up that `val_accuracy` does not have.
    """

    metric: Metric
    best: bool = False
    real_train: bool = False

    def score(self, training: Training) -> float | None:
        """Return the metric of a training, None where it has none."""
        return _element(training.metrics.get(self.metric.name), self._place(training))

    def train_score(self, training: Training) -> float | None:
        """Return the train metric of the same epoch, None where it is not found."""
        found = training.metrics.get(self.metric.train_name)
        if found is None and self.real_train:
            found = training.metrics.get(self.metric.real_train_name)
        return _element(found, self._place(training))

    def _place(self, training: Training) -> int:
        curve = training.metrics.get(self.metric.name)
        if not self.best or curve is None or isinstance(curve, int | float) or not curve:
            return -1
        sign = 1 if self.metric.higher_is_better else -1
        worth = [-math.inf if math.isnan(value) else sign * value for value in curve]
        return worth.index(max(worth))


def _element(recorded: Recorded | None, place: int) -> float | None:
    if recorded is None or isinstance(recorded, int | float):
        return recorded
    return recorded[place] if -len(recorded) <= place < len(recorded) else None


def recent(trainings: Sequence[Training]) -> Sequence[Training]:
    """Return the trainings among the last five entries of the history: one after the first training, two, then always three."""
    entries = [entry for training in trainings for entry in (None, training)]
    return [entry for entry in entries[-WINDOW_ENTRIES:] if entry is not None]


def trainings_of(trajectory: Trajectory, metric: Metric) -> tuple[Training, ...]:
    """Return the trainings of a trajectory. Percentages are told as fractions; a failed training has no metric."""
    return tuple(_training(trial, trajectory.objective, metric) for trial in trajectory)


def _training(trial: Trial, objective: Objective, metric: Metric) -> Training:
    curve = trial.outcome.curve
    if not trial.outcome.ok:
        return Training(trial.number - 1, trial.config)
    hundred = 100.0 if objective.is_percentage else 1.0
    columns: dict[str, list[float]] = {}
    losses = (("train_loss", "train_loss"), ("val_loss", "val_loss"))
    scores = ((metric.real_train_name, "train_score_pct"), (metric.name, "val_score_pct"))
    for name, key in losses:
        if curve and all(getattr(epoch, key) is not None for epoch in curve):
            columns[name] = [getattr(epoch, key) for epoch in curve]
    for name, key in scores:
        if curve and all(getattr(epoch, key) is not None for epoch in curve):
            columns[name] = [objective.value(getattr(epoch, key)) / hundred for epoch in curve]
    return Training(trial.number - 1, trial.config, columns, [epoch.number for epoch in curve])
