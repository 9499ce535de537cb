"""Train for real: in this process, or in a child where there is a limit to enforce."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import training
from harness.task import Task, TaskSpec
from harness.training.build import build_task
from harness.training.evaluator import NO_LIMITS, Limits
from harness.training.isolation import Isolation
from harness.training.trainer import InProcess, Trainer


@dataclass(frozen=True)
class Live:
    """The evaluator of `evaluator=live`."""

    trains: bool = True

    @property
    def identity(self) -> Mapping[str, Any]:
        return {}

    @property
    def versions(self) -> Mapping[str, int]:
        return {"training": training.VERSION}

    @property
    def recorded(self) -> Mapping[str, Any]:
        return {}

    def train_seed(self, asked: int | None, seed: int) -> int:
        return seed if asked is None else asked

    def check(self, limits: Limits) -> None:
        """Every limit can be held to."""

    def open(self, task: TaskSpec, limits: Limits) -> tuple[Task, Trainer]:
        isolation = Isolation()
        with isolation.building():
            built = build_task(task)
        return built, trainer_for(built, task, limits, isolation=isolation)


def trainer_for(task: Task, spec: TaskSpec, limits: Limits = NO_LIMITS, *, isolation: Isolation | None = None) -> Trainer:
    """Return a trainer in this process, or in a child when there is a limit to enforce. `isolation`: what the task was built in."""
    if limits == NO_LIMITS:
        return InProcess(task, isolation, spec.objective)
    from harness.training.subprocess import InChild  # noqa: PLC0415 - multiprocessing is not for free, and few runs need it

    return InChild(spec, limits.trial_seconds, memory_limit_mb=limits.trial_memory_mb, keep=True)


def end_trainers() -> None:
    """End what trainers keep from one cell to the next: to be called when no more cells follow."""
    if "harness.training.subprocess" in sys.modules:
        sys.modules["harness.training.subprocess"].end_idle()
