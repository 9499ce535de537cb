"""OpenAI, or any server with its chat completions API: vLLM, llama.cpp, LM Studio, ... (`llm.base_url`).

Servers differ in what they accept. When a server refuses a request field, the backend sends it in another form from then on, and the
reply's facts say so. This is done for the JSON schema (gpt-3.5-turbo accepts none: the backend asks for any JSON object, and then in the
prompt alone), for `max_tokens` (newer models want `max_completion_tokens`), for `seed` and for log-probabilities. The temperature is
never dropped silently.

llama.cpp's server accepts any name of a model and answers with the one that it has, whose file it names in full. With its prompt cache,
or with several slots, it does not repeat a reply although the seed is sent: the cache is switched off in each request to it.
"""

from __future__ import annotations

import importlib
import os
import time
import weakref
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from harness.llm.backend import ModelFacts, Reply, ReplyFormat, Request, Schema, Token, short_name
from harness.llm.budget import Prices
from harness.llm.deadline import call_with_deadline, why_unreachable
from harness.llm.endpoint import bare, certificates, check_address, openai_urls, read_key, route_to
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
from harness.llm.probe import Readiness, compatible_ready, ends_soon, is_llama_cpp
from harness.llm.retrying import retry_after_seconds
from harness.llm.settings import LlmSettings
from harness.scrub import one_line

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion, ChatCompletionMessage

_CONNECT_SECONDS = 10.0
_OPENAI = "https://api.openai.com/v1"
_THINKING_PARTS = ("thinking", "reasoning", "reasoning_text", "redacted_thinking")
_NEXT_FORMAT = {ReplyFormat.SCHEMA: ReplyFormat.JSON, ReplyFormat.JSON: ReplyFormat.PROMPT}
NO_LEVEL = "llm.think=true: OpenAI takes how much a model shall think, low, medium or high, or false for not at all"
_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "maximum context length", "exceeds the available context size")


