"""The task that `tasks_from` makes of a user's function or command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from harness.space import Config, Space
from harness.task import Task, TaskCard
from harness.trial import Epoch, Objective

Factory: TypeAlias = Callable[..., Task]


@dataclass
class Loop:
    """A task that trains with `run(config, seed)`.

    `source` is the user's own function, which is named where its training fails; None for a command. `check` raises SettingsError for an
    objective that the task does not have.
    """

    space: Space
    card: TaskCard
    run: Callable[[Config, int], Iterator[Epoch]]
    source: Callable[..., object] | None
    check: Callable[[Objective], None] | None = None

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return self.run(config, seed)

    def check_objective(self, objective: Objective) -> None:
        """Raise SettingsError where the task's YAML says something else of its scores than the task gives."""
        if self.check is not None:
            self.check(objective)
