"""Reads a cell's calls.jsonl. The record of the trial says what was wrong with the reply of each call."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import RecordError
from harness.llm.budget import Prices
from harness.llm.calls import SCHEMA
from harness.report.study_data import Call
from harness.store.archive import Readable
from harness.store.codec import check_seal
from harness.trial import Trial

ABORTED, UNPARSED, INVALID, REPEAT = "aborted", "unparsed", "invalid", "repeat"


def read_calls(path: Readable, trials: Sequence[Trial], *, texts: bool = False) -> Iterator[Call]:
    """Yield the calls, in order; the messages and replies only with `texts`. A last line that was cut short is left out.

    Raises RecordError naming file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from error
    judged = {
        (trial.number, reply["call"]): reply
        for trial in trials
        for reply in trial.proposal.note.get("replies", ())
        if isinstance(reply, Mapping) and "call" in reply
    }
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{where}: not JSON ({error})") from error
        if not isinstance(row, dict) or type(row.get("schema")) is not int:
            raise RecordError(f"{where}: not the record of a call")
        if row["schema"] > SCHEMA:
            raise RecordError(f"{where}: written by a newer version (schema {row['schema']}, this one reads {SCHEMA})")
        check_seal(line, row, where)
        try:
            yield _call(row, judged, texts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"{where}: damaged record of a call ({type(error).__name__}: {error})") from error


def _call(row: Mapping[str, Any], judged: Mapping[tuple[int, int], Mapping[str, Any]], texts: bool) -> Call:
    trial, number, model = int(row["trial"]), int(row["call"]), str(row.get("model", ""))
    reply: Mapping[str, Any] = row.get("reply") or {}
    judgement = judged.get((trial, number), {})
    problem = judgement.get("problem")
    prompt, completion = (_whole(reply.get(key)) for key in ("prompt_tokens", "completion_tokens"))
    kept: dict[str, Any] = {}
    if texts:
        messages = tuple({"role": str(m["role"]), "content": str(m["content"])} for m in row["messages"])
        kept = {"messages": messages, "reply": str(reply.get("text", "")), "thinking": str(reply.get("thinking", ""))}
    return Call(
        trial=trial,
        call=number,
        attempt=int(row.get("attempt", 1)),
        role=str(judgement.get("role", "agent")),
        model=model,
        answered="text" in reply and row.get("error") is None,
        problem=None if problem is None else str(problem),
        problem_kind=None if problem is None else str(judgement.get("kind") or problem_kind(str(problem))),
        prompt_tokens=prompt,
        completion_tokens=completion,
        seconds=float(row["seconds"]),
        usd=_prices().usd(model, prompt or 0, completion or 0),
        error=None if row.get("error") is None else str(row["error"]),
        **kept,
    )


def problem_kind(problem: str) -> str:
    """Return the kind of a bad reply, by the words of the message that the agent sent back."""
    if problem.startswith("this is exactly the configuration of trial"):
        return REPEAT
    # Every message about the form ends with the form; those about values name hyperparameters.
    return UNPARSED if "answer with one JSON object" in problem or problem == "the analysis was empty" else INVALID


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


@functools.cache
def _prices() -> Prices:
    return Prices.read()
