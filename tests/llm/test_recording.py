from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.llm.backend import Message, ModelFacts, Reply, Request
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError, BadRequest, BudgetSpent, TransportFault, TruncatedPrompt
from harness.llm.recording import Recording


class Counting:
    """Answers with the number of the call."""

    def __init__(self) -> None:
        self.calls = 0

    def complete(self, request: Request) -> Reply:
        self.calls += 1
        return Reply(f"answer {self.calls}", ModelFacts("counting", "m"))


class Failing:
    def __init__(self, error: BackendError) -> None:
        self.error = error

    def complete(self, request: Request) -> Reply:
        raise self.error


def a_request(text: str = "?", *, trial: int = 1, call: int = 1, attempt: int = 1) -> Request:
    return Request((Message("user", text),), model="m", trial=trial, call=call, attempt=attempt)


def through_disk(records: list[CallRecord]) -> list[CallRecord]:
    return [CallRecord.from_dict(json.loads(json.dumps(record.to_dict()))) for record in records]


def test_a_call_answered_before_a_kill_is_not_paid_for_again() -> None:
    kept: list[CallRecord] = []
    first = Recording(Counting(), keep=kept.append)
    before = [first.complete(a_request(trial=1)), first.complete(a_request(trial=2))]
    inner, more = Counting(), list[CallRecord]()
    second = Recording(inner, keep=more.append, answered=through_disk(kept))
    assert [second.complete(a_request(trial=1)), second.complete(a_request(trial=2))] == before
    assert (inner.calls, more) == (0, [])
    assert second.complete(a_request(trial=3)).text == "answer 1"
    assert (inner.calls, len(more)) == (1, 1)


@pytest.mark.parametrize("other", [a_request("other"), a_request(trial=2), a_request(call=2), replace(a_request(), seed=3)])
def test_another_question_place_or_seed_is_a_call_of_its_own(other: Request) -> None:
    kept: list[CallRecord] = []
    Recording(Counting(), keep=kept.append).complete(a_request())
    inner = Counting()
    Recording(inner, keep=kept.append, answered=kept).complete(other)
    assert inner.calls == 1


def test_a_retried_question_is_the_same_question() -> None:
    kept: list[CallRecord] = []
    Recording(Counting(), keep=kept.append).complete(a_request(attempt=3))
    inner = Counting()
    Recording(inner, keep=kept.append, answered=kept).complete(a_request())
    assert inner.calls == 0


def test_asking_twice_in_one_process_is_one_call() -> None:
    inner, kept = Counting(), list[CallRecord]()
    backend = Recording(inner, keep=kept.append)
    assert backend.complete(a_request()) == backend.complete(a_request())
    assert (inner.calls, len(kept)) == (1, 1)


def test_the_record_is_written_before_the_reply_is_used() -> None:
    def full(_: CallRecord) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Recording(Counting(), keep=full).complete(a_request())


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (TransportFault("lost"), True),
        (BadRequest("no"), True),
        (TruncatedPrompt("cut", reply=Reply("paid for", ModelFacts("b", "m"))), True),
        (TruncatedPrompt("not sent"), False),
        (BudgetSpent("not sent"), False),
    ],
)
def test_a_failed_call_is_kept_when_it_was_made_and_answers_nothing(error: BackendError, counts: bool) -> None:
    kept: list[CallRecord] = []
    with pytest.raises(type(error)):
        Recording(Failing(error), keep=kept.append).complete(a_request())
    assert [(record.error, record.error_kind) for record in kept] == ([(str(error), type(error).__name__)] if counts else [])
    inner = Counting()
    Recording(inner, keep=kept.append, answered=kept).complete(a_request())
    assert inner.calls == 1