class OpenAI:
    """Uses the settings base_url, key_env and timeout_seconds. Model and decoding are in each request.

    `llm.base_url` null means $OPENAI_BASE_URL, else OpenAI. The key is read from the variable that `llm.key_env` names, and is sent to
    that address only.
    """

    connections = 10  # as inspect_ai, and far below the limits of OpenAI and vLLM

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._is_openai = not _addresses(settings)
        self._urls = list(_addresses(settings) or (_OPENAI,))  # the first is asked; it goes when nothing is there
        self._route = route_to(self._urls[0], settings.proxy)
        self._client: openai.OpenAI | None = None
        self._refused: dict[str, str] = {}  # request field -> the form in which it is sent instead
        self._llama_cpp: bool | None = None  # whether the server says so; None: not asked yet
        self._format: ReplyFormat | None = None  # the format that the server accepts, once it has refused a better one

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        addresses = _addresses(settings)
        return compatible_ready(settings, addresses) if addresses else _openai_ready(settings)

    @staticmethod
    def load_client() -> None:
        """Import the client, in the main thread before there are others."""
        importlib.import_module("openai")

    def complete(self, request: Request) -> Reply:
        if request.is_completion:
            raise no_grammar(self._where())
        return call_with_deadline(
            lambda: self._complete(request),
            who=self._where(),
            deadline_seconds=self._settings.timeout_seconds,
            abandon=self._hang_up,
            translate=lambda error: self._translate(error, request),
        )

    def _complete(self, request: Request) -> Reply:
        import openai  # noqa: PLC0415

        if self._llama_cpp is None:
            key = None if self._is_openai else read_key(self._settings.key_env)
            self._llama_cpp = not self._is_openai and any(is_llama_cpp(url, key, self._route) for url in self._urls)
        start = time.perf_counter()
        while True:
            reply_format = self._format or request.reply_format
            try:
                completion = self._connected().chat.completions.create(**self._body(request, reply_format))
                break
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not self._adapt(error, request, reply_format):
                    raise
            except openai.NotFoundError as error:
                if len(self._urls) < 2 or _is_about_the_model(error):
                    raise
                self._hang_up()
                del self._urls[0]
        return self._reply(completion, request, reply_format, round(time.perf_counter() - start, 6))

    def _body(self, request: Request, reply_format: ReplyFormat) -> dict[str, Any]:  # keyword arguments of the client
        body: dict[str, object] = {"model": request.model, "messages": request.wire_messages(reply_format)}
        limit = self._refused.get("max_tokens", "max_tokens")
        body |= {"temperature": request.temperature, limit: request.max_tokens}
        if "seed" not in self._refused:
            body["seed"] = request.seed
        if request.top_logprobs and "logprobs" not in self._refused:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.schema is not None:
            body["response_format"] = _response_format(request.schema, reply_format)
        extra: dict[str, object] = {"cache_prompt": False} if self._llama_cpp else {}
        if isinstance(request.think, str):
            body["reasoning_effort"] = request.think
        elif request.think is not None and self._is_openai:
            if request.think:
                raise BadRequest(NO_LEVEL)
            body["reasoning_effort"] = "none"
        elif request.think is not None:
            extra["chat_template_kwargs"] = {"enable_thinking": request.think}
        body["extra_body"] = extra or None
        return {name: value for name, value in body.items() if value is not None}

    def _adapt(self, error: openai.APIStatusError, request: Request, reply_format: ReplyFormat) -> bool:
        """Change the form of the field that the server refused. Return False when it refused something else."""
        text = f"{error.param} {error.message}"
        if "max_completion_tokens" in text and "max_tokens" not in self._refused:
            self._refused["max_tokens"] = "max_completion_tokens"
        elif "seed" in text and "upport" in text and "seed" not in self._refused:
            self._refused["seed"] = "seed left out"
        elif request.top_logprobs and "logprobs" in text and "logprobs" not in self._refused:
            self._refused["logprobs"] = "log-probabilities left out"
        elif request.schema is not None and reply_format in _NEXT_FORMAT and _about_format(text):
            self._format = _NEXT_FORMAT[reply_format]
        else:
            return False
        return True

    def _reply(self, completion: ChatCompletion | str, request: Request, reply_format: ReplyFormat, seconds: float) -> Reply:
        if isinstance(completion, str) or not completion.choices:
            raise TransportFault(f"what answers at {self._where()} does not speak OpenAI's JSON: check llm.base_url")
        choice, usage = completion.choices[0], completion.usage
        text, thinking = _texts(choice.message)
        facts = ModelFacts(
            backend="openai",
            model=short_name(completion.model or request.model),
            server=completion.system_fingerprint,
            reply_format=None if request.schema is None else str(reply_format),
            adapted=tuple(sorted(self._refused.values())),
        )
        return Reply(
            text=text,
            thinking=thinking,
            facts=facts,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            seconds=seconds,
            finish_reason=cast("str | None", choice.finish_reason) or "",
            tokens=_tokens(choice) if request.top_logprobs else (),
        )

    def _connected(self) -> openai.OpenAI:
        if self._client is None:
            import openai  # noqa: PLC0415 - takes 0.5 s, which a command without an LLM does not need

            key, seconds = read_key(self._settings.key_env), self._settings.timeout_seconds
            if not key and self._is_openai:
                variable = self._settings.key_env or "OPENAI_API_KEY"
                raise NotReady(f"No key for OpenAI: export {variable}=... (llm.key_env), or set llm.base_url.")
            timeout = openai.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
            # With a transport of its own, the client does not look for a proxy in the environment.
            web = openai.DefaultHttpxClient(transport=_transport(self._route.proxy), timeout=timeout)
            # Retries are counted, recorded and paid for in one place: retrying.py.
            self._client = openai.OpenAI(
                api_key=key or "none", base_url=self._urls[0], timeout=timeout, max_retries=0, http_client=web
            )
            weakref.finalize(self, self._client.close)
        return self._client

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _where(self) -> str:
        return f"{'api.openai.com' if self._is_openai else self._urls[0]}{self._route.words}"

    def _translate(self, error: Exception, request: Request) -> BackendError:
        import openai  # noqa: PLC0415

        if isinstance(error, BackendError):
            return error
        where = self._where()
        if isinstance(error, openai.APITimeoutError):
            text = f"{where} gave no complete answer within {self._settings.timeout_seconds:g} s (llm.timeout_seconds)"
            return TransportFault(text, is_overload=True)
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            if type(cause).__name__ == "ConnectError":
                why = why_unreachable(error, self._urls[0])
                return TransportFault(
                    f"No server at {where}{f': {why} (' if why else '. Start it, or set '}llm.base_url{')' if why else '.'}"
                )
            return TransportFault(f"{where} dropped the connection ({type(cause).__name__}: {cause})")
        if isinstance(error, openai.APIStatusError):
            return self._refusal(error, request)
        # The client does not check its objects, so a missing field raises an error only where it is used.
        if isinstance(error, openai.APIError | ValueError | AttributeError | TypeError | LookupError):
            return TransportFault(f"what answers at {where} does not speak OpenAI's JSON ({error})")
        return BackendUnavailable(f"{where}: {type(error).__name__}: {error}")

    def _refusal(self, error: openai.APIStatusError, request: Request) -> BackendError:
        where, text, code = self._where(), _message(error), error.code or ""
        if error.status_code in (401, 403):
            return NotReady(f"{where} refuses the key in {self._settings.key_env or 'llm.key_env (not set)'}: {text}")
        if error.status_code in (404, 405) and not _is_about_the_model(error):
            said = one_line(f"{error.status_code} {text}", limit=200)
            return NotReady(
                f"a server answers at {where}, and takes no chats there ({said}): the address is off; set llm.base_url to what its "
                f"manual says, usually http://HOST:PORT/v1"
            )
        if error.status_code == 404:
            end = end_of(self._settings) if self._is_openai else self._settings.end
            ended = f" (its provider announced its end for {end})" if end else ""
            return NotReady(f"{where} has no model '{request.model}' for this key{ended}: {_instead(self._settings)}")
        if code == "insufficient_quota":
            return NotReady(f"{where}: the account has no credit left ({text})")
        if any(sign in f"{code} {error.type} {text}" for sign in _TOO_LONG):
            return TruncatedPrompt(
                f"{where} refuses the prompt of trial {request.trial}: {text}. Shorten the context or choose a model with a larger window",
                window_tokens=request.num_ctx,
            )
        if error.status_code in (408, 409, 425, 429) or error.status_code >= 500:
            headers: Mapping[str, str] = error.response.headers
            wait = retry_after_seconds(headers.get("retry-after"), headers.get("retry-after-ms"))
            overload = error.status_code in OVERLOAD_STATUSES
            return TransportFault(f"{where}: {error.status_code} {text}", retry_after_seconds=wait, is_overload=overload)
        if "temperature" in f"{error.param} {text}":
            return BadRequest(f"{where} refuses llm.temperature={request.temperature} ({text}): set llm.temperature=null")
        if any(field in text for field in ("reasoning_effort", "chat_template_kwargs", "enable_thinking")):
            return BadRequest(f"{where} refuses llm.think={request.think} ({text}): set llm.think=null")
        return BadRequest(f"{where} refuses the request: {error.status_code} {text}")


