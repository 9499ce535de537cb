"""A local model through Ollama's native API.

Ollama's OpenAI-style endpoint is not used, because it ignores `num_ctx`. Every chat asks the server to refuse a prompt that does not fit
(`truncate: false`, `shift: false`). Ollama 0.12.6 and later does so; older servers ignore it, and `truncation.py` checks their counts.

Seen on a real 0.32.15: the sampler enforces a schema's structure, enumerations and bounds of integers, but not bounds of floats. The same
seed gives another text once the prompt is cached or the model was loaded again (see `backend.py`).
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from harness.llm.backend import ABORTED, ModelFacts, Reply, ReplyFormat, Request, Token
from harness.llm.deadline import call_with_deadline, why_unreachable
from harness.llm.endpoint import certificates, ollama_url, read_key, route_to
from harness.llm.errors import (
    OVERLOAD_STATUSES,
    BackendError,
    BackendUnavailable,
    BadRequest,
    NotReady,
    TransportFault,
    TruncatedPrompt,
    no_grammar,
)
from harness.llm.probe import Readiness, context_length, get_json, ollama_ready, pulled_name
from harness.llm.retrying import retry_after_seconds
from harness.llm.settings import LlmSettings

if TYPE_CHECKING:
    import httpx
    import ollama

_CONNECT_SECONDS = 10.0
_KEY = "OLLAMA_API_KEY"


class Ollama:
    """Uses the settings base_url, timeout_seconds and keep_alive. Model and decoding are in each request.

    `llm.base_url` null means $OLLAMA_HOST, else http://127.0.0.1:11434. A key for a hosted Ollama is read from $OLLAMA_API_KEY.
    """

    connections = 4  # a server with fewer slots (OLLAMA_NUM_PARALLEL) lets the others wait

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._url = ollama_url(settings.base_url)
        self._route = route_to(self._url, settings.proxy)
        self._where = f"Ollama at {self._url}{self._route.words}"
        self._client: ollama.Client | None = None
        self._facts: dict[str, ModelFacts] = {}
        self._headers: dict[str, str] = {}  # of the last answer, because the client's ResponseError does not hold them

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        return ollama_ready(settings)

    def complete(self, request: Request) -> Reply:
        if request.is_completion:
            raise no_grammar(self._where)
        return call_with_deadline(
            lambda: self._complete(request),
            who=self._where,
            deadline_seconds=self._settings.timeout_seconds,
            abandon=self._hang_up,
            translate=lambda error: self._translate(error, request),
        )

    def _complete(self, request: Request) -> Reply:
        facts = self._facts_of(request)
        start = time.perf_counter()
        response = self._connected().chat(
            model=request.model,
            messages=request.wire_messages(request.reply_format),
            stream=False,
            think=request.think,
            format=_format(request),
            options=_options(request),
            keep_alive=self._settings.keep_alive_sent,
            logprobs=True if request.top_logprobs else None,
            top_logprobs=request.top_logprobs or None,
        )
        seconds = round(time.perf_counter() - start, 6)
        return Reply(
            text=response.message.content or "",
            thinking=response.message.thinking or "",
            facts=facts,
            prompt_tokens=response.prompt_eval_count,
            completion_tokens=response.eval_count,
            seconds=seconds,
            load_seconds=None if response.load_duration is None else response.load_duration / 1e9,
            # After about 30 repeats of one token the server stops and answers `done: false`. The same request would get the same
            # answer, so this is a bad reply, not a lost call: the agent asks for a correction.
            finish_reason=(response.done_reason or "") if response.done else ABORTED,
            tokens=Token.read([token.model_dump() for token in response.logprobs or ()]) if request.top_logprobs else (),
        )

    def _connected(self) -> ollama.Client:
        if self._client is None:
            self._client = self._made_client()
            weakref.finalize(self, self._client.close)
        return self._client

    def _made_client(self) -> ollama.Client:
        import httpx  # noqa: PLC0415 - takes 0.3 s, which a command without an LLM does not need

        self.load_client()
        import ollama  # noqa: PLC0415

        seconds, key = self._settings.timeout_seconds, read_key(_KEY)
        # A key in the header keeps the client from reading the variable, so that the environment can stay as it is.
        with contextlib.nullcontext() if key or not os.environ.get(_KEY) else _without_variables():
            return ollama.Client(
                host=self._url,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                # With a transport of its own, it does not look for a proxy in the environment.
                transport=httpx.HTTPTransport(verify=certificates("httpx"), proxy=self._route.proxy),
                timeout=httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
                # Functions, not methods of this object: the client would keep the object alive, and its connections open.
                event_hooks={"request": [_ask_for_whole_prompts], "response": [partial(_keep_headers, self._headers)]},
            )

    @staticmethod
    def load_client() -> None:
        """Import the client. It happens without Ollama's variables, and so in the main thread before there are others."""
        if "ollama" not in sys.modules:
            with _without_variables():
                importlib.import_module("ollama")

    def _hang_up(self) -> None:
        # Closing the connection also makes the server stop generating.
        client, self._client = self._client, None
        if client is not None:
            client.close()  # type: ignore[no-untyped-call]

    def _facts_of(self, request: Request) -> ModelFacts:
        """Return what the server says about a model; ask once per model.

        Raises BadRequest for a window larger than the model was trained for, because Ollama shrinks it silently.
        """
        facts = self._facts.get(request.model)
        if facts is None:
            facts = self._facts[request.model] = _read_facts(self._connected(), request.model, self._version())
        if request.num_ctx and facts.context_tokens and request.num_ctx > facts.context_tokens:
            raise BadRequest(
                f"llm.num_ctx={request.num_ctx}: {request.model} has a window of {facts.context_tokens} tokens, "
                f"and Ollama would silently take that: set at most that"
            )
        if request.schema is not None:
            return ModelFacts.from_dict(facts.to_dict() | {"reply_format": str(request.reply_format)})
        return facts

    def _version(self) -> str | None:
        # The client has no call for the version.
        key = read_key(_KEY)
        try:
            return str(
                get_json(f"{self._url}/api/version", timeout_seconds=_CONNECT_SECONDS, key=key, route=self._route)["version"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _translate(self, error: Exception, request: Request) -> BackendError:
        if isinstance(error, BackendError):
            return error
        import httpx  # noqa: PLC0415
        import ollama  # noqa: PLC0415

        if isinstance(error, ollama.ResponseError):
            return self._refusal(error.status_code, _message(error.error), request)
        if isinstance(error, ConnectionError | httpx.ConnectError | httpx.ConnectTimeout):
            why = why_unreachable(error, self._url)
            if why:
                return TransportFault(f"No {self._where}: {why} (llm.base_url)")
            return TransportFault(f"No {self._where}. Start it with 'ollama serve', then 'ollama pull {request.model}'.")
        if isinstance(error, httpx.TimeoutException):
            text = f"{self._where} gave no complete answer within {self._settings.timeout_seconds:g} s (llm.timeout_seconds)"
            return TransportFault(text, is_overload=True)
        if isinstance(error, httpx.TransportError):
            return TransportFault(f"{self._where} dropped the connection ({type(error).__name__}: {error})")
        if isinstance(error, ValueError):  # of json or pydantic: the body is not what Ollama sends
            return TransportFault(f"what answers at {self._url}{self._route.words} does not speak Ollama's JSON ({_why(error)})")
        return BackendUnavailable(f"{self._where}: {type(error).__name__}: {error}")

    def _refusal(self, status: int, text: str, request: Request) -> BackendError:
        where = self._where
        if "exceeds the available context size" in text or "exceeds the context length" in text:
            return TruncatedPrompt(
                f"{where} refuses the prompt of trial {request.trial}: {text}. "
                f"Raise llm.num_ctx ({request.num_ctx}), or shorten the context",
                window_tokens=request.num_ctx,
            )
        if status == 404 and "model" in text:
            return NotReady(f"{where} has no model '{request.model}'. Get it with 'ollama pull {request.model}'.")
        if status in (404, 405):
            return NotReady(
                f"something answers at {self._url}{self._route.words}, and it is not Ollama ({status}): check llm.base_url"
            )
        if status in (401, 403):
            return NotReady(f"{where} refuses the key ({text}): set OLLAMA_API_KEY")
        if status in (408, 429, 499) or status >= 500 or status < 0:
            wait = retry_after_seconds(self._headers.get("retry-after"))
            return TransportFault(f"{where}: {status} {text}", retry_after_seconds=wait, is_overload=status in OVERLOAD_STATUSES)
        if "does not support thinking" in text or "think value" in text:
            return BadRequest(f"{where}: {text}; set llm.think=null")
        return BadRequest(f"{where} refuses the request: {status} {text}")


# Two calls at once would each put back what the other took away.
_environment_lock = threading.Lock()


@contextlib.contextmanager
def _without_variables() -> Iterator[None]:
    """Remove Ollama's variables from the environment during the block.

    The client reads them when it is imported, and handles them badly: it fails for an address in quotes, which Ollama's own programs
    accept, and it sends a key together with a line break at its end, so that the error shows the key.
    """
    with _environment_lock:
        aside = {name: os.environ.pop(name) for name in ("OLLAMA_HOST", _KEY) if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(aside)


def _read_facts(client: ollama.Client, model: str, version: str | None) -> ModelFacts:
    shown = client.show(model)
    listed = client.list().models
    named = {entry.model or "": entry for entry in listed}
    name = pulled_name(model, named)
    entry = named[name] if name is not None else None
    details = shown.details
    return ModelFacts(
        backend="ollama",
        model=name or model,
        server=version,
        digest=entry.digest if entry else None,
        quantisation=details.quantization_level if details else None,
        parameters=details.parameter_size if details else None,
        family=details.family if details else None,
        context_tokens=context_length(shown.modelinfo or {}),
        capabilities=tuple(shown.capabilities or ()),
    )


def _format(request: Request) -> dict[str, Any] | Literal["json"] | None:
    if request.schema is None or request.reply_format is ReplyFormat.PROMPT:
        return None
    return "json" if request.reply_format is ReplyFormat.JSON else dict(request.schema)


def _options(request: Request) -> dict[str, object]:
    options = {
        "num_ctx": request.num_ctx,
        "seed": request.seed,
        "temperature": request.temperature,
        "num_predict": request.max_tokens,
    }
    return {name: value for name, value in options.items() if value is not None}


def _ask_for_whole_prompts(request: httpx.Request) -> None:
    """Add two fields that the client cannot send: refuse a prompt that does not fit, and stop instead of dropping its beginning."""
    import httpx  # noqa: PLC0415

    if request.url.path.endswith("/api/chat"):
        asked = json.loads(request.content)
        if isinstance(asked.get("keep_alive"), float) and asked["keep_alive"].is_integer():
            asked["keep_alive"] = int(asked["keep_alive"])
        body = json.dumps({**asked, "truncate": False, "shift": False}).encode()
        request.stream = httpx.ByteStream(body)
        request.headers["Content-Length"] = str(len(body))


def _keep_headers(headers: dict[str, str], response: httpx.Response) -> None:
    headers.clear()
    headers.update(response.headers)


def _why(error: ValueError) -> str:
    """Say what is wrong with a body, without quoting it as pydantic does: a part of a key would not be recognised as a secret."""
    if not hasattr(error, "errors"):
        return str(error)
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _message(error: object) -> str:
    """Return the text of an error. Newer servers put llama.cpp's JSON error inside their own, and others send an object."""
    text = error if isinstance(error, str) else json.dumps({"error": error})
    for _ in range(2):
        try:
            inner = json.loads(text)
        except ValueError:
            return text
        error = inner.get("error", inner) if isinstance(inner, dict) else None
        if isinstance(error, dict) and "message" in error:
            return str(error["message"])
        if not isinstance(error, str):
            return text
        text = error
    return text
