"""Live trainings: in this process, or in a child process when a limit must be enforced."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from harness import training
from harness.errors import SettingsError
from harness.task import Reference, Simulated, Task, TaskSpec
from harness.training.build import build_task
from harness.training.evaluator import NO_LIMITS, Limits
from harness.training.isolation import Isolation
from harness.training.simulated import OnRecordedClock
from harness.training.trainer import InProcess, Trainer


@dataclass(frozen=True)
class Live:
    """The evaluator of `evaluator=live`: it runs the task's own training code."""

    trains: bool = True

    @property
    def identity(self) -> Mapping[str, object]:
        return {}

    @property
    def versions(self) -> Mapping[str, int]:
        return {"training": training.VERSION}

    @property
    def recorded(self) -> Mapping[str, object]:
        return {}

    def train_seed(self, asked: int | None, seed: int) -> int:
        return seed if asked is None else asked

    def check(self, limits: Limits) -> None:
        """Accept every limit."""

    def reference(self, task: TaskSpec, /) -> Reference | None:
        return task.reference

    def open(self, task: TaskSpec, limits: Limits) -> tuple[Task, Trainer]:
        isolation = Isolation()
        with isolation.building():
            built = build_task(task)
        return built, trainer_for(built, task, limits, isolation=isolation)


def trainer_for(task: Task, spec: TaskSpec, limits: Limits = NO_LIMITS, *, isolation: Isolation | None = None) -> Trainer:
    """Return a trainer in this process, or in a child process when there is a limit. `isolation` is the one in which `task` was built.

    A task with a recorded clock (`harness.Simulated`) needs no child. Raises SettingsError for a limit that it cannot have.
    """
    if isinstance(task, Simulated):
        if limits.trial_memory_mb is not None:
            raise SettingsError(
                f"limits.trial_memory_mb: task '{spec.name}' gives recorded trainings, and trains none; leave it out"
            )
        return OnRecordedClock(InProcess(task, isolation, spec.objective), task, limits.trial_seconds)
    if limits == NO_LIMITS:
        return InProcess(task, isolation, spec.objective)
    from harness.training.subprocess import InChild  # noqa: PLC0415 - importing multiprocessing takes time, and few runs need it

    return InChild(spec, limits.trial_seconds, memory_limit_mb=limits.trial_memory_mb, keep=True)


def end_trainers() -> None:
    """End the child process that trainers keep from one cell to the next. Call it after the last cell."""
    if "harness.training.subprocess" in sys.modules:
        sys.modules["harness.training.subprocess"].end_idle()
