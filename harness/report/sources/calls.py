"""Reads the calls of a cell. The record of the trial says what was wrong with the reply of each call."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.llm.budget import Prices
from harness.llm.calls import CallRecord, read_calls
from harness.report.study_data import Call
from harness.store.archive import Readable
from harness.trial import Trial

ABORTED, UNPARSED, INVALID, REPEAT = "aborted", "unparsed", "invalid", "repeat"


def judged_calls(path: Readable, trials: Sequence[Trial], *, texts: bool = False) -> Iterator[Call]:
    """Yield the calls of a cell, in order; the messages and replies only with `texts`. Raises RecordError naming file and line."""
    judged = {
        (trial.number, reply["call"]): reply
        for trial in trials
        for reply in trial.proposal.note.get("replies", ())
        if isinstance(reply, Mapping) and "call" in reply
    }
    for record in read_calls(path):
        yield _call(record, judged.get((record.trial, record.call), {}), texts)


def _call(record: CallRecord, judgement: Mapping[str, Any], texts: bool) -> Call:
    problem, reply = judgement.get("problem"), record.reply
    prompt, completion = (reply.prompt_tokens, reply.completion_tokens) if reply else (None, None)
    kept: dict[str, Any] = {}
    if texts:
        messages = tuple({"role": message.role, "content": message.content} for message in record.messages)
        kept = {"messages": messages, "reply": reply.text if reply else "", "thinking": reply.thinking if reply else ""}
    return Call(
        trial=record.trial,
        call=record.call,
        attempt=record.attempt,
        role=str(judgement.get("role", "agent")),
        model=record.model,
        answered=reply is not None and record.error is None,
        problem=None if problem is None else str(problem),
        problem_kind=None if problem is None else str(judgement.get("kind") or problem_kind(str(problem))),
        prompt_tokens=prompt,
        completion_tokens=completion,
        seconds=record.seconds,
        usd=_prices().usd(record.model, prompt or 0, completion or 0),
        error=record.error,
        **kept,
    )


def problem_kind(problem: str) -> str:
    """Return the kind of a bad reply, by the words of the message that the agent sent back."""
    if problem.startswith("this is exactly the configuration of trial"):
        return REPEAT
    # Every message about the form ends with the form; those about values name hyperparameters.
    return UNPARSED if "answer with one JSON object" in problem or problem == "the analysis was empty" else INVALID


@functools.cache
def _prices() -> Prices:
    return Prices.read()
