from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harness.llm.backend import Message, ModelFacts, Reply, Request
from harness.llm.errors import BackendError, BackendUnavailable, BadRequest, NotReady, TransportFault
from harness.llm.retrying import Retrying, retry_after_seconds

REPLY = Reply("text", ModelFacts("scripted", "m"))


class Scripted:
    """Raises or returns what it is given, call by call, and keeps the requests."""

    def __init__(self, *results: BackendError | Reply) -> None:
        self.results = list(results)
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        result = self.results.pop(0)
        if isinstance(result, Reply):
            return result
        raise result


def run(*results: BackendError | Reply, tries: int = 5, question: str = "?") -> tuple[Reply | BackendError, list[float], Scripted]:
    inner, waits = Scripted(*results), list[float]()
    backend = Retrying(inner, tries=tries, first_wait_seconds=1.0, longest_wait_seconds=10.0, sleep=waits.append)
    try:
        return backend.complete(Request((Message("user", question),))), waits, inner
    except BackendError as error:
        return error, waits, inner


def test_a_first_reply_is_not_waited_for() -> None:
    result, waits, inner = run(REPLY)
    assert (result, waits, len(inner.requests)) == (REPLY, [], 1)


def test_waits_double_within_their_spread_up_to_the_longest() -> None:
    result, waits, inner = run(*[TransportFault("lost")] * 7, REPLY, tries=8)
    assert result is REPLY
    for wait, full in zip(waits, (1, 2, 4, 8, 10, 10, 10), strict=True):
        assert full / 2 <= wait <= full
    assert [request.attempt for request in inner.requests] == list(range(1, 9))


def test_parallel_cells_do_not_come_back_at_the_same_moment() -> None:
    waits = {run(TransportFault("lost"), REPLY, question=text)[1][0] for text in "abcdef"}
    assert len(waits) == 6
    assert run(TransportFault("lost"), REPLY)[1] == run(TransportFault("lost"), REPLY)[1]


def test_the_last_fault_is_the_cause_and_its_words_come_first() -> None:
    last = TransportFault("No server at all.")
    result, waits, _ = run(TransportFault("lost"), last, tries=2)
    assert isinstance(result, BackendUnavailable)
    assert not isinstance(result, NotReady)
    assert result.__cause__ is last
    assert str(result).startswith("No server at all (tried 2 times over ")
    assert len(waits) == 1, "after the last try there is nothing to wait for"


@pytest.mark.parametrize("error", [BadRequest("no"), NotReady("no"), BackendUnavailable("no")])
def test_what_trying_again_cannot_help_is_not_tried_again(error: BackendError) -> None:
    result, waits, inner = run(error, REPLY)
    assert result is error
    assert waits == []
    assert len(inner.requests) == 1


def test_a_wait_that_the_server_asks_for_is_kept_to_the_second() -> None:
    assert run(TransportFault("busy", retry_after_seconds=7.0), REPLY)[1] == [7.0]


def test_a_wait_beyond_patience_gives_up_at_once() -> None:
    result, waits, inner = run(TransportFault("busy", retry_after_seconds=11.0), REPLY)
    assert isinstance(result, BackendUnavailable)
    assert "asks to wait 11 s" in str(result)
    assert waits == []
    assert len(inner.requests) == 1


@pytest.mark.parametrize(
    ("header", "milliseconds", "expected"),
    [
        ("20", None, 20.0),
        ("0.5", None, 0.5),
        ("20", "1500", 1.5),
        (None, None, None),
        ("", None, None),
        ("soon", None, None),
        ("-5", None, None),
        ("nan", None, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form(header: str | None, milliseconds: str | None, expected: float | None) -> None:
    assert retry_after_seconds(header, milliseconds) == expected


def test_retry_after_may_be_a_date() -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = retry_after_seconds(header)
    assert seconds is not None
    assert 55 < seconds <= 60
