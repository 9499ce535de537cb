"""Read a cell's calls.jsonl: one line a call to an LLM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.report.data import Call

CALLS = "calls.jsonl"
SCHEMA = 1


def read_calls(path: Path, *, texts: bool = False) -> Iterator[Call]:
    """Yield the calls, in order; the messages and replies only with `texts`. A last line that was cut short is left out.

    Raises RecordError naming file and line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RecordError(f"{where}: not JSON ({error})") from error
        if not isinstance(row, dict) or not isinstance(row.get("schema"), int):
            raise RecordError(f"{where}: not the record of a call")
        if row["schema"] > SCHEMA:
            raise RecordError(f"{where}: written by a newer version (schema {row['schema']}, this one reads {SCHEMA})")
        try:
            yield _call(row, texts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"{where}: damaged record of a call ({type(error).__name__}: {error})") from error


def _call(row: Mapping[str, Any], texts: bool) -> Call:
    kept: dict[str, Any] = {}
    if texts:
        messages = tuple({"role": str(m["role"]), "content": str(m["content"])} for m in row["messages"])
        kept = {"messages": messages, "reply": str(row.get("reply") or ""), "thinking": str(row.get("thinking") or "")}
    return Call(
        trial=int(row["trial"]),
        attempt=int(row["attempt"]),
        role=str(row.get("role", "agent")),
        model=str(row.get("model", "")),
        problem=_text(row.get("problem")),
        problem_kind=_text(row.get("problem_kind")),
        prompt_tokens=_number(row.get("prompt_tokens"), int),
        completion_tokens=_number(row.get("completion_tokens"), int),
        seconds=_number(row.get("seconds"), float),
        usd=_number(row.get("usd"), float),
        error=_text(row.get("error")),
        **kept,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any, kind: type) -> Any:
    return None if value is None else kind(value)
