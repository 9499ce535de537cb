"""A double of Ollama: the native API's routes, bodies, error texts and silences, on a real port.

What it imitates beyond the happy path: zero fields are left out, durations are nanoseconds, `num_ctx` is 4096 unless given, a prompt
over it is cut without a word (oldest messages first) unless the request says `truncate: false`, a model that was not pulled is a 404,
a queue that is full a 503, errors are `{"error": text}`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from servers.double import Call, Double, Refusal
from servers.replies import CHATTER_BYTES, schema_in
from servers.script import TRANSPORT, WRAPPED, Script, Step

PULLED = ("phi4-reasoning:14b", "qwen2.5-coder:32b")
VERSION = "0.12.9"
DEFAULT_WINDOW = 4096
_WHEN = "2026-01-02T03:04:05.678901Z"
_TOKEN = re.compile(r"[^\W\d_]{1,6}|\d{1,2}|[^\w\s]|_|\n")


def count_tokens(text: str) -> int:
    """Return a token count such as a usual vocabulary would give."""
    return len(_TOKEN.findall(text))


def cut_at(text: str, limit: int) -> tuple[str, int, bool]:
    """Return the first `limit` tokens of a text, how many it has then, and whether it was cut; a negative limit is none."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    if not 0 < limit < len(ends):
        return text, len(ends), False
    # Who chatters for megabytes does not keep to the limit, only says so.
    return text if len(text) >= CHATTER_BYTES - 100 else text[: ends[limit - 1]], limit, True


