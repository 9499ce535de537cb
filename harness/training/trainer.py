"""Run one training: number its epochs, stop at the first value that is not finite, keep the partial curve, and make the outcome.

Without limits a task trains in this process. With a limit it trains in a child process (`subprocess.py`), because only killing a process
stops a loop in C.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Protocol

from harness.errors import printable
from harness.signals import stop_if_asked, stops_noted
from harness.space import Config
from harness.task import Task
from harness.training.isolation import Isolation
from harness.trial import PERCENT, Epoch, Objective, Outcome, Status

ERROR_LENGTH = 300


class Trainer(Protocol):
    """Trains one configuration. Always returns an outcome, even when the task's code fails."""

    def train(self, config: Config, *, seed: int) -> Outcome:
        """Train once. A failure of the task becomes an outcome, not an exception."""
        ...

    def close(self) -> None:
        """Release what the trainer holds."""
        ...


class InProcess:
    """Trains in this process. This adds almost no time, and cannot stop a training that hangs.

    `isolation` is the one in which the task was built. `objective` says what its scores are.
    """

    def __init__(self, task: Task, isolation: Isolation | None = None, objective: Objective = PERCENT) -> None:
        self._task = task
        self._objective = objective
        self._isolation = Isolation() if isolation is None else isolation

    def train(self, config: Config, *, seed: int) -> Outcome:
        stop_if_asked()
        curve: list[Epoch] = []
        with stops_noted():
            with self._isolation.training(seed):
                started = time.perf_counter()
                error = run_epochs(self._task, config, seed, curve.append, self._objective)
                seconds = time.perf_counter() - started
            stop_if_asked(failed=error is not None)
        return outcome_of(curve, error, seconds, self._objective)

    def close(self) -> None:
        """Do nothing: this trainer holds nothing."""


def run_epochs(task: Task, config: Config, seed: int, done: Callable[[Epoch], None], objective: Objective = PERCENT) -> str | None:
    """Train once, and call `done` with each epoch when it ends. Return the error as text, or None without an error.

    A signal to stop may be the cause of the error. The caller must check for that (see `signals.py`).
    """
    epochs = checked_epochs(task, config, seed, objective)
    try:
        for epoch in epochs:
            done(epoch)
            if epoch.non_finite():
                break
    # The boundary to foreign training code: whatever it raises is data about the configuration, not a failure of the harness.
    except (Exception, SystemExit) as raised:
        return describe(raised)
    # A training that diverged is closed early. An error in its clean-up changes nothing any more.
    with contextlib.suppress(Exception, SystemExit):
        epochs.close()
    return None


def checked_epochs(task: Task, config: Config, seed: int, objective: Objective = PERCENT) -> Generator[Epoch]:
    """Yield a training's epochs, numbered from 1.

    Raises TypeError for a value that is not an Epoch, and ValueError for a percentage above 100.
    """
    for number, epoch in enumerate(task.train(dict(config), seed=seed), start=1):
        if not isinstance(epoch, Epoch):
            raise TypeError(f"train must yield harness.trial.Epoch, not {type(epoch).__name__}")
        if objective.is_percentage and (epoch.val_score_pct > 100.0 or (epoch.test_score_pct or 0.0) > 100.0):
            raise ValueError(
                f"epoch {number} has a score above 100; scores are percentages, unless the task's YAML says what they are: "
                "metric: {name: rmse, direction: minimize, unit: ..., margin: ...}"
            )
        # Converted, because JSON cannot hold a NumPy or torch scalar.
        yield Epoch(
            float(epoch.val_score_pct),
            _float(epoch.val_loss),
            _float(epoch.train_score_pct),
            _float(epoch.train_loss),
            _float(epoch.test_score_pct),
            number,
        )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def outcome_of(curve: list[Epoch], error: str | None, seconds: float, objective: Objective = PERCENT) -> Outcome:
    """Return the outcome of a training from its curve, its error and its duration in seconds."""
    kept = tuple(curve)
    if error is not None:
        return Outcome.failed(Status.CRASHED, error, kept, seconds)
    if not kept:
        return Outcome.failed(Status.CRASHED, "the training ended without a single epoch", kept, seconds)
    cause = kept[-1].non_finite()
    if cause:
        return Outcome.failed(Status.DIVERGED, f"{cause} at epoch {kept[-1].number}", kept, seconds)
    return Outcome.of_curve(kept, seconds, objective)


def describe(error: BaseException) -> str:
    """Return an exception as one line of at most `ERROR_LENGTH` characters, without control characters and secrets."""
    try:
        words = str(error)
    except Exception:
        words = "(it cannot say what)"
    text = printable(" ".join(f"{type(error).__name__}: {words}".split()))
    return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 3] + "..."
