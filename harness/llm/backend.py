"""The contract of an LLM: `complete(request) -> reply`, and the two values that cross it.

    class MyBackend:
        def __init__(self, settings: LlmSettings): ...
        def complete(self, request: Request) -> Reply: ...           # raises BackendError, and nothing else
        @staticmethod
        def ready(settings: LlmSettings) -> Readiness: ...           # for `python -m harness.doctor`; quick; raises HarnessError at most

Behaviour is added by wrapping (see `build.py`): a wrapper is a backend too.

What repeats: a record, which answers the same request with the same reply for ever (`replay.py`). What does not: a live reply at a
temperature above 0, although the seed is sent. On one Ollama the first call, the same call with its prompt cached, and the call after
a reload gave three texts, each of them stable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from harness.scrub import foreign_text, one_line

Schema = Mapping[str, Any]


class ReplyFormat(StrEnum):
    """How the reply is held to the JSON schema: by the sampler, to any JSON object, or by asking for it in the prompt alone."""

    SCHEMA = "schema"
    JSON = "json"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One question to a model, with everything that decides the answer.

    `schema` is the JSON schema of the reply (None: free text). None in a decoding field leaves it to the server. `num_ctx` is the
    window in tokens, prompt and reply together; `max_tokens` bounds the reply. `trial` (from 1), `call` (from 1 within the trial) and
    `attempt` (from 1, counted by the retry wrapper) only say which question this is: they are not part of `key`.
    """

    messages: tuple[Message, ...]
    model: str = ""
    schema: Schema | None = None
    reply_format: ReplyFormat = ReplyFormat.SCHEMA
    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    num_ctx: int | None = None
    think: bool | str | None = None
    trial: int = 0
    call: int = 0
    attempt: int = 1

    @property
    def decoding(self) -> dict[str, Any]:
        """What decides the answer beside the messages and the schema, as plain data."""
        return {name: getattr(self, name) for name in DECODING} | {"reply_format": str(self.reply_format)}

    @cached_property
    def schema_key(self) -> str | None:
        """A hash of the schema, None without one."""
        return None if self.schema is None else digest(self.schema)

    @cached_property
    def key(self) -> str:
        """A hash of everything that decides the answer: 32 hexadecimal digits, the same in every process."""
        return digest([[m.role, m.content] for m in self.messages], self.model, self.schema_key, self.decoding)

    def wire_messages(self, reply_format: ReplyFormat) -> list[dict[str, str]]:
        """Return the messages as the servers take them; where the sampler does not hold the reply to the schema, the last one asks
        for it in a fenced block.
        """
        wire = [{"role": m.role, "content": m.content} for m in self.messages]
        if self.schema is not None and reply_format is not ReplyFormat.SCHEMA:
            text = json.dumps(self.schema, ensure_ascii=False)
            wire[-1]["content"] += f"\n\nAnswer with one JSON object that fits this JSON Schema:\n```json\n{text}\n```"
        return wire


# What a server that is a test double has in what it calls itself.
DOUBLE = "double"
# The server broke the reply off, because it had become a loop.
ABORTED = "aborted"
_LONGEST_FACT = 300
DECODING = ("seed", "temperature", "max_tokens", "num_ctx", "think")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What answered, as far as the server says; None where it does not. No text of it can hold a secret.

    `model` is the name that the server gives the model, which may say more than the one that was asked for. `server` is what the server
    calls itself: Ollama's version, OpenAI's `system_fingerprint`. `digest` identifies the weights, `context_tokens` is the window that
    the model was trained for, `reply_format` is what the server accepted, and `adapted` names request fields that it made the backend
    send otherwise.
    """

    backend: str
    model: str
    server: str | None = None
    digest: str | None = None
    quantisation: str | None = None
    parameters: str | None = None
    family: str | None = None
    context_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    reply_format: str | None = None
    adapted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__):
            if isinstance(value, str):
                object.__setattr__(self, name, _fact(value))
            elif isinstance(value, tuple):
                object.__setattr__(self, name, tuple(map(_fact, value)))

    @property
    def is_double(self) -> bool:
        """Say whether a test double answered: it says so in what it calls itself."""
        return DOUBLE in (self.server or "")

    def to_dict(self) -> dict[str, Any]:
        """Return the known facts as plain data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v not in (None, ())}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelFacts:
        """Read what `to_dict` wrote."""
        facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: any text at all, judged by nobody yet, and without secrets.

    `thinking` is what the server itself set apart from the text (a model's own `<think>` block stays in `text`). Tokens are the server's
    counts, None where it gives none. `seconds` is the wall time of the call, `load_seconds` the part that loaded the model.
    `finish_reason` is the server's word (stop, length, ...), or `aborted`: the server broke the reply off because it had become a loop.
    """

    text: str
    facts: ModelFacts
    thinking: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    load_seconds: float | None = None
    finish_reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", foreign_text(self.text))
        object.__setattr__(self, "thinking", foreign_text(self.thinking))
        object.__setattr__(self, "finish_reason", _fact(self.finish_reason))


class Backend(Protocol):
    """Something that answers."""

    def complete(self, request: Request) -> Reply:
        """Return the model's reply, whatever its text is worth. Raises BackendError."""
        ...


def _fact(text: str) -> str:
    return one_line(text, limit=_LONGEST_FACT, guess=False)


def digest(*parts: Any) -> str:
    """Return a hash of plain data: 32 hexadecimal digits of BLAKE2b over its JSON, keys sorted."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
