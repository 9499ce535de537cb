"""Live trainings for cells that run side by side in one process: each training runs in a child process, at most one per core.

Trainings change what a process has only once (working folder, environment, random generators; see `isolation.py`), so that two of them
cannot run in one process at a time. A child is lent for one training, and stays for the next one of its task.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.signals import poll_until
from harness.space import Config
from harness.task import Reference, Simulated, Task, TaskSpec
from harness.training.evaluator import NO_LIMITS, Evaluator, Limits
from harness.training.simulated import OnRecordedClock
from harness.training.subprocess import InChild
from harness.training.trainer import Trainer
from harness.trial import Outcome


def cores() -> int:
    """Return how many cores this process may use."""
    with contextlib.suppress(AttributeError):  # macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Children:
    """At most `most` child processes, started when they are needed. Several threads may ask for one. Use as a context manager.

    Those threads must not end before the last training: Linux ends a child together with the thread that started it (see `_die_with`).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._idle: list[tuple[tuple[TaskSpec, Limits], InChild]] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        for _, child in self._idle:
            child.close()
        self._idle.clear()

    @contextlib.contextmanager
    def lent(self, spec: TaskSpec, limits: Limits) -> Iterator[InChild]:
        """Lend a child for one training of a task; wait while all are busy. A child whose training was broken off is ended."""
        child = self._take(spec, limits)
        try:
            yield child
        except BaseException:
            child.close()
            self._give_back(None)
            raise
        self._give_back(((spec, limits), child))

    def _take(self, spec: TaskSpec, limits: Limits) -> InChild:
        with self._changed:
            while self._busy >= self._most:
                poll_until(lambda seconds: self._changed.wait(seconds) or None, threading.TIMEOUT_MAX)
            self._busy += 1
            for place, (of, child) in enumerate(self._idle):
                if of == (spec, limits):
                    del self._idle[place]
                    return child
            # One that waits for another task takes memory only.
            too_many = [self._idle.pop(0)[1] for _ in range(self._busy + len(self._idle) - self._most)]
        for child in too_many:
            child.close()
        return InChild(spec, limits.trial_seconds, memory_limit_mb=limits.trial_memory_mb)

    def _give_back(self, idle: tuple[tuple[TaskSpec, Limits], InChild] | None) -> None:
        with self._changed:
            self._busy -= 1
            if idle is not None:
                self._idle.append(idle)
            self._changed.notify()


class LentChild:
    """A trainer that borrows a child for each training."""

    def __init__(self, children: Children, spec: TaskSpec, limits: Limits) -> None:
        self._children = children
        self._spec = spec
        self._limits = limits

    def train(self, config: Config, *, seed: int) -> Outcome:
        with self._children.lent(self._spec, self._limits) as child:
            return child.train(config, seed=seed)

    def close(self) -> None:
        """Do nothing: the children are ended after the last cell."""


@dataclass(frozen=True)
class InChildren:
    """An evaluator around `inner` that trains in `children`. `task` was built once, in the main thread; cells read its space and card."""

    inner: Evaluator
    task: Task
    children: Children

    @property
    def identity(self) -> Mapping[str, object]:
        return self.inner.identity

    @property
    def versions(self) -> Mapping[str, int]:
        return self.inner.versions

    @property
    def recorded(self) -> Mapping[str, object]:
        return self.inner.recorded

    @property
    def trains(self) -> bool:
        return self.inner.trains

    def train_seed(self, asked: int | None, seed: int) -> int:
        return self.inner.train_seed(asked, seed)

    def check(self, limits: Limits) -> None:
        self.inner.check(limits)

    def reference(self, task: TaskSpec, /) -> Reference | None:
        return self.inner.reference(task)

    def open(self, task: TaskSpec, limits: Limits) -> tuple[Task, Trainer]:
        if isinstance(self.task, Simulated):
            return self.task, OnRecordedClock(LentChild(self.children, task, NO_LIMITS), self.task, limits.trial_seconds)
        return self.task, LentChild(self.children, task, limits)
