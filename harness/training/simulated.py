"""The trainer of a task that gives recorded trainings: their seconds count, and nobody waits for them."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace

from harness.space import Config
from harness.task import Simulated
from harness.training.trainer import Trainer
from harness.trial import Outcome, Status

# The clock is code of the task, which cells in several threads may share.
_one_at_a_time = threading.Lock()


class OnRecordedClock:
    """Wraps a trainer, and gives its outcomes the seconds of the task's clock.

    `time_limit_seconds` ends a training as it would have ended the recorded one: the epochs that ended within the limit are kept.
    """

    def __init__(self, inner: Trainer, task: Simulated, time_limit_seconds: float | None) -> None:
        self._inner = inner
        self._task = task
        self._limit = math.inf if time_limit_seconds is None else time_limit_seconds

    def train(self, config: Config, *, seed: int) -> Outcome:
        outcome = self._inner.train(config, seed=seed)
        if outcome.status is Status.CRASHED:  # nothing was looked up
            return outcome
        with _one_at_a_time:
            ends = self._task.clock(config, seed=seed)
        return on_clock(outcome, ends, self._limit)

    def close(self) -> None:
        self._inner.close()


def on_clock(outcome: Outcome, ends: Sequence[float], limit_seconds: float) -> Outcome:
    """Return an outcome with recorded seconds; `ends` says when each epoch ended, in seconds. Raises IndexError where it is too short."""
    seconds = round(float(ends[len(outcome.curve) - 1]), 6)
    if seconds <= limit_seconds:
        return replace(outcome, seconds=seconds)
    whole = sum(end <= limit_seconds for end in ends[: len(outcome.curve)])
    text = f"not finished after {limit_seconds:g} s (limits.trial_seconds)"
    return Outcome.failed(Status.TIMEOUT, text, outcome.curve[:whole], limit_seconds)
