"""OpenAI, or any server with its chat completions API: vLLM, llama.cpp, LM Studio, ... (`llm.base_url`).

Servers differ in what they accept. When a server refuses a request field, the backend sends it in another form from then on, and the
reply's facts say so. This is done for the JSON schema (gpt-3.5-turbo accepts none: the backend asks for any JSON object, and then in the
prompt alone), for `max_tokens` (newer models want `max_completion_tokens`) and for `seed`. The temperature is never dropped silently.
"""

from __future__ import annotations

import http.client
import os
import time
import weakref
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from harness.llm.backend import DOUBLE, ModelFacts, Reply, ReplyFormat, Request, Schema
from harness.llm.budget import Prices
from harness.llm.deadline import call_with_deadline
from harness.llm.endpoint import bare, check_address, read_key, state_of
from harness.llm.errors import BackendError, BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.probe import PROBE_SECONDS, Readiness, double_warning, get_json
from harness.llm.retrying import retry_after_seconds
from harness.llm.settings import LlmSettings
from harness.scrub import one_line

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion

_CONNECT_SECONDS = 10.0
_NAMED_MODELS = 5
_NEXT_FORMAT = {ReplyFormat.SCHEMA: ReplyFormat.JSON, ReplyFormat.JSON: ReplyFormat.PROMPT}
_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "maximum context length", "exceeds the available context size")


