"""The contract of an evaluator: it says where the outcomes of a cell's trials come from.

`evaluator=live` trains; `evaluator=table` looks up recorded trainings. The loop asks the cell's evaluator for a task and a trainer, and
knows nothing else about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.task import Reference, Task, TaskSpec
from harness.training.trainer import Trainer


@dataclass(frozen=True)
class Limits:
    """The most that one trial may use: seconds, and megabytes (10^6 bytes) of memory. None for no limit."""

    trial_seconds: float | None = None
    trial_memory_mb: float | None = None


NO_LIMITS = Limits()


class Evaluator(Protocol):
    """A frozen value: evaluators made from equal settings are equal.

    `identity` is stored in the cell's identity under `evaluator` (nothing is stored when it is empty). `versions` are the versions of its
    code. `recorded` is added to the task's settings in the manifest. `trains` is False when no training runs, so that no data are needed.
    """

    @property
    def identity(self) -> Mapping[str, object]: ...

    @property
    def versions(self) -> Mapping[str, int]: ...

    @property
    def recorded(self) -> Mapping[str, object]: ...

    @property
    def trains(self) -> bool: ...

    def train_seed(self, asked: int | None, seed: int) -> int:
        """Return the training seed of a cell: `asked`, else one from the cell's `seed`. Raises SettingsError for a seed it cannot give."""
        ...

    def check(self, limits: Limits) -> None:
        """Raise SettingsError for a limit that this evaluator cannot enforce."""
        ...

    def reference(self, task: TaskSpec, /) -> Reference | None:
        """Return what is known of the scores that the task can give here. It is written down with a cell, and decides no result."""
        ...

    def open(self, task: TaskSpec, limits: Limits) -> tuple[Task, Trainer]:
        """Return the task and its trainer. Raises HarnessError."""
        ...
