"""A double of OpenAI's chat completions (and of servers that imitate them) on a real port. Bodies and error texts are the real ones.

It also imitates these properties: a request without a key gives a 401; old models accept no `json_schema` (gpt-4 no `json_object` either);
JSON mode needs the word JSON in a message; strict schemas must require every key; reasoning models want `max_completion_tokens` and no
temperature; a prompt that is too long gives a 400.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from harness.testing.servers.double import Body, Call, Double, Refusal
from harness.testing.servers.replies import schema_in
from harness.testing.servers.script import FORMS, TRANSPORT, Script, Step
from harness.testing.servers.tokens import count_tokens, cut_at, listed

MODELS = ("gpt-3.5-turbo", "gpt-4", "gpt-4o", "gpt-6-luna")
# The word by which a double is recognised: see `harness/llm/backend.py`.
DOUBLE = "harness-double"
KEY = "sk-double-0123456789abcdef"
_NO_SCHEMA = ("gpt-3.5-turbo", "gpt-4")
_NO_JSON_MODE = ("gpt-4",)
_REASONING = ("gpt-6-luna",)
_CREATED = 1_767_322_445

ErrorBody: TypeAlias = dict[str, dict[str, Any]]


class OpenAIDouble(Double):
    """`key` is the only accepted key, None accepts all; `window` is the models' context length in tokens."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        port: int = 0,
        models: Sequence[str] = MODELS,
        key: str | None = KEY,
        window: int = 16385,
    ) -> None:
        super().__init__(script, port=port)
        self.models = list(models)
        self.key = key
        self.window = window

    @property
    def url(self) -> str:
        """The value for `llm.base_url` or OPENAI_BASE_URL."""
        return f"{self.address}/v1"

    def error_body(self, status: int, text: str) -> Mapping[str, object]:
        return _error(text)

    def get(self, path: str, call: Call) -> None:
        self._let_in(call)
        if path != "/v1/models":
            raise Refusal(404, _error(f"Invalid URL (GET {path})"))
        rows = [{"id": name, "object": "model", "created": _CREATED, "owned_by": DOUBLE} for name in self.models]
        call.send_json(200, {"object": "list", "data": rows})

    def post(self, path: str, body: Any, call: Call) -> None:
        if path != "/v1/chat/completions":
            raise Refusal(404, _error(f"Invalid URL (POST {path})"))
        self._let_in(call)
        if not isinstance(body, dict):
            raise Refusal(400, _error("We could not parse the JSON body of your request."))
        self._chat(body, call)

    def _let_in(self, call: Call) -> None:
        sent = (call.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        if self.key is None or sent == self.key:
            return
        if not sent:
            text = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth."
            raise Refusal(401, _error(text))
        shown = f"{sent[:8]}{'*' * 20}{sent[-4:]}"
        text = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
        raise Refusal(401, _error(text, code="invalid_api_key"))

    def _chat(self, body: Body, call: Call) -> None:
        self._check(body)
        request = json.dumps(body, sort_keys=True)
        step = self.next_step(request)
        self._refuse(step, body)
        prompt_tokens = sum(count_tokens(str(message.get("content", ""))) + 4 for message in body["messages"])
        if prompt_tokens > self.window:
            raise Refusal(400, self._too_long(prompt_tokens))
        if step.do == "truncated":
            prompt_tokens = max(1, prompt_tokens // 4)
        held = (body.get("response_format") or {}).get("json_schema") or {}
        schema = held.get("schema") or schema_in(body["messages"])
        text, kind = self.reply_text(step, request, schema, body["messages"])
        answer = self._dressed(_answer(body, text, prompt_tokens, "length" if kind == "cut_json" else "stop"), body)
        if step.do in FORMS:
            _give_form(answer["choices"][0], step.do)
        if step.do in TRANSPORT:
            call.lose(step, json.dumps(answer).encode())
            return
        self.count(kind)
        if body.get("stream"):
            call.send_lines(_streamed(answer), "text/event-stream")
        else:
            call.send_json(200, answer)

    def _dressed(self, answer: dict[str, Any], body: Body) -> dict[str, Any]:
        """Return an answer with what the kind of server adds or changes."""
        return answer

    def _check(self, body: Body) -> None:
        """Raise Refusal for what the model does not accept; such a request is not counted as a call."""
        model = str(body.get("model"))
        if model not in self.models:
            text = f"The model `{model}` does not exist or you do not have access to it."
            raise Refusal(404, _error(text, code="model_not_found"))
        wanted = body.get("response_format") or {}
        kind = wanted.get("type", "text")
        if (kind == "json_schema" and model in _NO_SCHEMA) or (kind == "json_object" and model in _NO_JSON_MODE):
            text = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
            raise Refusal(400, _error(text, param="response_format"))
        if kind == "json_object" and "json" not in json.dumps(body["messages"]).lower():
            text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            raise Refusal(400, _error(text, param="messages"))
        if kind == "json_schema" and wanted["json_schema"].get("strict"):
            _check_strict(wanted["json_schema"]["schema"], wanted["json_schema"]["name"], ())
        if model in _REASONING:
            _check_reasoning(body)

    def _refuse(self, step: Step, body: Body) -> None:
        """Raise Refusal for the faults that are an error answer."""
        wait = "Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more."
        limit = (
            f"Rate limit reached for {body['model']} in organization org-double on requests per min (RPM): Limit 3, Used 3. {wait}"
        )
        quota = "You exceeded your current quota, please check your plan and billing details."
        missing = f"The model `{body['model']}` does not exist or you do not have access to it."
        errors = {
            "error": (500, _error("The server had an error while processing your request. Sorry about that!", kind="server_error")),
            "busy": (503, _error("The engine is currently overloaded, please try again later", kind="server_error")),
            "rate_limit": (429, _error(limit, kind="requests", code="rate_limit_exceeded")),
            "quota": (429, _error(quota, kind="insufficient_quota", code="insufficient_quota")),
            "unauthorized": (401, _error("Incorrect API key provided.", code="invalid_api_key")),
            "not_pulled": (404, _error(missing, code="model_not_found")),
            "too_long": (400, self._too_long(self.window * 2)),
            "out_of_memory": (500, _error("CUDA out of memory", kind="server_error")),
        }
        if step.do in errors:
            self.count(step.do)
            status, error = errors[step.do]
            error["error"]["message"] = step.text or error["error"]["message"]
            raise Refusal(status, error, {"Retry-After": step.retry_after} if step.retry_after is not None else {})

    def _too_long(self, tokens: int) -> ErrorBody:
        text = f"This model's maximum context length is {self.window} tokens. However, your messages resulted in {tokens} tokens."
        return _error(f"{text} Please reduce the length of the messages.", param="messages", code="context_length_exceeded")


class LlamaCppDouble(OpenAIDouble):
    """A double of llama.cpp's server: one model, whatever name is asked for, without a key.

    As the real one it returns the file's path as the model, says its window in `/v1/models`, counts cached tokens as prompt tokens too,
    and answers a prompt that is in its cache differently unless the request says `cache_prompt: false`. It takes schemas and every field.
    """

    def __init__(self, script: Script | None = None, *, port: int = 0, file: str = "/models/tiny.gguf", window: int = 8192) -> None:
        super().__init__(script, port=port, models=(file,), key=None, window=window)
        self._cached: set[str] = set()

    def get(self, path: str, call: Call) -> None:
        if path != "/v1/models":
            raise Refusal(404, _LLAMA_CPP_404)
        meta = {"n_ctx": self.window, "n_ctx_train": 4 * self.window, "n_params": 86464, "size": 345856}
        row = {"id": self.models[0], "object": "model", "created": _CREATED, "owned_by": f"llamacpp-{DOUBLE}", "meta": meta}
        call.send_json(200, {"object": "list", "data": [row]})

    def post(self, path: str, body: Any, call: Call) -> None:
        if path != "/v1/chat/completions":
            raise Refusal(404, _LLAMA_CPP_404)
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            error = {"code": 400, "message": "Expected 'messages' to be an array", "type": "invalid_request_error"}
            raise Refusal(400, {"error": error})
        self._chat(body, call)

    def _check(self, body: Body) -> None:
        """Take every field."""

    def _too_long(self, tokens: int) -> ErrorBody:
        text = f"request ({tokens} tokens) exceeds the available context size ({self.window} tokens), try increasing it"
        kind = "exceed_context_size_error"
        return {"error": {"code": 400, "message": text, "type": kind, "n_prompt_tokens": tokens, "n_ctx": self.window}}

    def _dressed(self, answer: dict[str, Any], body: Body) -> dict[str, Any]:
        text = json.dumps([body["messages"], body.get("seed")], sort_keys=True)
        warm = body.get("cache_prompt", True) and text in self._cached
        self._cached.add(text)
        tokens = answer["usage"]["prompt_tokens"]
        usage = {**answer["usage"], "prompt_tokens_details": {"cached_tokens": tokens - 1 if warm else 0}}
        choice = answer["choices"][0]
        if warm:
            choice["message"]["content"] += " "  # the last bits of a cached prompt differ, and so may the text
        return {**answer, "model": self.models[0], "system_fingerprint": f"b0-{DOUBLE}", "usage": usage}


_LLAMA_CPP_404 = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}


def _error(text: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None) -> ErrorBody:
    return {"error": {"message": text, "type": kind, "param": param, "code": code}}


def _check_strict(schema: object, name: str, context: tuple[str, ...]) -> None:
    if not isinstance(schema, dict):
        return
    where = f"Invalid schema for response_format '{name}': In context={context}"
    for word in ("oneOf", "allOf", "not", "if"):
        if word in schema:
            raise Refusal(400, _error(f"{where}, '{word}' is not permitted.", param="response_format"))
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            text = f"{where}, 'additionalProperties' is required to be supplied and to be false."
            raise Refusal(400, _error(text, param="response_format"))
        missing = [key for key in schema.get("properties", {}) if key not in schema.get("required", ())]
        if missing:
            text = f"{where}, 'required' is required to be supplied and to be an array including every key in properties."
            raise Refusal(400, _error(f"{text} Missing '{missing[0]}'.", param="response_format"))
    for key, inner in schema.get("properties", {}).items():
        _check_strict(inner, name, (*context, "properties", key))
    for number, inner in enumerate(schema.get("anyOf", ())):
        _check_strict(inner, name, (*context, "anyOf", str(number)))


def _check_reasoning(body: Body) -> None:
    if "max_tokens" in body:
        text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise Refusal(400, _error(text, param="max_tokens", code="unsupported_parameter"))
    if "seed" in body:
        text = "Unsupported parameter: 'seed' is not supported with this model."
        raise Refusal(400, _error(text, param="seed", code="unsupported_parameter"))
    if body.get("logprobs"):
        text = "Unsupported parameter: 'logprobs' is not supported with this model."
        raise Refusal(400, _error(text, param="logprobs", code="unsupported_parameter"))
    if body.get("temperature", 1) != 1:
        text = f"Unsupported value: 'temperature' does not support {body['temperature']} with this model."
        text += " Only the default (1) value is supported."
        raise Refusal(400, _error(text, param="temperature", code="unsupported_value"))


def _answer(body: Body, text: str, prompt_tokens: int, reason: str) -> dict[str, Any]:
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or -1
    text, tokens, cut = cut_at(text, limit)
    reason = "length" if cut else reason
    message = {"role": "assistant", "content": text, "refusal": None}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
    logprobs = {"content": listed(text, body.get("top_logprobs") or 0), "refusal": None} if body.get("logprobs") else None
    number = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": _CREATED,
        "model": f"{body['model']}-2024-08-06",
        "choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": reason}],
        "usage": {**usage, "completion_tokens_details": {"reasoning_tokens": 0}},
        "system_fingerprint": DOUBLE,
    }


def _give_form(choice: dict[str, Any], form: str) -> None:
    """Send a reply as some servers do that imitate OpenAI's."""
    message, text, thought = choice["message"], choice["message"]["content"], "A smaller step may help."
    if form == "parts":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
        message["content"] = [thinking, {"type": "text", "text": text[:20]}, {"type": "text", "text": text[20:]}]
    elif form == "reasoning_apart":
        message["reasoning_content"] = thought
    elif form == "reasoning_only":
        message |= {"content": None, "reasoning": text}
    else:
        choice["finish_reason"] = "length"
        message["content"] = "" if form == "empty_at_limit" else f"A first idea would be {text} but that is bad because"


def _streamed(answer: dict[str, Any]) -> list[bytes]:
    """Cut an answer into server-sent events."""
    choice = answer["choices"][0]
    head = {key: answer[key] for key in ("id", "created", "model", "system_fingerprint")} | {"object": "chat.completion.chunk"}
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    text = choice["message"]["content"]
    deltas += [({"content": text[i : i + 40]}, None) for i in range(0, len(text), 40)]
    deltas.append(({}, choice["finish_reason"]))
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas]
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]
