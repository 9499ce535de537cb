"""What a failing training says: words for people who forgot `yield`, and the place in their own file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import tasks_from
from harness.space import Config, Space
from harness.task import TaskCard
from harness.training.failure import TRACEBACK_BYTES, describe, place_of, traceback_of
from harness.training.trainer import InProcess
from harness.trial import Crash, Epoch, Outcome

SPACE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "nothing"}})
CARD = TaskCard("t", "d", "d", "m", "m", "1")


def returning(value: Any) -> Callable[..., Any]:
    def train(config: Config, seed: int) -> Any:
        return value

    return train


def yielding(value: Any) -> Callable[..., Any]:
    def train(config: Config, seed: int) -> Any:
        yield value

    return train


def as_loop(train: Callable[..., Any]) -> Any:
    return tasks_from.loop(train)(SPACE, CARD)


def as_class(train: Callable[..., Any]) -> Any:
    class Own:
        space, card = SPACE, CARD

    def method(self: Own, config: Config, *, seed: int) -> Any:
        return train(config, seed)

    method.__name__ = "train"
    Own.train = method  # type: ignore[attr-defined]
    return Own()


def outcome(task: Any) -> Outcome:
    return InProcess(task).train({"x": 0.5}, seed=0)


def line_of(words: str) -> str:
    lines = Path(__file__).read_text().splitlines()
    return f"{__file__}:{next(number for number, line in enumerate(lines, start=1) if line.strip() == words)}"


WHERE_RETURN = "write `yield Epoch(val_score_pct=...)` where it says `return`, once for each epoch"
RETURNED = {
    "a float": 93.2,
    "an int": 93,
    "a float64": np.float64(93.2),
    "an Epoch": Epoch(93.2),
    "a dict": {"val_score_pct": 93.2},
    "a str": "93.2",
}


@pytest.mark.parametrize("build", [as_loop, as_class])
@pytest.mark.parametrize("what", RETURNED)
def test_what_is_returned_in_place_of_epochs_is_answered_with_yield(build: Callable[..., Any], what: str) -> None:
    failed = outcome(build(returning(RETURNED[what])))
    assert failed.error == f"TypeError: train returned {what}: {WHERE_RETURN}"


def test_a_training_that_returns_nothing_is_told_so() -> None:
    failed = outcome(as_loop(returning(None)))
    assert failed.error == "TypeError: train returned nothing: write `yield Epoch(val_score_pct=...)` in it, once for each epoch"


def test_the_place_of_a_return_is_where_the_user_s_function_begins() -> None:
    failed = outcome(as_loop(returning(1.0)))
    assert failed.crash is not None
    first = line_of("def returning(value: Any) -> Callable[..., Any]:")
    assert failed.crash.place == f"{__file__}:{int(first.rpartition(':')[2]) + 1}"


@pytest.mark.parametrize("value", [[Epoch(93.2)], (Epoch(93.2),), iter([Epoch(93.2)])])
def test_epochs_may_come_in_a_list_too(value: Any) -> None:
    assert outcome(as_loop(returning(value))).val_score_pct == 93.2


@pytest.mark.parametrize(("value", "what"), [((93.2, 0.1), "a float"), (["93"], "a str")])
def test_other_things_in_a_list_are_no_epochs(value: Any, what: str) -> None:
    failed = outcome(as_loop(returning(value)))
    assert failed.error == f"TypeError: train returned, among its epochs, {what}: write `yield Epoch(val_score_pct=...)`"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (93.2, "train yielded a float: write `yield Epoch(val_score_pct=...)`"),
        ({"val_score_pct": 1}, "train yielded a dict: write `yield Epoch(val_score_pct=...)`"),
        (None, "train yielded None: write `yield Epoch(val_score_pct=...)`"),
        (Epoch(None), "epoch 1: val_score_pct is None: give a number, as in `yield Epoch(val_score_pct=93.2)`"),  # type: ignore[arg-type]
        (Epoch("93%"), "epoch 1: val_score_pct is '93%': give a number, as in `yield Epoch(val_score_pct=93.2)`"),  # type: ignore[arg-type]
        (Epoch(1.0, "low"), "epoch 1: val_loss is 'low': give a number, as in `yield Epoch(val_score_pct=93.2)`"),  # type: ignore[arg-type]
        (Epoch(np.ones(3)), "epoch 1: val_score_pct is an ndarray: give a number, as in `yield Epoch(val_score_pct=93.2)`"),  # type: ignore[arg-type]
    ],
)
def test_what_is_yielded_and_no_epoch_is_named_with_the_line_of_the_yield(value: Any, words: str) -> None:
    failed = outcome(as_loop(yielding(value)))
    assert failed.error == f"TypeError: {words}"
    assert failed.crash is not None
    assert failed.crash.place == line_of("yield value")


@pytest.mark.parametrize("score", [np.float32(50), np.array(50.0), 50, True])
def test_what_can_be_made_a_number_is_one(score: Any) -> None:
    assert outcome(as_loop(yielding(Epoch(score)))).val_score_pct == float(score)


def test_a_misspelt_measure_is_answered_with_the_known_ones() -> None:
    def train(config: Config, seed: int) -> Iterator[Epoch]:
        yield Epoch(val_accuracy=93.2)  # type: ignore[call-arg]

    failed = outcome(as_loop(train))
    assert str(failed.error).endswith(
        "'val_accuracy'; an Epoch takes val_score_pct, val_loss, train_score_pct, train_loss, test_score_pct"
    )


def test_the_place_is_the_last_line_of_the_user_s_own_before_a_library_s() -> None:
    def train(config: Config, seed: int) -> Iterator[Epoch]:
        yield Epoch(1.0)
        np.linalg.cholesky(np.zeros((2, 3)))  # not a square

    failed = outcome(as_loop(train))
    assert failed.crash is not None
    assert failed.crash.place == line_of("np.linalg.cholesky(np.zeros((2, 3)))  # not a square")
    assert "LinAlgError" in failed.crash.traceback
    assert "not a square" in failed.crash.traceback
    assert "harness/training" not in failed.crash.traceback


def test_an_estimator_s_own_error_is_placed_where_the_user_made_it() -> None:
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(0).normal(size=(60, 2))

    def make(config: Config, seed: int) -> Any:
        return LogisticRegression(C=-1.0)

    build = tasks_from.sklearn(make, lambda: tasks_from.split(rows, np.arange(60) % 2))
    failed = outcome(build(SPACE, CARD))
    assert "InvalidParameterError" in str(failed.error)
    assert failed.crash is not None
    assert failed.crash.place == line_of("def make(config: Config, seed: int) -> Any:")


def test_a_class_whose_train_takes_no_seed_is_placed_where_it_is_defined() -> None:
    class Own:
        def train(self, config: Config) -> Iterator[Epoch]:
            yield Epoch(1.0)

    failed = outcome(Own())
    assert "unexpected keyword argument 'seed'" in str(failed.error)
    assert failed.crash is not None
    assert failed.crash.place == line_of("def train(self, config: Config) -> Iterator[Epoch]:")


def test_a_training_that_is_broken_off_gets_to_clean_up() -> None:
    cleaned = []

    def train(config: Config, seed: int) -> Any:
        try:
            yield 93.2
        finally:
            cleaned.append(seed)

    outcome(as_loop(train))
    assert cleaned == [0]


def raised(action: Callable[[], Any]) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError


def test_a_traceback_is_bounded_and_holds_no_key_not_even_half_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk1-" + "abc9" * 20
    monkeypatch.setenv("OPENAI_API_KEY", key)

    def fail(padding: int) -> None:
        raise ValueError(f"{key} " + "µ" * padding)

    for padding in (10, TRACEBACK_BYTES // 2 - 30, TRACEBACK_BYTES // 2 - 10, TRACEBACK_BYTES):
        text = traceback_of(raised(lambda padding=padding: fail(padding)))  # type: ignore[misc]
        assert len(text.encode()) <= TRACEBACK_BYTES
        assert "abc9" not in text
        assert text.endswith("µ" * 10)


def test_a_traceback_cannot_reach_the_terminal_and_nothing_about_an_exception_can_break_it() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def deep(number: int) -> None:
        deep(number + 1)

    def fail(error: Exception) -> None:
        raise error

    assert "\\x1b[31mred" in traceback_of(raised(lambda: fail(ValueError("\x1b[31mred\nnext"))))
    assert describe(raised(lambda: fail(Odd()))) == "Odd: (it cannot say what)"
    assert "Odd" in traceback_of(raised(lambda: fail(Odd())))
    assert "RecursionError" in traceback_of(raised(lambda: deep(0)))
    assert place_of(raised(lambda: deep(0))) == line_of("deep(number + 1)")
    surrogate = traceback_of(raised(lambda: fail(ValueError("\udcff"))))
    assert surrogate.encode().endswith(b"\\udcff")


def test_where_it_raised_is_for_people_and_never_for_a_method() -> None:
    failed = outcome(as_loop(yielding(None)))
    assert failed == Outcome.failed(failed.status, str(failed.error), failed.curve, failed.seconds)
    assert pickle.loads(pickle.dumps(failed)).crash == failed.crash
    assert isinstance(failed.crash, Crash)
