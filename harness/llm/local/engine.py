"""The engine: llama.cpp inside this process (package `xllamacpp`), one model at a time, one request at a time."""

from __future__ import annotations

import importlib
import json
import math
import secrets
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

_COUNT_SECONDS = 60.0
# A prompt is computed in parts of so many tokens, and can be stopped between them (2 s for a model of 135 M on one core).
_BATCH_TOKENS = 256
_SPACES = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SMALLEST, _LARGEST = 1e-30, 1e18
_FURTHER_DECIMALS, _FEWEST_DECIMALS, _MOST_DECIMALS = 3, 6, 10  # with more, the engine would hold nothing


class EngineRefused(Exception):
    """The engine's refusal of a request; `error` is what it says: code, type, message and more."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", error)))
        self.error = error


@dataclass
class Answer:
    """What the engine has generated; `usage` is empty after a stop."""

    text: str = ""
    thinking: str = ""
    finish_reason: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    tokens: list[Any] = field(default_factory=list)  # with their log-probabilities, as the engine writes them


class _Server(Protocol):
    """The part of `xllamacpp.Server` that is used here. A callback that returns True stops the generation."""

    listening_address: str

    def handle_chat_completions(self, body: Mapping[str, object], callback: Callable[[dict[str, Any]], bool]) -> object: ...

    def handle_completions(self, body: Mapping[str, object], callback: Callable[[dict[str, Any]], bool]) -> object: ...


class Engine:
    """A loaded model."""

    def __init__(self, server: _Server, key: str) -> None:
        self._server = server
        self._key = key
        self._one_at_a_time = threading.Lock()

    def complete(self, body: Mapping[str, object], *, raw: bool, stop: threading.Event) -> Answer:
        """Return the answer to a request; `raw` for one with a `prompt` instead of messages.

        The generation ends soon after `stop` is set, within a token or a part of the prompt. Raises EngineRefused.
        """
        answer = Answer()
        refused: list[Mapping[str, Any]] = []

        def take(part: dict[str, Any]) -> bool:
            if "error" in part or "choices" not in part:
                refused.append(part.get("error", part))
            else:
                _add(answer, part)
            return stop.is_set()

        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        with self._one_at_a_time:
            if not stop.is_set():
                (self._server.handle_completions if raw else self._server.handle_chat_completions)(streamed, take)
        if refused:
            raise EngineRefused(refused[0])
        return answer

    def count(self, body: Mapping[str, object], *, raw: bool) -> int:
        """Return the tokens of a request's prompt, chat template included. Raises OSError and ValueError."""
        if raw:
            text = body["prompt"]
        else:
            asked = {name: body[name] for name in ("messages", "chat_template_kwargs") if name in body}
            text = self._post("/apply-template", asked)["prompt"]
        return len(self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"])

    def _post(self, route: str, body: Mapping[str, object]) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        request = urllib.request.Request(f"{self._server.listening_address}{route}", json.dumps(body).encode(), headers)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=_COUNT_SECONDS) as response:
            return json.loads(response.read())


def _add(answer: Answer, part: Mapping[str, Any]) -> None:
    """Add one part of a streamed answer."""
    answer.usage = part.get("usage") or answer.usage
    for choice in part["choices"][:1]:
        delta = choice.get("delta") or {}
        answer.text += choice.get("text") or delta.get("content") or ""
        answer.thinking += delta.get("reasoning_content") or ""
        answer.tokens += (choice.get("logprobs") or {}).get("content") or []
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason


@lru_cache(maxsize=1)
def loaded(file: Path, num_ctx: int, chat_template: str | None, threads: int) -> Engine:
    """Load a model, and keep it for the next cell. `num_ctx` 0 means the window that it was trained for. Raises RuntimeError."""
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = num_ctx
    params.n_parallel = 1
    params.n_batch = _BATCH_TOKENS
    params.cpuparams.n_threads = threads
    params.warmup = False
    params.cache_ram_mib = 0  # or it keeps past prompts, up to 8 GB of them, which no request uses
    params.verbosity = -1  # its log would overwrite the progress display
    # The engine also listens on a local port. With this random key, no other program gets an answer there.
    key = secrets.token_hex(16)
    params.api_keys = [key]
    if chat_template:
        params.chat_template = chat_template
        params.use_jinja = False
    return Engine(xllamacpp.Server(params), key)


def grammar_of(schema: Mapping[str, Any]) -> str:
    """Return the engine's grammar for a JSON schema. Raises ValueError or RuntimeError for a schema that it cannot hold.

    With a model's own chat template, the engine does not enforce the ranges of floats in a `response_format`. It enforces them in this
    grammar, and writes such numbers out in decimals. What small models do without end is cut short: a number has at most three decimals
    more than its smallest bound (and at most ten), and between keys and values stands one space. A bound of 1e18 and more, or of 1e-30 and
    less, is left out: the engine cannot hold it, and would then hold nothing at all, without a word.
    """
    grammar: str = importlib.import_module("xllamacpp").json_schema_to_grammar({"x-guidance": _SPACES, **_held(schema)})
    return grammar


def _held(part: Any) -> Any:
    """Return a schema without the bounds that the engine cannot hold, and with a limit on the decimals of its numbers."""
    if isinstance(part, Mapping):
        kept = {key: _held(value) for key, value in part.items() if not (key in _BOUNDS and _is_beyond(value))}
        step = _step(kept)
        return {**kept, "multipleOf": step} if step else kept
    return [_held(inner) for inner in part] if isinstance(part, list) else part


def _is_beyond(bound: Any) -> bool:
    return isinstance(bound, int | float) and bound != 0 and not _SMALLEST <= abs(bound) <= _LARGEST


def _step(number: Mapping[str, Any]) -> float | None:
    """Return the last decimal that a number may have; None for what is no number between two bounds, and for too many decimals."""
    low, high = (number.get(name) for name in ("minimum", "maximum"))
    if number.get("type") != "number" or "multipleOf" in number or low is None or high is None or not low < high:
        return None
    decimals = -math.floor(math.log10(min(abs(value) for value in (low, high, high - low) if value)))
    if decimals >= _MOST_DECIMALS:
        return None
    return float(f"1e-{min(max(decimals + _FURTHER_DECIMALS, _FEWEST_DECIMALS), _MOST_DECIMALS)}")


def version() -> str:
    """Return the name and version of the engine, for the record of a call."""
    return f"xllamacpp {importlib.import_module('xllamacpp').__version__}"
