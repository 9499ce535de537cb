"""Helpers of Ollama's double."""

from __future__ import annotations

import copy
import json

from harness.testing.servers.double import Body
from harness.testing.servers.schema import Schema


def shared_beginning(one: str, other: str) -> str:
    """Return the longest common beginning of two texts."""
    length = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]


def without_float_bounds(schema: Schema) -> Schema:
    """Return a schema with the bounds of floats widened, because the real sampler does not enforce them."""
    loose = copy.deepcopy(dict(schema))

    def widen(part: object) -> None:
        if isinstance(part, dict):
            if part.get("type") == "number":
                part.update({"minimum": -1e7, "maximum": 1e7})
            for inner in part.values():
                widen(inner)
        elif isinstance(part, list):
            for inner in part:
                widen(inner)

    widen(loose)
    return loose


def streamed(answer: Body) -> list[bytes]:
    """Split an answer into the lines of a stream; the last line holds the metrics."""
    text = answer["message"]["content"]
    size = max(1, len(text) // 8)
    head = {"model": answer["model"], "created_at": answer["created_at"]}
    lines = [
        {**head, "message": {"role": "assistant", "content": text[i : i + size]}, "done": False} for i in range(0, len(text), size)
    ]
    lines.append({**answer, "message": {"role": "assistant", "content": ""}})
    return [json.dumps(line).encode() + b"\n" for line in lines]


def overflow(prompt_tokens: int, window: int) -> str:
    """Return the error text of newer servers: llama.cpp's JSON inside Ollama's."""
    text = f"request ({prompt_tokens} tokens) exceeds the available context size ({window} tokens), try increasing it"
    detail = {"code": 400, "message": text, "type": "exceed_context_size_error", "n_prompt_tokens": prompt_tokens, "n_ctx": window}
    return json.dumps({"error": detail}, separators=(",", ":"))
