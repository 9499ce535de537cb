from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import CONF

from harness.config.settings import task_spec
from harness.errors import HarnessError
from harness.space import Config
from harness.task import TaskSpec
from harness.training.build import build_task
from harness.training.evaluator import Limits
from harness.training.failure import ERROR_LENGTH, describe
from harness.training.live import trainer_for
from harness.training.memory import descendants
from harness.training.subprocess import InChild, end_idle
from harness.training.trainer import InProcess, Trainer
from harness.trial import Outcome, Status

SPEC = task_spec(CONF / "task" / "faulty.yaml")


def spec(**params: Any) -> TaskSpec:
    return replace(SPEC, params={**SPEC.params, **params})


def config(action: str, x: float = 0.5) -> Config:
    return {"x": x, "action": action}


@pytest.fixture
def child() -> Iterator[Callable[..., InChild]]:
    """Make trainers with a limit, and end their processes."""
    made: list[InChild] = []

    def make(limit: float | None = 30.0, memory_mb: float | None = None, keep: bool = False, **params: Any) -> InChild:
        made.append(InChild(spec(**params), limit, memory_limit_mb=memory_mb, keep=keep))
        return made[-1]

    yield make
    for trainer in made:
        trainer.close()
    end_idle()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# What a training does after two good epochs, and what becomes of it.
ENDINGS = {
    "ok": (Status.OK, 2, None),
    "raise": (Status.CRASHED, 2, "RuntimeError: the data is gone"),
    "surrogate": (Status.CRASHED, 2, r"RuntimeError: file \udcff is not UTF-8"),
    "long text": (Status.CRASHED, 2, "RuntimeError: " + "x" * (ERROR_LENGTH - 17) + "..."),
    "memory": (Status.CRASHED, 2, "MemoryError:"),
    "exit": (Status.CRASHED, 2, "SystemExit: 7"),
    "nan": (Status.DIVERGED, 3, "val_score_pct is nan at epoch 3"),
    "infinite loss": (Status.DIVERGED, 3, "val_loss is inf at epoch 3"),
    "no epoch": (Status.OK, 2, None),
    "not an epoch": (Status.CRASHED, 2, "TypeError: train yielded a dict: write `yield Epoch(val_score_pct=...)`"),
    "above 100": (
        Status.CRASHED,
        2,
        "ValueError: epoch 3 has a score above 100; scores are percentages, unless the task's YAML says what they are: "
        "metric: {name: rmse, direction: minimize, unit: ..., margin: ...}",
    ),
    "text as score": (
        Status.CRASHED,
        2,
        "TypeError: epoch 3: val_score_pct is 'high': give a number, as in `yield Epoch(val_score_pct=93.2)`",
    ),
}


@pytest.fixture(params=["in this process", "in a child"], scope="module")
def trainer(request: pytest.FixtureRequest) -> Iterator[Trainer]:
    """One trainer for all endings, so that each also shows that the one before it did no harm."""
    limit = None if request.param == "in this process" else 60.0
    made = trainer_for(build_task(spec()), spec(), Limits(limit))
    assert isinstance(made, InProcess if limit is None else InChild)
    yield made
    made.close()


@pytest.mark.parametrize("action", ENDINGS)
def test_a_training_that_fails_is_an_outcome_with_its_partial_curve_and_reason(trainer: Trainer, action: str) -> None:
    outcome = trainer.train(config(action), seed=3)
    status, epochs, error = ENDINGS[action]
    assert (outcome.status, len(outcome.curve), outcome.error) == (status, epochs, error)
    assert [e.number for e in outcome.curve] == list(range(1, epochs + 1))
    assert [e.val_score_pct for e in outcome.curve[:2]] == [26.03, 27.03]
    assert (outcome.val_score_pct, outcome.best_epoch) == ((27.03, 2) if status is Status.OK else (None, None))


def test_where_a_training_raised_is_kept_with_its_traceback(trainer: Trainer) -> None:
    crash = trainer.train(config("raise"), seed=3).crash
    assert crash is not None
    file, _, line = crash.place.rpartition(":")
    assert Path(file).read_text().splitlines()[int(line) - 1] == "        raise RuntimeError(text)"
    assert crash.traceback.startswith("Traceback (most recent call last):\n")
    assert crash.traceback.endswith("RuntimeError: the data\nis gone")
    assert trainer.train(config("ok"), seed=3).crash is None


def test_a_training_without_a_single_epoch_is_a_crash() -> None:
    outcome = InProcess(build_task(spec(good_epochs=0))).train(config("no epoch"), seed=0)
    assert (outcome.status, outcome.error) == (Status.CRASHED, "the training ended without a single epoch")


def interrupt() -> Iterator[Any]:
    raise KeyboardInterrupt


def test_ctrl_c_in_a_training_is_not_the_training_s_failure() -> None:
    class Interrupted:
        def train(self, config: Config, *, seed: int) -> Iterator[Any]:
            yield from interrupt()

    with pytest.raises(KeyboardInterrupt):
        InProcess(Interrupted()).train({"x": 0.5}, seed=0)  # type: ignore[arg-type]


def test_a_training_cannot_change_the_configuration_that_is_recorded() -> None:
    class Meddling:
        def train(self, config: Config, *, seed: int) -> Iterator[Any]:
            config.clear()
            yield from ()

    given: Config = {"x": 0.5}
    InProcess(Meddling()).train(given, seed=0)  # type: ignore[arg-type]
    assert given == {"x": 0.5}


