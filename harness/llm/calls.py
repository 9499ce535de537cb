"""A call to an LLM as a record: enough to bill it, to judge it, and to give the same answer again without any LLM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.llm.backend import DECODING, Message, ModelFacts, Reply, ReplyFormat, Request
from harness.llm.errors import BackendError
from harness.store.codec import check_seal

SCHEMA = 1
KIND = "llm_call"


@dataclass(frozen=True)
class CallRecord:
    """One attempt at one call: what was asked, and the reply or the error.

    `key` is `Request.key`; the JSON schema is kept as a hash only. `decoding` has the keys seed, temperature, max_tokens, num_ctx,
    think, reply_format. `seconds` is the wall time, also of a call that failed.
    """

    trial: int
    call: int
    attempt: int
    key: str
    model: str
    messages: tuple[Message, ...]
    schema_key: str | None
    decoding: Mapping[str, Any]
    seconds: float
    reply: Reply | None = None
    error: str | None = None
    error_kind: str | None = None

    @classmethod
    def of(cls, request: Request, seconds: float, *, reply: Reply | None = None, error: BackendError | None = None) -> CallRecord:
        """Record what `request` led to: give either the reply or the error."""
        return cls(
            trial=request.trial,
            call=request.call,
            attempt=request.attempt,
            key=request.key,
            model=request.model,
            messages=request.messages,
            schema_key=request.schema_key,
            decoding=request.decoding,
            seconds=round(seconds, 6),
            reply=reply,
            error=None if error is None else str(error),
            error_kind=None if error is None else type(error).__name__,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; the inverse of `from_dict`."""
        row: dict[str, Any] = {"kind": KIND, "schema": SCHEMA}
        row |= {name: getattr(self, name) for name in ("trial", "call", "attempt", "key", "model")}
        row["messages"] = [{"role": m.role, "content": m.content} for m in self.messages]
        row |= {"schema_key": self.schema_key, "decoding": dict(self.decoding), "seconds": self.seconds}
        if self.reply is not None:
            row["reply"] = _reply_to_dict(self.reply)
        if self.error is not None:
            row |= {"error": self.error, "error_kind": self.error_kind}
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> CallRecord:
        """Read plain data. Raises RecordError when it is not a call's, or is from a newer version."""
        if row.get("kind") != KIND or not isinstance(row.get("schema"), int):
            raise RecordError("not the record of an LLM call")
        if row["schema"] > SCHEMA:
            raise RecordError(f"written by a newer version (schema {row['schema']}, this one reads {SCHEMA}): update the harness")
        try:
            return cls(
                **{name: row[name] for name in ("trial", "call", "attempt", "key", "model", "schema_key", "decoding", "seconds")},
                messages=tuple(Message(m["role"], m["content"]) for m in row["messages"]),
                reply=_reply_from_dict(row["reply"]) if "reply" in row else None,
                error=row.get("error"),
                error_kind=row.get("error_kind"),
            )
        except (KeyError, TypeError) as error:
            raise RecordError(f"damaged record of an LLM call ({type(error).__name__}: {error})") from error

    def differences(self, asked: Request) -> list[str]:
        """Say in what `asked` differs from the request of this record; empty when the record answers it.

        A decoding field, or a model, that `asked` leaves open (None, or no name) is taken as recorded.
        """
        found = []
        if asked.model and asked.model != self.model:
            found.append(f"model: '{self.model}' recorded, '{asked.model}' asked")
        for name in DECODING:
            value, kept = getattr(asked, name), self.decoding.get(name)
            if value is not None and value != kept:
                found.append(f"{name}: {kept} recorded, {value} asked")
        if asked.model and asked.reply_format != ReplyFormat(self.decoding.get("reply_format", asked.reply_format)):
            found.append(f"reply_format: {self.decoding['reply_format']} recorded, {asked.reply_format} asked")
        if asked.schema_key != self.schema_key:
            found.append(f"JSON schema: {self.schema_key} recorded, {asked.schema_key} asked")
        if len(asked.messages) != len(self.messages):
            found.append(f"messages: {len(self.messages)} recorded, {len(asked.messages)} asked")
        for number, (kept_message, message) in enumerate(zip(self.messages, asked.messages, strict=False), start=1):
            if kept_message != message:
                found.append(f"message {number} ({message.role}): {_first_difference(kept_message.content, message.content)}")
        return found


def read_calls(path: Path) -> Iterator[tuple[Path, CallRecord]]:
    """Yield every call record below a file or folder with the file that it stands in, in order.

    Records may stand alone in a line of a .jsonl file or anywhere inside its line (beside their trial). A line cut short at the end
    of a file is left out. Raises RecordError naming file and line.
    """
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise RecordError(f"{file}: cannot be read ({error.strerror})") from error
        lines = data[: data.rfind(b"\n") + 1].split(b"\n")
        for number, line in enumerate(lines, start=1):
            # In a file of calls, a line that does not look like one is looked at all the same: a flipped bit may have hidden it.
            if KIND.encode() not in line and not (line and file.name == "calls.jsonl"):
                continue
            where = f"{file}, line {number}"
            try:
                row = json.loads(line)
                found = list(_calls_in(row))
            except (ValueError, RecursionError, RecordError) as error:
                raise RecordError(f"{where}: {error}") from error
            if isinstance(row, dict):
                check_seal(line, row, where)
            for record in found:
                yield file, record


def _calls_in(value: Any) -> Iterator[CallRecord]:
    if isinstance(value, dict):
        if value.get("kind") == KIND:
            yield CallRecord.from_dict(value)
            return
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _calls_in(inner)


def _reply_to_dict(reply: Reply) -> dict[str, Any]:
    row: dict[str, Any] = {"text": reply.text, "finish_reason": reply.finish_reason, "seconds": reply.seconds}
    if reply.thinking:
        row["thinking"] = reply.thinking
    for name in ("prompt_tokens", "completion_tokens", "load_seconds"):
        if getattr(reply, name) is not None:
            row[name] = getattr(reply, name)
    return row | {"facts": reply.facts.to_dict()}


def _reply_from_dict(row: Mapping[str, Any]) -> Reply:
    return Reply(**{**row, "facts": ModelFacts.from_dict(row["facts"])})


def _first_difference(kept: str, asked: str) -> str:
    """Quote the first line in which two texts differ."""
    old, new = kept.splitlines() or [""], asked.splitlines() or [""]
    for number in range(max(len(old), len(new))):
        was = old[number] if number < len(old) else "(no such line)"
        now = new[number] if number < len(new) else "(no such line)"
        if was != now:
            return f"line {number + 1} was {was[:80]!r}, is {now[:80]!r}"
    return "line ends"
