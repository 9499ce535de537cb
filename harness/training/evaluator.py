"""Where the outcomes of a cell's trials come from.

`evaluator=live` trains. Others stand around a task: a table looks its trainings up, and one that adds noise would be another. The loop
asks the cell's evaluator for a task and a trainer, and knows nothing else of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.task import Task, TaskSpec
from harness.training.trainer import Trainer


@dataclass(frozen=True)
class Limits:
    """What a single trial may use, in seconds and in megabytes of memory; None for no limit."""

    trial_seconds: float | None = None
    trial_memory_mb: float | None = None


NO_LIMITS = Limits()


class Evaluator(Protocol):
    """A frozen value: equal settings, equal evaluators.

    `identity` is what the cell's identity holds of it under `evaluator` (empty: nothing), `versions` the versions of its code,
    `recorded` what the manifest's settings of the task say of it. `trains` is False where no training runs, and so no data are needed.
    """

    @property
    def identity(self) -> Mapping[str, Any]: ...

    @property
    def versions(self) -> Mapping[str, int]: ...

    @property
    def recorded(self) -> Mapping[str, Any]: ...

    @property
    def trains(self) -> bool: ...

    def train_seed(self, asked: int | None, seed: int) -> int:
        """Return the seed of a cell's trainings: as asked, else from the cell's own. Raises SettingsError for one it cannot give."""
        ...

    def check(self, limits: Limits) -> None:
        """Raise SettingsError for a limit that it cannot hold to."""
        ...

    def open(self, task: TaskSpec, limits: Limits) -> tuple[Task, Trainer]:
        """Return the task and what trains it. Raises HarnessError."""
        ...
