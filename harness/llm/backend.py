"""The contract of an LLM backend: `complete(request) -> reply`, and the two values `Request` and `Reply`.

    class MyBackend:
        def __init__(self, settings: LlmSettings): ...
        def complete(self, request: Request) -> Reply: ...           # raises BackendError, and nothing else
        @staticmethod
        def ready(settings: LlmSettings) -> Readiness: ...           # for the doctor; must be quick; may raise HarnessError only

Retries, records, caps and checks are wrappers around a backend, and each wrapper is a backend too (see `build.py`).

A recorded call always gives the same reply to the same request (`replay.py`). A live model at a temperature above 0 does not, although
the seed is sent: one Ollama server gave three different texts for the first call, for the same call with its prompt in the cache, and
for the call after the model was loaded again. Each of the three could be repeated.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from harness.scrub import foreign_text, one_line

# A JSON schema: an object of any depth.
Schema = Mapping[str, Any]


class ReplyFormat(StrEnum):
    """How a reply is made to fit its JSON schema.

    `schema`: the server's sampler enforces the schema. `json`: the sampler enforces a JSON object of any form. `prompt`: the prompt asks
    for the schema, and nothing enforces it.
    """

    SCHEMA = "schema"
    JSON = "json"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One question to a model, with everything that decides the answer.

    `schema` is the JSON schema of the reply (None: free text). `grammar` is a grammar of the reply in llama.cpp's notation (GBNF), which
    the sampler enforces; a request has a schema or a grammar, not both. `raw` means that the one message is the text that the model
    continues, without a chat template. Only backends with `takes_grammars` (see `build.py`) take `grammar` and `raw`.

    `top_logprobs` asks for the log-probabilities of each token of the reply and of so many alternatives (1 to 20, OpenAI's and Ollama's
    limit; 0: none). A backend that cannot give them leaves them out, and a raw request has none.

    A decoding field that is None is left to the server. `num_ctx` is the window in tokens, prompt and reply together; `max_tokens` is the
    most tokens of the reply. `trial` (from 1), `call` (from 1 within the trial) and `attempt` (from 1, counted by the retry wrapper) only
    number the question: they are not part of `key`. Nor is `is_cut`, which says that the method has cut this prompt on purpose. Raises
    ValueError for a request that makes no sense.
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
    grammar: str | None = None
    raw: bool = False
    is_cut: bool = False
    top_logprobs: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.top_logprobs <= MOST_LOGPROBS or (self.raw and self.top_logprobs):
            raise ValueError(f"a request asks for 0 to {MOST_LOGPROBS} log-probabilities a token, and a raw one for none")
        if self.grammar is not None and self.schema is not None:
            raise ValueError("a request has a schema or a grammar, not both")
        if self.raw and (len(self.messages) != 1 or self.schema is not None):
            raise ValueError("a raw request has one message, and no schema")

    @property
    def is_completion(self) -> bool:
        """Say whether only a backend with `takes_grammars` can take this request."""
        return self.grammar is not None or self.raw

    @property
    def decoding(self) -> dict[str, object]:
        """The decoding settings: all that decides the answer besides model, messages and schema, as plain data."""
        return {name: getattr(self, name) for name in DECODING} | {"reply_format": str(self.reply_format)}

    @cached_property
    def schema_key(self) -> str | None:
        """A hash of the schema; None without a schema."""
        return None if self.schema is None else digest(self.schema)

    @cached_property
    def grammar_key(self) -> str | None:
        """A hash of the grammar; None without a grammar."""
        return None if self.grammar is None else digest(self.grammar)

    @cached_property
    def key(self) -> str:
        """A hash of everything that decides the answer: 32 hexadecimal digits, the same in every process."""
        # What a request does not use is left out, so that it keeps the key of the time before that field.
        form = {
            name: value
            for name, value in (("grammar", self.grammar), ("raw", self.raw), ("top_logprobs", self.top_logprobs))
            if value
        }
        return digest(
            [[m.role, m.content] for m in self.messages], self.model, self.schema_key, self.decoding, *([form] if form else [])
        )

    def wire_messages(self, reply_format: ReplyFormat) -> list[dict[str, str]]:
        """Return the messages in the form that servers accept.

        Where the sampler does not enforce the schema, the last message asks for it in a fenced block.
        """
        wire = [{"role": m.role, "content": m.content} for m in self.messages]
        if self.schema is not None and reply_format is not ReplyFormat.SCHEMA:
            text = json.dumps(self.schema, ensure_ascii=False)
            wire[-1]["content"] += f"\n\nAnswer with one JSON object that fits this JSON Schema:\n```json\n{text}\n```"
        return wire


# A server that is a test double has this word in its name or version.
DOUBLE = "double"
# The finish_reason of a reply that the server stopped because it repeated itself.
ABORTED = "aborted"
_LONGEST_FACT = 300
# The most alternatives of a token that OpenAI and Ollama list.
MOST_LOGPROBS = 20
# Of a long reply, only so many tokens at its end keep their log-probabilities: an answer stands there, behind the thinking.
KEPT_TOKENS = 48
DECODING = ("seed", "temperature", "max_tokens", "num_ctx", "think")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the server says about the model that answered; None where it says nothing. Secrets are removed from all texts.

    `model` is the server's name of the model, which may be longer than the name in the request. `server` identifies the server: Ollama's
    version, OpenAI's `system_fingerprint`. `digest` identifies the weights. `context_tokens` is the window that the model was trained for.
    `reply_format` is the format that the server accepted. `adapted` names request fields that the server refused and that the backend
    then sent in another form.
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
        """Say whether a test double answered, which it says in `server`."""
        return DOUBLE in (self.server or "")

    def to_dict(self) -> dict[str, object]:
        """Return the known facts as plain data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v not in (None, ())}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelFacts:
        """Read what `to_dict` wrote."""
        facts: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a reply, its log-probability (natural, at most 0), and the likeliest tokens in its place, each with its own.

    Servers give the model's probabilities before temperature and schema: an alternative may be one that the schema forbids.
    """

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()

    @classmethod
    def read(cls, data: Any) -> tuple[Token, ...]:
        """Read what OpenAI, Ollama and llama.cpp send, a list of {token, logprob, top_logprobs}; nothing for anything else."""
        try:
            return tuple(_token(entry) for entry in data[-KEPT_TOKENS:])
        except (AttributeError, KeyError, TypeError, ValueError):
            return ()


def _token(entry: Any) -> Token:
    top = tuple((foreign_text(str(other["token"])), float(other["logprob"])) for other in entry.get("top_logprobs") or ())
    return Token(foreign_text(str(entry["token"])), float(entry["logprob"]), top)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a model. Its text is not checked yet; secrets are removed.

    `thinking` is the reasoning that the server returned separately (a `<think>` block in the text stays in `text`). Tokens are the
    server's counts, None where it gives none. `seconds` is the wall time of the call, `load_seconds` the part of it in which the model
    was loaded. `tokens` are those at the end of the text with their log-probabilities, where the request asked for them and the server
    gave them. `finish_reason` is the server's word (stop, length, ...), or `aborted` when the server stopped a reply that repeated
    itself.
    """

    text: str
    facts: ModelFacts
    thinking: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    load_seconds: float | None = None
    finish_reason: str = ""
    tokens: tuple[Token, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", foreign_text(self.text))
        object.__setattr__(self, "thinking", foreign_text(self.thinking))
        object.__setattr__(self, "finish_reason", _fact(self.finish_reason))


class Backend(Protocol):
    """Something that answers requests: a client of a server, a local model, records, or a wrapper around one of these.

    A backend whose engine counts tokens may also have `count_tokens(request) -> int`: the exact number of tokens of the prompt, chat
    template included. It may raise BackendError.
    """

    def complete(self, request: Request) -> Reply:
        """Return the model's reply, whether its text is usable or not. Raises BackendError."""
        ...


def short_name(model: str) -> str:
    """Return the name of a model; of a path, which llama.cpp's server returns, the file's name: the folders are nobody's business."""
    is_path = model.endswith(".gguf") or model.startswith(("/", "~", "./")) or model[1:3] == ":\\"
    return re.split(r"[/\\]", model.rstrip("/"))[-1] if is_path else model


def _fact(text: str) -> str:
    return one_line(text, limit=_LONGEST_FACT, guess=False)


def digest(*parts: object) -> str:
    """Return a hash of plain data: 32 hexadecimal digits of BLAKE2b over its JSON, keys sorted."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
