"""A task and a trainer that look up recorded trainings and train nothing. The task's module and its libraries are not imported."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import tabular
from harness.errors import RecordError, SettingsError
from harness.space import Config, Space
from harness.tabular.header import find_table, grid_space
from harness.tabular.reference import reference_of
from harness.tabular.table import Table, read_table
from harness.task import Reference, TaskCard, TaskSpec
from harness.training.evaluator import Limits
from harness.trial import Epoch, Outcome, Status


@dataclass(frozen=True)
class TableEvaluator:
    """The evaluator of `evaluator=table`. `best_val_score_pct` maps each training seed to the best validation score of the grid."""

    path: Path
    checksum: str
    train_seeds: tuple[int, ...]
    best_val_score_pct: Mapping[str, float | None] = field(default_factory=dict)
    trains: bool = False

    @property
    def identity(self) -> Mapping[str, object]:
        return {"table": self.checksum}

    @property
    def versions(self) -> Mapping[str, int]:
        return {"table": tabular.VERSION}

    @property
    def recorded(self) -> Mapping[str, object]:
        source = {"path": str(self.path), "checksum": self.checksum, "train_seeds": list(self.train_seeds)}
        return {"from_table": source, "best_val_score_pct": dict(self.best_val_score_pct)}

    def train_seed(self, asked: int | None, seed: int) -> int:
        if asked is None:  # a table holds few training seeds: cells use them in turn
            return self.train_seeds[seed % len(self.train_seeds)]
        if asked not in self.train_seeds:
            listed = ", ".join(map(str, self.train_seeds))
            raise SettingsError(f"train_seed={asked}: the table of task '{self.path.stem}' holds {listed}; null takes turns")
        return asked

    def check(self, limits: Limits) -> None:
        if limits.trial_memory_mb is not None:
            raise SettingsError(
                "limits.trial_memory_mb: a table holds no memory of its trainings; leave it out with evaluator=table"
            )

    def reference(self, _task: TaskSpec, /) -> Reference | None:
        return _reference(self.path, self.checksum)

    def open(self, task: TaskSpec, limits: Limits) -> tuple[TabularTask, TableTrainer]:
        table = read_table(self.path)
        if table.header.checksum != self.checksum:
            raise RecordError(f"{table.path} has changed since the cell was planned; launch it again")
        return TabularTask(table.space, task.card, table), TableTrainer(table, limits.trial_seconds)


def with_table(task: TaskSpec) -> tuple[TaskSpec, TableEvaluator]:
    """Return the task with the grid as its space, and the evaluator that looks its trainings up.

    Raises SettingsError when the task has no table, or a table of other settings.
    """
    path, header = find_table(task)
    subject = header.subject
    evaluator = TableEvaluator(path, header.checksum, tuple(subject.train_seeds), header.best_val_score_pct)
    return replace(task, space=grid_space(task)), evaluator


# Once per table and process, not once per cell. The checksum stands for the contents.
@functools.cache
def _reference(path: Path, _checksum: str) -> Reference | None:
    return reference_of(read_table(path))


@dataclass
class TabularTask:
    """Replaces the task; its space is the grid, and its curves are the recorded ones."""

    space: Space
    card: TaskCard
    table: Table

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        yield from self.table.outcome(self.table.number(config), seed).curve


class TableTrainer:
    """Returns recorded outcomes. A time limit is compared with the recorded seconds, as if the training ran now."""

    def __init__(self, table: Table, time_limit_seconds: float | None) -> None:
        self._table = table
        self._limit = time_limit_seconds

    def train(self, config: Config, *, seed: int) -> Outcome:
        outcome = self._table.outcome(self._table.number(config), seed)
        if self._limit is None or outcome.seconds <= self._limit:
            return outcome
        return cut_short(outcome, self._limit)

    def close(self) -> None:
        """Do nothing: this trainer holds nothing."""


def cut_short(outcome: Outcome, limit_seconds: float) -> Outcome:
    """Return the outcome that a time limit would have given: the epochs before the limit, when all epochs take equally long."""
    whole = int(len(outcome.curve) * limit_seconds / outcome.seconds)
    text = f"not finished after {limit_seconds:g} s (limits.trial_seconds)"
    return Outcome.failed(Status.TIMEOUT, text, outcome.curve[:whole], limit_seconds)
