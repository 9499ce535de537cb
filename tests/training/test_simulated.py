"""Recorded seconds in place of the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from harness.space import Config, Space
from harness.task import Simulated, TaskCard
from harness.training.simulated import OnRecordedClock, on_clock
from harness.training.trainer import InProcess
from harness.trial import Epoch, Outcome, Status

SPACE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "x"}})
CARD = TaskCard("t", "d", "data", "m", "metric", "3")


@dataclass
class Recorded:
    space: Space
    card: TaskCard
    diverges: bool = False

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        for number in range(3):
            if config["x"] == 1.0:
                raise ValueError("no such recording")
            yield Epoch(float("nan") if self.diverges and number == 1 else 10.0 * number)

    def clock(self, config: Config, *, seed: int) -> Sequence[float]:
        return [100.0, 200.0, 350.0]


@pytest.mark.parametrize(
    ("limit", "status", "epochs", "seconds"),
    [(None, Status.OK, 3, 350.0), (350.0, Status.OK, 3, 350.0), (349.0, Status.TIMEOUT, 2, 349.0), (50.0, Status.TIMEOUT, 0, 50.0)],
)
def test_a_limit_ends_it_where_it_would_have_ended_the_recorded_training(
    limit: float | None, status: Status, epochs: int, seconds: float
) -> None:
    task = Recorded(SPACE, CARD)
    assert isinstance(task, Simulated)
    outcome = OnRecordedClock(InProcess(task), task, limit).train({"x": 0.5}, seed=0)
    assert (outcome.status, len(outcome.curve), outcome.seconds) == (status, epochs, seconds)
    if status is Status.TIMEOUT:
        assert outcome.error == f"not finished after {limit:g} s (limits.trial_seconds)"


def test_a_training_that_diverged_took_as_long_as_its_epochs_and_a_crash_what_it_took_here() -> None:
    task = Recorded(SPACE, CARD, diverges=True)
    trainer = OnRecordedClock(InProcess(task), task, None)
    diverged = trainer.train({"x": 0.5}, seed=0)
    assert (diverged.status, diverged.seconds) == (Status.DIVERGED, 200.0)
    crashed = trainer.train({"x": 1.0}, seed=0)
    assert crashed.status is Status.CRASHED
    assert crashed.seconds < 100.0


def test_seconds_are_those_of_the_last_epoch() -> None:
    outcome = Outcome.of_curve((Epoch(1.0, number=1),), 0.001)
    assert on_clock(outcome, [12.3456789, 99.0], 1e9).seconds == 12.345679