class OllamaDouble(Double):
    """`models` are pulled, those in `thinkers` can think; `honest=False` ignores `truncate: false`, as servers before 0.12.6 do."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        port: int = 0,
        models: Sequence[str] = PULLED,
        thinkers: Sequence[str] = (),
        honest: bool = True,
        trained_window: int = 32768,
    ) -> None:
        super().__init__(script, port=port)
        self.models = list(models)
        self.thinkers = set(thinkers)
        self.honest = honest
        self.trained_window = trained_window
        self._loaded: set[str] = set()

    @property
    def url(self) -> str:
        """What goes into `llm.base_url` or OLLAMA_HOST."""
        return self.address

    def error_body(self, status: int, text: str) -> Any:
        return {"error": text}

    def get(self, path: str, call: Call) -> None:
        if path == "/":
            call.send_whole(200, b"Ollama is running", "text/plain; charset=utf-8")
        elif path == "/api/version":
            call.send_json(200, {"version": VERSION})
        elif path == "/api/tags":
            call.send_json(200, {"models": [self._entry(name) for name in self.models]})
        elif path == "/api/ps":
            loaded = [{**self._entry(name), "expires_at": _WHEN, "size_vram": 9_000_000_000} for name in sorted(self._loaded)]
            call.send_json(200, {"models": loaded})
        else:
            raise Refusal(404, "404 page not found")

    def post(self, path: str, body: Any, call: Call) -> None:
        if body is None:
            raise Refusal(400, self.error_body(400, "missing request body"))
        routes = {"/api/chat": self._chat, "/api/show": self._show, "/api/pull": self._pull}
        if path not in routes:
            raise Refusal(404, "404 page not found")
        routes[path](body, call)

    # models

    def _known(self, body: Mapping[str, Any]) -> str:
        name = str(body.get("model") or body.get("name") or "")
        full = name if ":" in name else f"{name}:latest"
        if not name or full not in self.models:
            raise Refusal(404, self.error_body(404, f"model '{name}' not found"))
        return full

    def _details(self, name: str) -> dict[str, Any]:
        family = re.split(r"[^a-z]", name)[0]
        size = name.rpartition(":")[2].upper()
        return {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": size,
            "quantization_level": "Q4_K_M",
        }

    def _entry(self, name: str) -> dict[str, Any]:
        digest = hashlib.sha256(name.encode()).hexdigest()
        entry = {"name": name, "model": name, "modified_at": _WHEN, "size": 11_000_000_000, "digest": digest}
        return {**entry, "details": self._details(name)}

    def _show(self, body: Mapping[str, Any], call: Call) -> None:
        name = self._known(body)
        family = self._details(name)["family"]
        info = {"general.architecture": family, f"{family}.context_length": self.trained_window}
        abilities = ["completion", *(["thinking"] if name in self.thinkers else [])]
        shown = {"modelfile": f"FROM {name}", "template": "{{ .Prompt }}", "details": self._details(name), "model_info": info}
        call.send_json(200, {**shown, "capabilities": abilities, "modified_at": _WHEN})

    def _pull(self, body: Mapping[str, Any], call: Call) -> None:
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
        steps: list[dict[str, Any]] = [
            {"status": "pulling manifest"},
            layer,
            {**layer, "completed": 500},
            {**layer, "completed": 1000},
        ]
        steps += [{"status": text} for text in ("verifying sha256 digest", "writing manifest", "success")]
        call.send_lines([json.dumps(one).encode() + b"\n" for one in steps], "application/x-ndjson")

    # chat

    def _chat(self, body: Mapping[str, Any], call: Call) -> None:
        request = json.dumps(body, sort_keys=True)
        step = self.next_step(request)
        self._refuse(step, body)
        name = self._known(body)
        if body.get("think") and name not in self.thinkers:
            raise Refusal(400, self.error_body(400, f'"{body["model"]}" does not support thinking'))
        prompt_tokens = self._seen(body, step)
        schema = body.get("format") if isinstance(body.get("format"), dict) else schema_in(body["messages"])
        # A request without a fixed seed is answered at random by the real one; here too, every text depends on the request alone.
        earlier = dict(self._earlier)
        text, kind = self.reply_text(step, request, schema)
        answer = self._answer(body, text, prompt_tokens, "length" if kind == "cut_json" else "stop")
        if kind in ("valid", *WRAPPED) and answer["done_reason"] == "length":
            # It did not fit into the limit that the request sets: nobody saw its end, nor can it be repeated.
            kind, self._earlier = "cut_json", earlier
        if step.do in TRANSPORT:
            call.lose(step, json.dumps(answer).encode())
            return
        self.count(kind)
        self._loaded.add(name)
        if body.get("stream", True):
            call.send_lines(_streamed(answer), "application/x-ndjson")
        else:
            call.send_json(200, answer)

    def _refuse(self, step: Step, body: Mapping[str, Any]) -> None:
        """Raise for the faults that are an error answer."""
        window = (body.get("options") or {}).get("num_ctx", DEFAULT_WINDOW)
        errors = {
            "error": (500, "llama runner process has terminated: exit status 2"),
            "busy": (503, "server busy, please try again.  maximum pending requests exceeded"),
            "rate_limit": (429, "too many requests"),
            "out_of_memory": (500, "model requires more system memory (21.5 GiB) than is available (5.1 GiB)"),
            "unauthorized": (401, "unauthorized"),
            "quota": (429, "you have reached your weekly usage limit, please upgrade your plan"),
            "not_pulled": (404, f"model '{body.get('model')}' not found"),
            "too_long": (400, _overflow(window * 2, window)),
        }
        if step.do in errors:
            self.count(step.do)
            status, text = errors[step.do]
            headers = {"Retry-After": step.retry_after} if step.retry_after is not None else {}
            raise Refusal(status, self.error_body(status, step.text or text), headers)

    def _seen(self, body: Mapping[str, Any], step: Step) -> int:
        """Return how many prompt tokens the model gets to see."""
        window = (body.get("options") or {}).get("num_ctx", DEFAULT_WINDOW)
        sizes = [count_tokens(str(message.get("content", ""))) + 4 for message in body["messages"]]
        if step.do == "truncated":
            return max(1, sum(sizes) // 4)
        if sum(sizes) > window and self.honest and body.get("truncate") is False:
            raise Refusal(400, self.error_body(400, _overflow(sum(sizes), window)))
        while len(sizes) > 1 and sum(sizes) > window:
            del sizes[0]
        return min(sum(sizes), int(window))

    def _answer(self, body: Mapping[str, Any], text: str, prompt_tokens: int, reason: str) -> dict[str, Any]:
        text, tokens, cut = cut_at(text, (body.get("options") or {}).get("num_predict", -1))
        reason = "length" if cut else reason
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if body.get("think"):
            message["thinking"] = "The last loss fell, so a smaller step may help."
        metrics = {
            "total_duration": 1_000_000 * (20 + tokens),
            "load_duration": 0 if self._loaded else 12_000_000,
            "prompt_eval_count": prompt_tokens,
            "prompt_eval_duration": 1_000_000,
            "eval_count": tokens,
            "eval_duration": 1_000_000 * tokens,
        }
        answer = {"model": body["model"], "created_at": _WHEN, "message": message, "done": True, "done_reason": reason}
        return {**answer, **{name: value for name, value in metrics.items() if value}}


def _streamed(answer: dict[str, Any]) -> list[bytes]:
    """Cut an answer into the lines of a stream; the last holds the metrics."""
    text = answer["message"]["content"]
    size = max(1, len(text) // 8)
    head = {"model": answer["model"], "created_at": answer["created_at"]}
    lines = [
        {**head, "message": {"role": "assistant", "content": text[i : i + size]}, "done": False} for i in range(0, len(text), size)
    ]
    lines.append({**answer, "message": {"role": "assistant", "content": ""}})
    return [json.dumps(line).encode() + b"\n" for line in lines]


def _overflow(prompt_tokens: int, window: int) -> str:
    """Return the error text of the newer servers: llama.cpp's own JSON inside Ollama's."""
    text = f"request ({prompt_tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"
    detail = {"code": 400, "message": text, "type": "exceed_context_size_error", "n_prompt_tokens": prompt_tokens, "n_ctx": window}
    return json.dumps({"error": detail}, separators=(",", ":"))
