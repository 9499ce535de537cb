"""The record of a call to an LLM: enough to compute its cost, to judge it, and to give the same answer again without an LLM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.llm.backend import DECODING, Message, ModelFacts, Reply, ReplyFormat, Request, Token
from harness.llm.errors import BackendError
from harness.store.archive import PackedFolder, Readable, packed
from harness.store.cell_folder import CALLS
from harness.store.codec import read_row
from harness.store.lines import read_lines

SCHEMA = 1
KIND, WHAT = "llm_call", "the record of an LLM call"


@dataclass(frozen=True)
class CallRecord:
    """One attempt at one call: the request, and the reply or the error.

    `key` is `Request.key`. Of the JSON schema and of the grammar only a hash is kept. `decoding` has the keys seed,
    temperature, max_tokens, num_ctx, think, reply_format. `seconds` is the wall time of the call, whether it failed or not.
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
    grammar_key: str | None = None
    raw: bool = False
    top_logprobs: int = 0

    @classmethod
    def of(cls, request: Request, seconds: float, *, reply: Reply | None = None, error: BackendError | None = None) -> CallRecord:
        """Return the record of a request that took `seconds`. Give its reply, its error, or both when a reply must not be used."""
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
            grammar_key=request.grammar_key,
            raw=request.raw,
            top_logprobs=request.top_logprobs,
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON data; the inverse of `from_dict`."""
        row: dict[str, object] = {"kind": KIND, "schema": SCHEMA}
        row |= {name: getattr(self, name) for name in ("trial", "call", "attempt", "key", "model")}
        row["messages"] = [{"role": m.role, "content": m.content} for m in self.messages]
        row |= {"schema_key": self.schema_key, "decoding": dict(self.decoding), "seconds": self.seconds}
        row |= {name: value for name in ("grammar_key", "raw", "top_logprobs") if (value := getattr(self, name))}
        if self.reply is not None:
            row["reply"] = _reply_to_dict(self.reply)
        if self.error is not None:
            row |= {"error": self.error, "error_kind": self.error_kind}
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> CallRecord:
        """Read plain data. Raises RecordError when it is not the record of a call."""
        if row.get("kind") != KIND:
            raise RecordError(f"not {WHAT}")
        try:
            return cls(
                trial=int(row["trial"]),
                call=int(row["call"]),
                attempt=int(row["attempt"]),
                key=str(row["key"]),
                model=str(row["model"]),
                messages=tuple(Message(str(m["role"]), str(m["content"])) for m in row["messages"]),
                schema_key=row["schema_key"],
                decoding=dict(row["decoding"]),
                seconds=float(row["seconds"]),
                reply=_reply_from_dict(row["reply"]) if "reply" in row else None,
                error=str(row["error"]) if "error" in row else None,
                error_kind=row.get("error_kind"),
                grammar_key=row.get("grammar_key"),
                raw=bool(row.get("raw", False)),
                top_logprobs=int(row.get("top_logprobs", 0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise RecordError(f"damaged record of an LLM call ({type(error).__name__}: {error})") from error

    def differences(self, asked: Request) -> list[str]:
        """Return the differences between `asked` and the request of this record; empty when the record answers it.

        A decoding field that is None in `asked`, or an empty model name, is not compared.
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
        if asked.grammar_key != self.grammar_key:
            found.append(f"grammar: {self.grammar_key} recorded, {asked.grammar_key} asked")
        if asked.raw != self.raw:
            found.append(
                f"chat template: {'not used' if self.raw else 'used'} when recorded, {'not used' if asked.raw else 'used'} now"
            )
        if asked.top_logprobs != self.top_logprobs:
            found.append(f"log-probabilities of a token: {self.top_logprobs} recorded, {asked.top_logprobs} asked")
        if len(asked.messages) != len(self.messages):
            found.append(f"messages: {len(self.messages)} recorded, {len(asked.messages)} asked")
        for number, (kept_message, message) in enumerate(zip(self.messages, asked.messages, strict=False), start=1):
            if kept_message != message:
                found.append(f"message {number} ({message.role}): {_first_difference(kept_message.content, message.content)}")
        return found


def read_calls(file: Readable) -> Iterator[CallRecord]:
    """Yield the calls in a cell's calls.jsonl, in order; nothing when there is no such file. An incomplete last line is left out.

    Raises RecordError, which names file and line.
    """
    for where, line in read_lines(file):
        row = read_row(line, where, WHAT, SCHEMA)
        try:
            yield CallRecord.from_dict(row)
        except RecordError as error:
            raise RecordError(f"{where}: {error}") from error


def calls_below(path: Path) -> Iterator[tuple[Path, CallRecord]]:
    """Yield every call of a file, or of all cells below a folder, each with its file. Raises RecordError.

    Cells that `harness.pack` has packed count as if their folders were there, also where `path` is the folder of one of them.
    """
    for file, content in _files_below(path):
        yield from ((file, call) for call in read_calls(content))


def holds_records(path: Path) -> bool:
    """Say whether a file, or the folder of a study or of a cell, is there: on the disk, or in the pack of its study. Raises RecordError."""
    return path.exists() or _packed_cell(path) is not None


def _files_below(path: Path) -> Iterator[tuple[Path, Readable]]:
    if (cell := _packed_cell(path)) is not None:
        yield path / CALLS, cell / CALLS
        return
    if not path.is_dir():
        yield path, path
        return
    pack = packed(path)
    for folder in pack.members if pack else ():
        yield path / folder / CALLS, (pack.open(folder) / CALLS if pack else path)
    for file in sorted(path.rglob(CALLS)):
        if not (pack and file.parent.relative_to(path).as_posix() in pack):
            yield file, file


def _packed_cell(path: Path) -> PackedFolder | None:
    pack = packed(path.parents[2]) if len(path.parents) > 2 else None
    folder = "/".join(path.parts[-3:])
    return pack.open(folder) if pack and folder in pack else None


def _reply_to_dict(reply: Reply) -> dict[str, object]:
    row: dict[str, object] = {"text": reply.text, "finish_reason": reply.finish_reason, "seconds": reply.seconds}
    if reply.thinking:
        row["thinking"] = reply.thinking
    for name in ("prompt_tokens", "completion_tokens", "load_seconds"):
        if getattr(reply, name) is not None:
            row[name] = getattr(reply, name)
    if reply.tokens:
        row["tokens"] = [[token.text, token.logprob, [list(pair) for pair in token.top]] for token in reply.tokens]
    return row | {"facts": reply.facts.to_dict()}


def _reply_from_dict(row: Mapping[str, Any]) -> Reply:
    tokens = tuple(
        Token(str(text), float(logprob), tuple((str(other), float(its)) for other, its in top))
        for text, logprob, top in row.get("tokens", ())
    )
    return Reply(**{**row, "tokens": tokens, "facts": ModelFacts.from_dict(row["facts"])})


def _first_difference(kept: str, asked: str) -> str:
    """Quote the first line in which two texts differ."""
    old, new = kept.splitlines() or [""], asked.splitlines() or [""]
    for number in range(max(len(old), len(new))):
        was = old[number] if number < len(old) else "(no such line)"
        now = new[number] if number < len(new) else "(no such line)"
        if was != now:
            return f"line {number + 1} was {was[:80]!r}, is {now[:80]!r}"
    return "line ends"