def _transport(proxy: str | None) -> Any:
    """Return the transport of the HTTP library that the client was made with: httpx, or httpx2 since its version 3."""
    import openai  # noqa: PLC0415

    name = openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
    return importlib.import_module(name).HTTPTransport(verify=certificates(name), proxy=proxy)


def _is_about_the_model(error: openai.APIStatusError) -> bool:
    """Say whether a 404 means that the model is unknown, and not the address."""
    return isinstance(error.body, Mapping) and "model" in f"{error.code} {_message(error)}".lower()


def _texts(message: ChatCompletionMessage) -> tuple[str, str]:
    """Return the text of a reply and its thinking; some servers send either as a list of parts."""
    content: Any = message.content
    extra = message.model_extra or {}
    thinking = _joined(extra.get("reasoning_content") or extra.get("reasoning"))
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        inner = [part for part in parts if part.get("type") in _THINKING_PARTS]
        thinking = thinking or _joined(inner)
        content = _joined([part for part in parts if part not in inner])
    return content or message.refusal or "", thinking


def _tokens(choice: Any) -> tuple[Token, ...]:
    """Return the tokens with their log-probabilities; none from a server that knows no such field, or sends another form of it."""
    content = getattr(choice.logprobs, "content", None) or ()
    return Token.read([token.model_dump() for token in content if hasattr(token, "model_dump")])


