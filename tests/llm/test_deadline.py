from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.llm.deadline import ForeignError, call_with_deadline
from harness.llm.errors import BackendError, BadRequest, TransportFault


def run(call: Callable[[], Any], *, deadline_seconds: float = 5.0, abandon: Callable[[], None] = lambda: None) -> Any:
    return call_with_deadline(
        call,
        who="the server",
        deadline_seconds=deadline_seconds,
        abandon=abandon,
        translate=lambda error: BadRequest(f"translated: {error}"),
    )


def test_a_result_passes() -> None:
    assert run(lambda: None) is None
    assert run(lambda: [1, 2]) == [1, 2]


def test_an_error_is_translated_once_and_is_the_cause() -> None:
    original = KeyError("what happened")

    def fail() -> None:
        raise original

    with pytest.raises(BadRequest, match="translated: 'what happened'") as caught:
        run(fail)
    assert caught.value.__cause__ is original
    assert caught.value.__context__ is None


def test_a_cause_that_may_not_be_shown_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", "planted-secret")

    def fail() -> None:
        raise ValueError("header was planted-secret")

    with pytest.raises(BackendError) as caught:
        run(fail)
    assert isinstance(caught.value.__cause__, ForeignError)
    assert str(caught.value.__cause__) == "builtins.ValueError: header was [LLM_API_KEY]"


def test_the_deadline_ends_a_call_that_does_not_end() -> None:
    release, abandoned = threading.Event(), list[float]()
    start = time.perf_counter()
    with pytest.raises(TransportFault, match=r"the server gave no complete answer within 0\.1 s"):
        run(lambda: release.wait(10), deadline_seconds=0.1, abandon=lambda: abandoned.append(time.perf_counter()))
    release.set()
    assert time.perf_counter() - start < 2
    assert len(abandoned) == 1


def test_a_call_costs_next_to_nothing() -> None:
    start = time.perf_counter()
    for _ in range(200):
        run(lambda: 1)
    assert (time.perf_counter() - start) / 200 < 0.005
