"""The requests that the real Ollama refuses before it asks a model, with its error texts (0.32.15), which come from Go and llama.cpp."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from harness.testing.servers.double import Body, Refusal

NOT_FOUND, NOT_ALLOWED = "404 page not found", "405 method not allowed"
_NAME = re.compile(r"([A-Za-z0-9][\w.:-]*/)?([A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]{0,79}(:[A-Za-z0-9_][\w.-]{0,79})?")
_FIELDS = {
    "model": (str, "string"),
    "messages": (list, "[]api.Message"),
    "options": (dict, "map[string]interface {}"),
    "stream": (bool, "bool"),
}
_OPTIONS = {
    "num_ctx": (int, "integer"),
    "num_predict": (int, "integer"),
    "seed": (int, "integer"),
    "top_k": (int, "integer"),
    "temperature": (float, "float32"),
    "top_p": (float, "float32"),
}
_DURATION = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)")
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def not_json(raw: bytes) -> str:
    """Return Go's error text for a body that is not JSON."""
    text = raw.decode(errors="replace").lstrip()
    if text.startswith("{"):
        return f"invalid character {text[1:].lstrip()[:1]!r} looking for beginning of object key string"
    return f"invalid character {text[:1]!r} looking for beginning of value"


def check_body(body: Body) -> None:
    """Raise Refusal for a field of a wrong type, an invalid duration and an invalid model name."""
    for name, (kind, go) in _FIELDS.items():
        value = body.get(name)
        if value is not None and not isinstance(value, kind):
            raise _wrong_type(value, name, go)
    for message in body.get("messages") or ():
        if not isinstance(message, dict):
            raise _wrong_type(message, "messages", "api.Message")
    keep_alive = body.get("keep_alive")
    if isinstance(keep_alive, str) and not _DURATION.fullmatch(keep_alive):
        missing = keep_alive.lstrip("+-").isdigit()
        raise _refused(400, f'time: {"missing unit in" if missing else "invalid"} duration "{keep_alive}"')
    think = body.get("think")
    if isinstance(think, str) and think not in ("high", "medium", "low"):
        raise _refused(400, f'invalid think value: "{think}" (must be "high", "medium", "low", true, or false)')
    name = str(body.get("model") or body.get("name") or "")
    if not name:
        raise _refused(400, "model is required")
    if not _NAME.fullmatch(name):
        raise _refused(400, "invalid model name")


def check_options(options: Body) -> None:
    """Raise Refusal for an option of a wrong type."""
    for name, (kind, word) in _OPTIONS.items():
        value = options.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind | int)):
            raise _refused(500, f'option "{name}" must be of type {word}')


def check_format(wanted: object) -> None:
    """Raise Refusal for a format that is neither `json` nor a schema, and for a schema that llama.cpp cannot convert to a grammar."""
    if isinstance(wanted, str) and wanted not in ("", "json"):
        raise _refused(500, f'invalid format: "{wanted}"; expected "json" or a valid JSON Schema object')
    problem = _unconvertible(wanted, wanted) if isinstance(wanted, dict) else ""
    if problem:
        detail = {"code": 400, "message": f"JSON schema conversion failed:\n{problem}", "type": "invalid_request_error"}
        raise _refused(400, json.dumps({"error": detail}, separators=(",", ":")))


def _unconvertible(schema: object, root: Body) -> str:
    if isinstance(schema, list):
        return next(filter(None, (_unconvertible(inner, root) for inner in schema)), "")
    if not isinstance(schema, dict):
        return ""
    pattern, reference = schema.get("pattern"), schema.get("$ref")
    if isinstance(schema.get("type"), str) and schema["type"] not in _TYPES:
        return f"Unrecognized schema: {json.dumps(schema)}"
    if isinstance(pattern, str) and not (pattern.startswith("^") and pattern.endswith("$")):
        return "Pattern must start with '^' and end with '$'"
    if isinstance(reference, str) and not _resolves(reference, root):
        return f"Error resolving ref {reference}"
    inside = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inside += [schema.get(word) for word in ("items", "anyOf", "oneOf", "allOf")]
    return _unconvertible(inside, root)


def _resolves(reference: str, root: Body) -> bool:
    target: object = root
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(target, Mapping) or part not in target:
            return False
        target = target[part]
    return True


def _json_kind(value: object) -> str:
    kinds = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return kinds[type(value)]


def _wrong_type(value: object, field: str, go: str) -> Refusal:
    return _refused(400, f"json: cannot unmarshal {_json_kind(value)} into Go struct field ChatRequest.{field} of type {go}")


def _refused(status: int, text: str) -> Refusal:
    return Refusal(status, {"error": text})
