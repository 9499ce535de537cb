"""Draw a random value that fits a JSON schema, and say whether a value fits one.

The check is done by the package jsonschema. Drawing is written here, because a double's replies must follow from its seed, and
hypothesis-jsonschema cannot draw from a given random state. It supports what a reply's schema may hold: type (also a list of types), enum,
const, properties, required, additionalProperties, bounds of numbers, lengths, strings without a pattern, items, anyOf, oneOf, allOf,
if/then/else, and $ref into $defs.
"""

from __future__ import annotations

import functools
import json
import math
import random
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]

_WORDS = (
    "the",
    "learning",
    "rate",
    "looks",
    "high",
    "for",
    "this",
    "batch",
    "size",
    "so",
    "lower",
    "it",
    "and",
    "keep",
    "the",
    "rest",
)


def draw(schema: Schema, rng: random.Random) -> Any:
    """Return a value that fits `schema`. Raises ValueError when none is found."""
    for _ in range(50):
        value = _draw(schema, rng, schema)
        if fits(value, schema):
            return value
    raise ValueError(f"cannot draw from {schema}")


def fits(value: object, schema: object, root: Schema | None = None) -> bool:
    """Say whether `value` fits `schema`, whose references point into `root`. NaN and infinities, which are not JSON, fit no schema."""
    whole = _validator(json.dumps(schema if root is None else root))
    return is_json(value) and bool((whole if root is None else whole.evolve(schema=schema)).is_valid(value))


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


def is_json(value: object) -> bool:
    """Say whether all numbers in a value are finite."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def numbers(schema: Schema) -> list[str]:
    """Return the names of the numeric properties of an object schema, those in branches included."""
    return [name for name, inner in properties(schema).items() if set(_listed(inner.get("type", ""))) & {"number", "integer"}]


def properties(schema: Schema) -> dict[str, Schema]:
    """Return all properties of an object schema, those in branches included."""
    found: dict[str, Schema] = dict(schema.get("properties", {}))
    for word in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(word, ()):
            found = properties(branch) | found
    for word in ("then", "else"):
        if word in schema:
            found = properties(schema[word]) | found
    return found


def _draw(schema: Schema | bool, rng: random.Random, root: Schema) -> object:
    if isinstance(schema, bool):
        return None
    schema = _resolved(schema, root)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            rest = {key: inner for key, inner in schema.items() if key != word}
            return _draw(_merged(rest, rng.choice(schema[word]), root), rng, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = rng.choice(_listed(schema.get("type", "object" if "properties" in schema else "string")))
    if kind == "object":
        return _draw_object(schema, rng, root)
    if kind == "array":
        return [_draw(schema.get("items", {"type": "string"}), rng, root) for _ in range(schema.get("minItems", 1))]
    if kind in ("number", "integer"):
        return _draw_number(schema, kind, rng)
    simple = {"boolean": rng.random() < 0.5, "null": None}
    return simple[kind] if kind in simple else _draw_text(schema, rng)


def _draw_object(schema: Schema, rng: random.Random, root: Schema) -> dict[str, object]:
    plain: Schema = {key: inner for key, inner in schema.items() if key not in ("allOf", "if", "then", "else")}
    for part in schema.get("allOf", ()):
        if "if" not in part:
            plain = _merged(plain, part, root)
    names = plain.get("required", list(plain.get("properties", {})))
    value = {name: _draw(inner, rng, root) for name, inner in plain.get("properties", {}).items() if name in names}
    for part in [schema, *schema.get("allOf", ())]:
        if "if" in part:
            branch = part.get("then" if fits(value, part["if"], root) else "else", {})
            extra = {**plain.get("properties", {}), **branch.get("properties", {})}
            value |= {name: _draw(extra[name], rng, root) for name in branch.get("required", ()) if name not in value}
    return value


def _draw_number(schema: Schema, kind: str, rng: random.Random) -> float | int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", max(1, low + 1)))
    if kind == "integer":
        return rng.randint(math.ceil(low), math.floor(high))
    # A range over decades is drawn on a log scale; a uniform draw would give values near its top only.
    value = math.exp(rng.uniform(math.log(low), math.log(high))) if low > 0 and high / low >= 100 else rng.uniform(low, high)
    return float(f"{min(max(value, low), high):.6g}")


def _draw_text(schema: Schema, rng: random.Random) -> str:
    text: str = " ".join(rng.choices(_WORDS, k=rng.randint(6, 14)))
    text += " " * max(0, schema.get("minLength", 0) - len(text))
    return text[: int(schema.get("maxLength", len(text)))]


def _merged(first: Schema, second: Schema, root: Schema) -> Schema:
    second = _resolved(second, root)
    both = {**first, **second}
    for word in ("properties",):
        if word in first and word in second:
            names = {**first[word], **second[word]}
            both[word] = {name: {**first[word].get(name, {}), **second[word].get(name, {})} for name in names}
    if "required" in first or "required" in second:
        both["required"] = list(dict.fromkeys([*first.get("required", ()), *second.get("required", ())]))
    if first.get("additionalProperties") is False and "properties" not in second:
        both["additionalProperties"] = False
    return both


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{key: inner for key, inner in schema.items() if key != "$ref"}}
    return schema


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
