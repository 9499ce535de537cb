"""A task and a trainer that look up what was trained, and train nothing. Neither the task's module nor its libraries are imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.space import Config, Space
from harness.tabular.header import find_table
from harness.tabular.table import Table, read_table
from harness.task import TaskCard
from harness.trial import Epoch, Outcome, Status


def on_table(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's settings as its table has them: the grid is its space.

    `from_table` says which table that is, `best_val_score_pct` the best validation score of the whole grid for each training seed.
    Raises SettingsError for a task that has no table, or one that was made of other settings.
    """
    path, header = find_table(task)
    subject = header.subject
    source = {"path": str(path), "checksum": header.checksum, "train_seeds": list(subject.train_seeds)}
    return {**task, "space": subject.space, "from_table": source, "best_val_score_pct": dict(header.best_val_score_pct)}


def replayed(task: Mapping[str, Any], time_limit_seconds: float | None) -> tuple[TabulatedTask, FromTable]:
    """Return the task and the trainer of settings that `on_table` made. Raises RecordError when the table is another one by now."""
    source = task["from_table"]
    table = read_table(Path(source["path"]))
    if table.header.checksum != source["checksum"]:
        raise RecordError(f"{table.path} has changed since the cell was planned; launch it again")
    return TabulatedTask(table.space, TaskCard.from_mapping(task["card"]), table), FromTable(table, time_limit_seconds)


@dataclass
class TabulatedTask:
    """Stands in for the task: its space is the grid."""

    space: Space
    card: TaskCard
    table: Table

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        yield from self.table.outcome(self.table.number(config), seed).curve


class FromTable:
    """Returns the recorded outcome, with the recorded seconds: those are a simulated clock, which a time limit goes by."""

    def __init__(self, table: Table, time_limit_seconds: float | None) -> None:
        self._table = table
        self._limit = time_limit_seconds

    def train(self, config: Config, *, seed: int) -> Outcome:
        outcome = self._table.outcome(self._table.number(config), seed)
        if self._limit is None or outcome.seconds <= self._limit:
            return outcome
        return cut_short(outcome, self._limit)

    def close(self) -> None:
        """Nothing is held."""


def cut_short(outcome: Outcome, limit_seconds: float) -> Outcome:
    """Return what a time limit would have left of a longer training: the epochs that fit, each taken to last as long as the others."""
    whole = int(len(outcome.curve) * limit_seconds / outcome.seconds)
    text = f"not finished after {limit_seconds:g} s (limits.trial_seconds)"
    return Outcome.failed(Status.TIMEOUT, text, outcome.curve[:whole], limit_seconds)
