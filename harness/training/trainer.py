"""Run one training: number its epochs, stop at the first value that is not finite, keep the partial curve, and make the outcome.

Without limits a task trains in this process. With a limit it trains in a child process (`subprocess.py`), because only killing a process
stops a loop in C.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from harness.signals import stop_if_asked, stops_noted
from harness.space import Config
from harness.task import Task
from harness.training.failure import Failure, begun, failure_of, no_epoch, no_number
from harness.training.isolation import Isolation
from harness.trial import MEASURES, PERCENT, Epoch, Objective, Outcome, Status, measures_of


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
                failure = run_epochs(self._task, config, seed, curve.append, self._objective)
                seconds = time.perf_counter() - started
            stop_if_asked(failed=failure is not None)
        return outcome_of(curve, failure, seconds, self._objective)

    def close(self) -> None:
        """Do nothing: this trainer holds nothing."""


def run_epochs(
    task: Task, config: Config, seed: int, done: Callable[[Epoch], None], objective: Objective = PERCENT
) -> Failure | None:
    """Train once, and call `done` with each epoch when it ends. Return how the training failed, or None when it did not.

    A signal to stop may be the cause of the error. The caller must check for that (see `signals.py`).
    """
    made: Any = None
    failure = None
    try:
        made = begun(task, lambda: task.train(dict(config), seed=seed))
        for epoch in _checked(task, made, objective):
            done(epoch)
            if epoch.non_finite():
                break
    # The boundary to foreign training code: whatever it raises is data about the configuration, not a failure of the harness.
    except (Exception, SystemExit) as raised:
        failure = failure_of(raised, task, made)
    # A training that failed or diverged is closed early. An error in its clean-up changes nothing any more.
    with contextlib.suppress(Exception, SystemExit):
        if hasattr(made, "close"):
            made.close()
    return failure


def checked_epochs(task: Task, config: Config, seed: int, objective: Objective = PERCENT) -> Iterator[Epoch]:
    """Yield a training's epochs, numbered from 1.

    Raises TypeError for a value that is not an Epoch of numbers, and ValueError for a percentage above 100.
    """
    yield from _checked(task, begun(task, lambda: task.train(dict(config), seed=seed)), objective)


def _checked(task: Task, made: Iterator[Any], objective: Objective) -> Iterator[Epoch]:
    at_most_100 = objective.is_percentage
    for number, given in enumerate(made, start=1):
        if not isinstance(given, Epoch):
            raise no_epoch(task, made, given)
        values, epoch = measures_of(given), given
        if values[0] is None or not _PLAIN.issuperset(map(type, values)):
            # Converted, because JSON cannot hold a NumPy or torch scalar.
            values = tuple(_number(number, name, value) for name, value in zip(MEASURES, values, strict=True))
            epoch = Epoch(*values, number)  # type: ignore[call-arg]
        elif given.number != number:
            epoch = Epoch(*values, number)  # type: ignore[call-arg]
        if at_most_100 and (epoch.val_score_pct > 100.0 or (epoch.test_score_pct or 0.0) > 100.0):
            raise ValueError(
                f"epoch {number} has a score above 100; scores are percentages, unless the task's YAML says what they are: "
                "metric: {name: rmse, direction: minimize, unit: ..., margin: ...}"
            )
        yield epoch


# What most tasks yield. Tested at once, because a curve that is looked up takes no longer than these checks.
_PLAIN = frozenset({float, type(None)})


def _number(number: int, name: str, value: Any) -> float | None:
    if type(value) is float or (value is None and name != "val_score_pct"):
        return value
    try:
        if not isinstance(value, str | bytes):  # `float` would read it
            return float(value)
    # Whatever a foreign class raises when it is asked for a number.
    except Exception as error:
        raise no_number(number, name, value) from error
    raise no_number(number, name, value)


def outcome_of(curve: list[Epoch], failure: Failure | None, seconds: float, objective: Objective = PERCENT) -> Outcome:
    """Judge a training by the curve it left and how it failed."""
    kept = tuple(curve)
    if failure is not None:
        return Outcome.failed(Status.CRASHED, failure.error, kept, seconds, failure.crash)
    if not kept:
        return Outcome.failed(Status.CRASHED, "the training ended without a single epoch", kept, seconds)
    cause = kept[-1].non_finite()
    if cause:
        return Outcome.failed(Status.DIVERGED, f"{cause} at epoch {kept[-1].number}", kept, seconds)
    return Outcome.of_curve(kept, seconds, objective)