class OpenAI:
    """Uses the settings base_url, key_env and timeout_seconds. Model and decoding are in each request.

    `llm.base_url` null means $OPENAI_BASE_URL, else OpenAI. The key is read from the variable that `llm.key_env` names, and is sent to
    that address only.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._address = _address(settings)
        self._client: openai.OpenAI | None = None
        self._refused: dict[str, str] = {}  # request field -> the form in which it is sent instead
        self._format: ReplyFormat | None = None  # the format that the server accepts, once it has refused a better one

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        return _local_ready(settings) if _address(settings) else _openai_ready(settings)

    def complete(self, request: Request) -> Reply:
        return call_with_deadline(
            lambda: self._complete(request),
            who=self._where(),
            deadline_seconds=self._settings.timeout_seconds,
            abandon=self._hang_up,
            translate=lambda error: self._translate(error, request),
        )

    def _complete(self, request: Request) -> Reply:
        import openai  # noqa: PLC0415

        client = self._connected()
        start = time.perf_counter()
        while True:
            reply_format = self._format or request.reply_format
            try:
                completion = client.chat.completions.create(**self._body(request, reply_format))
                break
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if not self._adapt(error, request, reply_format):
                    raise
        return self._reply(completion, request, reply_format, round(time.perf_counter() - start, 6))

    def _body(self, request: Request, reply_format: ReplyFormat) -> dict[str, Any]:  # keyword arguments of the client
        body: dict[str, object] = {"model": request.model, "messages": request.wire_messages(reply_format)}
        limit = self._refused.get("max_tokens", "max_tokens")
        body |= {"temperature": request.temperature, limit: request.max_tokens}
        if "seed" not in self._refused:
            body["seed"] = request.seed
        if request.schema is not None:
            body["response_format"] = _response_format(request.schema, reply_format)
        if request.think is not None:
            body["extra_body"] = {"chat_template_kwargs": {"enable_thinking": request.think}}
        return {name: value for name, value in body.items() if value is not None}

    def _adapt(self, error: openai.APIStatusError, request: Request, reply_format: ReplyFormat) -> bool:
        """Change the form of the field that the server refused. Return False when it refused something else."""
        text = f"{error.param} {error.message}"
        if "max_completion_tokens" in text and "max_tokens" not in self._refused:
            self._refused["max_tokens"] = "max_completion_tokens"
        elif "seed" in text and "upport" in text and "seed" not in self._refused:
            self._refused["seed"] = "seed left out"
        elif request.schema is not None and reply_format in _NEXT_FORMAT and _about_format(text):
            self._format = _NEXT_FORMAT[reply_format]
        else:
            return False
        return True

    def _reply(self, completion: ChatCompletion | str, request: Request, reply_format: ReplyFormat, seconds: float) -> Reply:
        if isinstance(completion, str) or not completion.choices:
            raise TransportFault(f"what answers at {self._where()} does not speak OpenAI's JSON")
        choice, usage = completion.choices[0], completion.usage
        extra = choice.message.model_extra or {}
        facts = ModelFacts(
            backend="openai",
            model=completion.model or request.model,
            server=completion.system_fingerprint,
            reply_format=None if request.schema is None else str(reply_format),
            adapted=tuple(sorted(self._refused.values())),
        )
        return Reply(
            text=choice.message.content or choice.message.refusal or "",
            thinking=str(extra.get("reasoning_content") or extra.get("reasoning") or ""),
            facts=facts,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            seconds=seconds,
            finish_reason=cast("str | None", choice.finish_reason) or "",
        )

    def _connected(self) -> openai.OpenAI:
        if self._client is None:
            import openai  # noqa: PLC0415 - takes 0.5 s, which a command without an LLM does not need

            key, seconds = read_key(self._settings.key_env), self._settings.timeout_seconds
            if not key and self._address is None:
                variable = self._settings.key_env or "OPENAI_API_KEY"
                raise NotReady(f"No key for OpenAI: export {variable}=... (llm.key_env), or set llm.base_url.")
            timeout = openai.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
            # No retries here: retrying.py repeats calls, so that each attempt is recorded and counts towards the caps.
            self._client = openai.OpenAI(api_key=key or "none", base_url=self._address, timeout=timeout, max_retries=0)
            weakref.finalize(self, self._client.close)
        return self._client

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _where(self) -> str:
        return self._address or "api.openai.com"

    def _translate(self, error: Exception, request: Request) -> BackendError:
        import openai  # noqa: PLC0415

        if isinstance(error, BackendError):
            return error
        where = self._where()
        if isinstance(error, openai.APITimeoutError):
            return TransportFault(
                f"{where} gave no complete answer within {self._settings.timeout_seconds:g} s (llm.timeout_seconds)"
            )
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            if type(cause).__name__ == "ConnectError":
                return TransportFault(f"No server at {where}. Start it, or set llm.base_url.")
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
        if error.status_code == 404:
            end = "" if self._address else _retired(request.model)
            return NotReady(f"{where} has no model '{request.model}' for this key{end}: choose another with llm.model=NAME")
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
            return TransportFault(f"{where}: {error.status_code} {text}", retry_after_seconds=wait)
        if "temperature" in f"{error.param} {text}":
            return BadRequest(f"{where} refuses llm.temperature={request.temperature} ({text}): set llm.temperature=null")
        return BadRequest(f"{where} refuses the request: {error.status_code} {text}")


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


def _address(settings: LlmSettings) -> str | None:
    """Return the server's address, None for OpenAI's own. Raises SettingsError for an invalid address or one with a password."""
    if settings.base_url:
        return settings.base_url
    address = bare(os.environ.get("OPENAI_BASE_URL", ""))
    if address:
        check_address(address, "OPENAI_BASE_URL")
    return address or None


def _retired(model: str) -> str:
    price = Prices.read().of(model)
    return f" (OpenAI announced its end for {price.shutdown})" if price and price.shutdown else ""


def _openai_ready(settings: LlmSettings) -> Readiness:
    """Say whether a key is set, and whether OpenAI still serves the model. Sends nothing."""
    variable = settings.key_env or "OPENAI_API_KEY"
    price = Prices.read(settings.prices).of(settings.model)
    if price and price.shutdown and price.shutdown <= date.today():
        reason = f"OpenAI no longer serves {settings.model} (since {price.shutdown})"
        return Readiness(settings.name, False, reason, "llm.model=NAME, or llm.base_url=URL of a server that still does")
    if read_key(variable) is None:
        return Readiness(settings.name, False, f"{variable} is not set", f"export {variable}=...")
    return Readiness(settings.name, True, f"{variable} is set for {settings.model}")


def _local_ready(settings: LlmSettings) -> Readiness:
    """Say whether the server answers, and which models it lists."""
    address = str(_address(settings)).rstrip("/")
    key = read_key(settings.key_env)
    try:
        listed = get_json(f"{address}/models", timeout_seconds=PROBE_SECONDS, key=key)["data"]
        names = ", ".join(str(entry["id"]) for entry in listed[:_NAMED_MODELS])
        double = any(DOUBLE in str(entry.get("owned_by")) for entry in listed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException) as error:
        problem = one_line(f"no OpenAI-compatible server at {address} ({error})", limit=200)
        return Readiness(settings.name, False, problem, "start it, or set llm.base_url")
    serves = one_line(f"{address} serves {names or 'models that it does not list'}", limit=300)
    keyed = f"; {state_of(settings.key_env)}" if settings.key_env else ""
    return Readiness(settings.name, True, f"{serves}{keyed}", warning=double_warning(address) if double else "")
