"""A double of Ollama on a real port. Routes, bodies and error texts of the native API are those that version 0.32.15 was seen to give.

It also imitates these properties:

- Fields that are zero are left out, and durations are in nanoseconds.
- `num_ctx` is 4096 unless given, and at least 256. A longer prompt is truncated silently, oldest messages first, unless the request says
  `truncate: false`.
- Names of models may be in any case. A model that was not pulled gives a 404, a full queue a 503.
- With `logprobs: true` the answer lists its tokens with log-probabilities, and so many alternatives of each as `top_logprobs` says.
- Errors are `{"error": text}`; those of unknown routes are plain text.
- A reply that repeats one token is stopped without a reason. A model that can think does so unless the request forbids it.

Its version ends in `-double`, so that it is never taken for a real model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.testing.servers.double import Body, Call, Double, Refusal
from harness.testing.servers.ollama_parts import overflow, shared_beginning, streamed, without_float_bounds
from harness.testing.servers.ollama_refusals import NOT_ALLOWED, NOT_FOUND, check_body, check_format, check_options, not_json
from harness.testing.servers.replies import example_in, schema_in
from harness.testing.servers.script import TRANSPORT, WRAPPED, Script, Step
from harness.testing.servers.tokens import before_loop, count_tokens, cut_at, listed

PULLED = ("phi4-reasoning:14b", "qwen2.5-coder:32b")
# The architecture is written in the model's file, and often differs from its name.
FAMILIES = {
    "phi4-reasoning": "phi3",
    "qwen2.5-coder": "qwen2",
    "gemma4": "gemma4",
    "gpt-oss": "gptoss",
    "ministral-3": "mistral3",
    "qwen3.5": "qwen35",
}
_THOUGHT = "The last loss fell, so a smaller step may help."
VERSION = "0.32.15"
DEFAULT_WINDOW = 4096
_WINDOW_STEP = 256  # llama.cpp makes the window a multiple of it
_GETS = ("/", "/api/version", "/api/tags", "/api/ps")
_WHEN = "2026-01-02T03:04:05.678901Z"
_ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


class OllamaDouble(Double):
    """`models` are the pulled models; those in `thinkers` can think. `thinking_values` are what a newer server lists for some of them.

    What a model thinks counts as its tokens, and the limit of a reply may end it before it begins to answer (`thought`).

    Tests can switch on properties of the real server. `drifts`: above temperature 0, the first call, the same call with its prompt in the
    cache, and the call after the model was loaded again give three texts. `float_bounds=False`: a schema's bounds of floats are not
    enforced. Older versions: `honest=False` ignores `truncate: false`, as before 0.12.6; `version="0.30.0"` does not count cached prompt
    tokens.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        port: int = 0,
        models: Sequence[str] = PULLED,
        thinkers: Sequence[str] = (),
        honest: bool = True,
        trained_window: int = 32768,
        version: str = VERSION,
        drifts: bool = False,
        float_bounds: bool = True,
        thinking_values: Mapping[str, Sequence[bool | str]] | None = None,
        thought: str = _THOUGHT,
    ) -> None:
        super().__init__(script, port=port)
        self.models = list(models)
        self.thinkers = set(thinkers)
        self.honest = honest
        self.trained_window = trained_window
        self.version = f"{version}-double"
        self.drifts = drifts
        self.float_bounds = float_bounds
        self.thinking_values = dict(thinking_values or {})
        self.thought = thought
        self.digests: dict[str, str] = {}  # of models that were pulled again under the same name
        self._loaded: set[str] = set()
        self._loads = 0
        self._prompts: list[str] = []  # the prompts in the cache of the loaded model

    @property
    def url(self) -> str:
        """The value for `llm.base_url` or OLLAMA_HOST."""
        return self.address

    @property
    def announced(self) -> str:
        """The line by which a command says that a double answers."""
        return f"llm: the server at {self.url} is a test double: its answers are random configurations\n"

    def error_body(self, status: int, text: str) -> dict[str, object]:
        return {"error": text}

    def not_json(self, raw: bytes) -> str:
        return not_json(raw)

    def get(self, path: str, call: Call) -> None:
        if path == "/":
            call.send_whole(200, b"Ollama is running", "text/plain; charset=utf-8")
        elif path == "/api/version":
            call.send_json(200, {"version": self.version})
        elif path == "/api/tags":
            call.send_json(200, {"models": [self._entry(name) for name in self.models]})
        elif path == "/api/ps":
            loaded = [{**self._entry(name), "expires_at": _WHEN, "size_vram": 9_000_000_000} for name in sorted(self._loaded)]
            call.send_json(200, {"models": loaded})
        elif path in ("/api/chat", "/api/show", "/api/pull"):
            raise Refusal(405, NOT_ALLOWED)
        else:
            raise Refusal(404, NOT_FOUND)

    def post(self, path: str, body: Any, call: Call) -> None:
        routes = {"/api/chat": self._chat, "/api/show": self._show, "/api/pull": self._pull}
        if path not in routes:
            raise Refusal(405, NOT_ALLOWED) if path in _GETS else Refusal(404, NOT_FOUND)
        if body is None:
            raise Refusal(400, self.error_body(400, "missing request body"))
        check_body(body)
        routes[path](body, call)

    # models

    def _known(self, body: Body) -> str:
        name = str(body.get("model") or body.get("name") or "")
        full = (name if ":" in name else f"{name}:latest").lower()
        found = next((model for model in self.models if model.lower() == full), None)
        if found is None:
            raise Refusal(404, self.error_body(404, f"model '{name}' not found"))
        return found

    def _details(self, name: str) -> dict[str, object]:
        family = FAMILIES.get(name.partition(":")[0], "llama")
        size = name.rpartition(":")[2].upper()
        return {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": size,
            "quantization_level": "Q4_K_M",
        }

    def _entry(self, name: str) -> dict[str, object]:
        digest = self.digests.get(name) or hashlib.sha256(name.encode()).hexdigest()
        entry = {"name": name, "model": name, "modified_at": _WHEN, "size": 11_000_000_000, "digest": digest}
        return {**entry, "details": self._details(name), "context_length": self.trained_window}

    def _show(self, body: Body, call: Call) -> None:
        name = self._known(body)
        family = self._details(name)["family"]
        info = {"general.architecture": family, f"{family}.context_length": self.trained_window}
        abilities = ["completion", *(["thinking"] if name in self.thinkers else [])]
        shown = {"modelfile": f"FROM {name}", "template": "{{ .Prompt }}", "details": self._details(name), "model_info": info}
        texts: dict[str, object] = {"parameters": 'stop "<|im_end|>"', "license": "MIT"}
        if values := self.thinking_values.get(name):
            texts["thinking"] = {"values": list(values), "default": values[0]}
        call.send_json(200, {**shown, **texts, "capabilities": abilities, "modified_at": _WHEN})

    def _pull(self, body: Body, call: Call) -> None:
        name = str(body.get("model") or body.get("name") or "")
        if name.startswith("no-such"):
            raise Refusal(500, self.error_body(500, "pull model manifest: file does not exist"))
        full = name if ":" in name else f"{name}:latest"
        if full not in self.models:
            self.models.append(full)
        if body.get("stream") is False:
            call.send_json(200, {"status": "success"})
            return
        digest = hashlib.sha256(full.encode()).hexdigest()
        layer = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": 1000}
        steps: list[dict[str, object]] = [
            {"status": "pulling manifest"},
            layer,
            {**layer, "completed": 500},
            {**layer, "completed": 1000},
        ]
        steps += [{"status": text} for text in ("verifying sha256 digest", "writing manifest", "success")]
        call.send_lines([json.dumps(one).encode() + b"\n" for one in steps], "application/x-ndjson")

    # chat

    def _chat(self, body: Body, call: Call) -> None:
        if not body.get("messages"):
            self._load_or_unload(body, call)
            return
        request = json.dumps(body, sort_keys=True)
        step = self.next_step(request)
        self._refuse(step, body)
        name = self._known(body)
        check_options(body.get("options") or {})
        check_format(body.get("format"))
        if body.get("think") and name not in self.thinkers:
            raise Refusal(400, self.error_body(400, f'"{body["model"]}" does not support thinking'))
        prompt_tokens = self._seen(body, step)
        kind, answer = self._reply(body, step, request, prompt_tokens)
        if step.do in TRANSPORT:
            call.lose(step, json.dumps(answer).encode())
            return
        self.count(kind)
        self._load(name, body)
        if body.get("stream", True):
            call.send_lines(streamed(answer), "application/x-ndjson")
        else:
            call.send_json(200, answer)

    def _reply(self, body: Body, step: Step, request: str, prompt_tokens: int) -> tuple[str, dict[str, object]]:
        """Return the kind of fault in the reply, and the answer that holds it."""
        # The real server answers a request without a seed at random. Here every text depends on the request only.
        earlier = dict(self._earlier)
        text, kind = self.reply_text(step, request + self._drift(body), self._schema_of(body), body["messages"])
        if kind == "example":
            text = example_in(body["messages"]) or text
        # A text that a test gives is sent unchanged.
        looped = "0" * 60 if kind == "aborted" else before_loop(text) if kind == "valid" else None
        answer = self._answer(body, text, prompt_tokens, "length" if kind == "cut_json" else "stop")
        if looped is not None:
            head = {name: answer[name] for name in ("model", "created_at")}
            return "aborted", {**head, "message": {"role": "assistant", "content": looped}, "done": False}
        if kind in ("valid", *WRAPPED) and answer["done_reason"] == "length":
            # The reply was cut at the request's limit. It is not a valid reply, and so it cannot be repeated later.
            kind, self._earlier = "cut_json", earlier
        return kind, answer

    def _load_or_unload(self, body: Body, call: Call) -> None:
        """Answer a chat without messages, which only loads or unloads the model."""
        name, unload = self._known(body), body.get("keep_alive") in (0, "0", "0s")
        if unload:
            self._loaded.discard(name)
            self._prompts.clear()
        else:
            self._load(name, body)
        message = {"role": "assistant", "content": ""}
        reason = "unload" if unload else "load"
        call.send_json(200, {"model": body["model"], "created_at": _WHEN, "message": message, "done": True, "done_reason": reason})

    def _load(self, name: str, body: Body) -> None:
        if name not in self._loaded:
            self._loaded.add(name)
            self._loads += 1
        self._prompts.append(json.dumps(body.get("messages") or []))

    def _drift(self, body: Body) -> str:
        """Return what decides the text besides the request; empty unless the double `drifts`."""
        if not self.drifts or not (body.get("options") or {}).get("temperature", 0.8):
            return ""
        if json.dumps(body["messages"]) in self._prompts:
            return "cached"
        return "reloaded" if self._loads > 1 or (self._loads and not self._loaded) else ""

    def _schema_of(self, body: Body) -> Body | None:
        """Return the schema that the reply will fit; None without one."""
        held = body.get("format")
        if isinstance(held, dict):
            return held if self.float_bounds else without_float_bounds(held)
        return schema_in(body["messages"]) or (_ANY_OBJECT if held == "json" else None)

    def _refuse(self, step: Step, body: Body) -> None:
        """Raise Refusal for the faults that are an error answer."""
        window = (body.get("options") or {}).get("num_ctx", DEFAULT_WINDOW)
        errors = {
            "error": (500, "llama runner process has terminated: exit status 2"),
            "busy": (503, "server busy, please try again.  maximum pending requests exceeded"),
            "rate_limit": (429, "too many requests"),
            "out_of_memory": (500, "model requires more system memory (21.5 GiB) than is available (5.1 GiB)"),
            "unauthorized": (401, "unauthorized"),
            "quota": (429, "you have reached your weekly usage limit, please upgrade your plan"),
            "not_pulled": (404, f"model '{body.get('model')}' not found"),
            "too_long": (400, overflow(window * 2, window)),
        }
        if step.do in errors:
            self.count(step.do)
            status, text = errors[step.do]
            headers = {"Retry-After": step.retry_after} if step.retry_after is not None else {}
            raise Refusal(status, self.error_body(status, step.text or text), headers)

    def _seen(self, body: Body, step: Step) -> int:
        """Return how many prompt tokens the model sees."""
        asked = (body.get("options") or {}).get("num_ctx", DEFAULT_WINDOW)
        window = -(-asked // _WINDOW_STEP) * _WINDOW_STEP
        sizes = [count_tokens(str(message.get("content", ""))) + 4 for message in body["messages"]]
        if step.do == "truncated":
            return max(1, sum(sizes) // 4)
        if sum(sizes) > window and self.honest and body.get("truncate") is False:
            raise Refusal(400, self.error_body(400, overflow(sum(sizes), window)))
        while len(sizes) > 1 and sum(sizes) > window:
            del sizes[0]
        seen = min(sum(sizes), int(window))
        return max(1, seen - self._cached(body)) if self.version.startswith("0.30.0-") else seen

    def _cached(self, body: Body) -> int:
        """Return how many tokens of a prompt are in the cache: the beginning that it shares with an earlier prompt."""
        text = json.dumps(body["messages"])
        return max((count_tokens(shared_beginning(text, earlier)) for earlier in self._prompts), default=0)

    def _answer(self, body: Body, text: str, prompt_tokens: int, reason: str) -> dict[str, object]:
        limit = (body.get("options") or {}).get("num_predict", -1)
        thinks = body.get("think", self._known(body) in self.thinkers)
        thought, thought_tokens, broken_off = cut_at(self.thought if thinks else "", limit)
        left = limit - thought_tokens if limit > 0 else limit
        text, tokens, cut = ("", 0, True) if broken_off or left == 0 else cut_at(text, left)
        tokens += thought_tokens
        reason = "length" if cut else reason
        message: dict[str, object] = {"role": "assistant", "content": text}
        if thought:
            message["thinking"] = thought
        metrics = {
            "total_duration": 1_000_000 * (20 + tokens),
            "load_duration": 0 if self._loaded else 12_000_000,
            "prompt_eval_count": prompt_tokens,
            "prompt_eval_duration": 1_000_000,
            "eval_count": tokens,
            "eval_duration": 1_000_000 * tokens,
        }
        answer = {"model": body["model"], "created_at": _WHEN, "message": message, "done": True, "done_reason": reason}
        if body.get("logprobs"):
            answer["logprobs"] = listed(text, body.get("top_logprobs") or 0)
        return {**answer, **{name: value for name, value in metrics.items() if value}}