@pytest.mark.parametrize("action", ["loop in C", "sleeping thread", "endless"])
def test_a_training_that_hangs_is_killed_at_its_limit_and_the_next_one_trains(
    child: Callable[..., InChild], action: str, tmp_path: Path
) -> None:
    trainer = child(0.7, pids=str(tmp_path))
    outcome = trainer.train(config(action), seed=0)
    assert (outcome.status, outcome.error) == (Status.TIMEOUT, "not finished after 0.7 s (limits.trial_seconds)")
    assert [e.val_score_pct for e in outcome.curve[:2]] == [26.0, 27.0]
    assert 0.7 <= outcome.seconds < 5
    (pid,) = (int(path.name) for path in tmp_path.iterdir())
    assert not alive(pid)
    assert trainer.train(config("ok"), seed=0).status is Status.OK


@pytest.mark.parametrize("action", ["grow", "grow elsewhere"])
def test_a_training_that_takes_too_much_memory_is_killed_at_its_limit_and_the_next_one_trains(
    child: Callable[..., InChild], action: str, tmp_path: Path
) -> None:
    before = set(descendants(os.getpid()))
    trainer = child(None, memory_mb=400, pids=str(tmp_path))
    began = time.perf_counter()
    outcome = trainer.train(config(action), seed=0)
    assert (outcome.status, outcome.error) == (Status.CRASHED, "used more than 400 MB of memory (limits.trial_memory_mb)")
    assert [e.val_score_pct for e in outcome.curve] == [26.0, 27.0]
    assert time.perf_counter() - began < 20
    (pid,) = (int(path.name) for path in tmp_path.iterdir())
    assert not alive(pid)
    assert set(descendants(os.getpid())) <= before
    assert trainer.train(config("ok"), seed=0).status is Status.OK


def test_memory_that_is_asked_for_and_not_used_is_refused_by_the_system_or_harmless(child: Callable[..., InChild]) -> None:
    outcome = child(None, memory_mb=400).train(config("reserve"), seed=0)
    refused = (Status.CRASHED, "MemoryError: (limits.trial_memory_mb=400)")
    assert (outcome.status, outcome.error) in (refused, (Status.OK, None))


def test_an_idle_child_is_left_to_the_next_trainer_of_its_task_alone(child: Callable[..., InChild], tmp_path: Path) -> None:
    def pids() -> set[int]:
        return {int(path.name) for path in tmp_path.iterdir()}

    for _ in range(2):
        trainer = child(keep=True, pids=str(tmp_path))
        assert trainer.train(config("ok"), seed=0).status is Status.OK
        trainer.close()
    (first,) = pids()
    assert alive(first)
    os.kill(first, 9)
    time.sleep(0.3)
    trainer = child(5.0, keep=True, pids=str(tmp_path))
    assert trainer.train(config("ok"), seed=0).status is Status.OK
    trainer.close()
    (second,) = pids() - {first}
    other = child(keep=True, pids=str(tmp_path), good_epochs=1)
    assert other.train(config("ok"), seed=0).status is Status.OK
    assert not alive(second)
    other.close()
    (third,) = pids() - {first, second}
    assert alive(third)
    end_idle()
    assert not alive(third)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("os._exit", "exit status 3"),
        ("segfault", "SIGSEGV, a crash in native code perhaps"),
        ("kill", "SIGKILL, out of memory perhaps"),
    ],
)
def test_a_process_that_dies_is_a_crashed_trial_and_the_next_one_trains(
    child: Callable[..., InChild], action: str, reason: str
) -> None:
    trainer = child()
    outcome = trainer.train(config(action), seed=0)
    assert (outcome.status, outcome.error) == (Status.CRASHED, f"the training process died ({reason})")
    assert len(outcome.curve) == 2
    assert trainer.train(config("ok"), seed=0).status is Status.OK


def test_the_clock_of_a_trial_starts_when_its_task_is_ready(child: Callable[..., InChild]) -> None:
    outcome = child(0.7, constructor="slow").train(config("ok"), seed=0)
    assert outcome.status is Status.OK
    assert outcome.seconds < 0.7


@pytest.mark.parametrize(
    ("constructor", "reason"), [("raise", "OSError: the data set is not there"), ("os._exit", "exit status 5")]
)
def test_a_process_that_cannot_start_is_the_harness_s_failure_and_not_the_configuration_s(
    child: Callable[..., InChild], constructor: str, reason: str
) -> None:
    with pytest.raises(HarnessError, match="the training process of task 'faulty' cannot start") as failed:
        child(constructor=constructor).train(config("ok"), seed=0)
    assert f"cannot start: {reason}" in str(failed.value)


def test_a_limit_may_be_longer_than_the_system_can_wait_at_once(child: Callable[..., InChild]) -> None:
    assert child(1e12).train(config("ok"), seed=0).status is Status.OK


def test_closing_ends_the_process_at_once_also_in_the_middle_of_a_training(child: Callable[..., InChild], tmp_path: Path) -> None:
    trainer = child(pids=str(tmp_path))
    trainer.train(config("ok"), seed=0)
    (pid,) = (int(path.name) for path in tmp_path.iterdir())
    assert alive(pid)
    assert pid != os.getpid()
    started = time.perf_counter()
    trainer.close()
    assert time.perf_counter() - started < 2
    assert not alive(pid)


def test_here_and_in_a_child_the_numbers_are_the_same_to_the_last_bit(child: Callable[..., InChild]) -> None:
    def without_seconds(outcome: Outcome) -> Outcome:
        return replace(outcome, seconds=0.0)

    here, there = InProcess(build_task(spec())), child()
    for number, x in enumerate((0.1, 1 / 3, 0.7)):
        assert without_seconds(here.train(config("ok", x), seed=number)) == without_seconds(
            there.train(config("ok", x), seed=number)
        )


def test_an_error_s_text_cannot_reach_the_terminal_s_controls() -> None:
    assert describe(ValueError("\x1b[31mred\x07\n\x9b2J")) == r"ValueError: \x1b[31mred\x07 \x9b2J"