def _joined(value: Any) -> str:
    """Return the text of what a server sends as a text, or as a list of parts that hold texts or parts."""
    if isinstance(value, list):
        return "".join(map(_joined, value))
    if isinstance(value, Mapping):
        return _joined(
            next((value[name] for name in ("text", "thinking", "reasoning", "refusal", "content") if value.get(name)), "")
        )
    return value if isinstance(value, str) else ""


def _message(error: openai.APIStatusError) -> str:
    """Return the error message of the server."""
    body = error.body
    return str(body["message"]) if isinstance(body, Mapping) and "message" in body else error.message


def _response_format(schema: Schema, reply_format: ReplyFormat) -> dict[str, object] | None:
    if reply_format is ReplyFormat.PROMPT:
        return None
    if reply_format is ReplyFormat.JSON:
        return {"type": "json_object"}
    json_schema = {"name": "reply", "schema": dict(schema), "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": json_schema}


def is_strict(schema: object) -> bool:
    """Say whether OpenAI's strict mode accepts a schema: all keys required, no others allowed, no oneOf, allOf, not or if."""
    if isinstance(schema, list):
        return all(is_strict(inner) for inner in schema)
    if not isinstance(schema, Mapping):
        return True
    if any(word in schema for word in ("oneOf", "allOf", "not", "if", "patternProperties", "dependentRequired")):
        return False
    if "properties" in schema or schema.get("type") == "object":
        names = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(names):
            return False
        if not all(is_strict(inner) for inner in names.values()):
            return False
    inner = [schema.get("items"), schema.get("anyOf"), *schema.get("$defs", {}).values()]
    return all(is_strict(part) for part in inner)


def _about_format(text: str) -> bool:
    return any(
        sign in text for sign in ("response_format", "json_schema", "json_object", "JSON schema", "Invalid schema", "grammar")
    )


def _addresses(settings: LlmSettings) -> tuple[str, ...]:
    """Return where the server may be, none for OpenAI's own. Raises SettingsError for what makes no sense or carries a password."""
    if settings.base_url:
        return openai_urls(settings.base_url)
    address = bare(os.environ.get("OPENAI_BASE_URL", ""))
    if not address:
        return ()
    check_address(address, "OPENAI_BASE_URL")
    return openai_urls(address, "OPENAI_BASE_URL")


def end_of(settings: LlmSettings) -> date | None:
    """Return the day from which OpenAI no longer serves the model: as its YAML says, else as the price list does."""
    price = Prices.read(settings.prices).of(settings.model)
    return settings.end or (price.shutdown if price else None)


def _instead(settings: LlmSettings) -> str:
    if not settings.successor:
        return "choose another with llm.model=NAME"
    return f"take llm={settings.successor}, or another model with llm.model=NAME"


def _openai_ready(settings: LlmSettings) -> Readiness:
    """Say whether a key is set, and whether OpenAI still serves the model. Sends nothing."""
    variable, end = settings.key_env or "OPENAI_API_KEY", end_of(settings)
    if end and end <= date.today():
        reason = f"OpenAI no longer serves {settings.model} (since {end})"
        elsewhere = "llm.base_url=URL of a server that still does"
        return Readiness(settings.name, False, reason, f"{_instead(settings)}, or {elsewhere}", retired=True)
    if settings.think is True:
        return Readiness(settings.name, False, NO_LEVEL, "llm.think=medium")
    warning = ends_soon(settings, end, "OpenAI")
    if read_key(variable) is None:
        return Readiness(settings.name, False, f"{variable} is not set", f"export {variable}=...", warning=warning)
    return Readiness(settings.name, True, f"{variable} is set for {settings.model}", warning=warning)
