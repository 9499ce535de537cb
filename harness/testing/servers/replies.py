"""The texts of a double's replies: one that fits the schema, and that text corrupted in each way of the fault list."""

from __future__ import annotations

import copy
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.testing.servers.schema import Schema, draw, fits, numbers, properties

CHATTER_BYTES = 2_000_000
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
# A line that asks for pairs, and a line that shows what a hyperparameter may be.
_PAIRS = re.compile(r"^\w+=value(?:, \w+=value)*$", re.MULTILINE)
_SHOWN = re.compile(r"^- (\w+): (.*) \(current: [^\n]*\)$", re.MULTILINE)
_THOUGHT = "<think>\nThe last loss fell, so a smaller step may help. {maybe: 'json'}\n</think>\n"


def schema_in(messages: Sequence[Mapping[str, object]]) -> Schema | None:
    """Return the last JSON schema in a fenced block of the messages, None without one."""
    for message in reversed(messages):
        for block in reversed(_FENCED.findall(str(message.get("content", "")))):
            try:
                found = json.loads(block)
            except ValueError:
                continue
            if isinstance(found, dict) and ("properties" in found or "anyOf" in found or "oneOf" in found):
                return found
    return None


def example_in(messages: Sequence[Mapping[str, object]]) -> str | None:
    """Return the last example answer in the messages, which is a JSON object with a `config`. None without one."""
    decoder, found = json.JSONDecoder(), None
    for message in messages:
        text = str(message.get("content", ""))
        for place in (match.start() for match in re.finditer(r"\{", text)):
            try:
                value, end = decoder.raw_decode(text, place)
            except ValueError:
                continue
            if "config" in value:
                found = text[place:end]
    return found


def pairs_in(messages: Sequence[Mapping[str, object]], rng: random.Random) -> str | None:
    """Return an answer of `name=value` pairs, where a message asks for some and lists their ranges or options. None where none does."""
    for message in reversed(messages):
        text = str(message.get("content", ""))
        asked = _PAIRS.findall(text)
        if asked:
            shown = dict(_SHOWN.findall(text))
            names = [pair.partition("=")[0] for pair in asked[-1].split(", ")]
            return "The analysis is clear.\n" + ", ".join(f"{name}={_drawn(shown.get(name, ''), rng)}" for name in names)
    return None


def _drawn(shown: str, rng: random.Random) -> object:
    """Draw from `low to high` or `one of [...]`, as a prompt writes them; of a wide range, on a log scale."""
    if shown.startswith("one of "):
        return rng.choice(json.loads(shown.removeprefix("one of ")))
    low, _, high = shown.partition(" to ")
    if not high:
        return "unknown"
    ends = float(low), float(high)
    wide = ends[0] > 0 and ends[1] / ends[0] > 100
    drawn = math.exp(rng.uniform(*map(math.log, ends))) if wide else rng.uniform(*ends)
    return round(drawn) if "." not in low + high and "e" not in low + high else f"{drawn:.3g}"


def answer(schema: Schema | None, rng: random.Random, messages: Sequence[Mapping[str, object]] = ()) -> str:
    """Return a reply that fits `schema`; without a schema, the pairs that `messages` ask for, or two sentences of analysis."""
    if schema is None and (pairs := pairs_in(messages, rng)):
        return pairs
    if schema is None:
        return f"The curve is still falling. Try a step {rng.choice(['half', 'twice'])} as large, and keep the rest."
    return json.dumps(draw(schema, rng))


def corrupt(kind: str, text: str, schema: Schema | None, earlier: str | None) -> str:
    """Return `text` (a valid reply) with the fault or the wrapping that `kind` names; `earlier` is the last valid reply."""
    plain = {
        "empty": "",
        "think_only": _THOUGHT,
        "think_then_answer": _THOUGHT + text,
        "fenced": f"Here is my proposal:\n```json\n{text}\n```\nGood luck!",
        "chatter": "Let me think about the learning rate some more. " * (CHATTER_BYTES // 48),
        "chatter_then_answer": "Let me think about the momentum some more. " * 400 + "\n" + text,
        "invalid_json": text[:-1].replace('"', "'", 2) + ",}",
        "cut_json": text[: max(1, len(text) // 2)],
        "repeat": text if earlier is None else earlier,
        "not_an_object": "[1, 2, 3]",
        "lone_surrogate": "\ud83d " + text,
    }
    if kind in plain:
        return plain[kind]
    if schema is None:
        return "I would rather not say."
    return json.dumps(_corrupted(kind, json.loads(text), schema))


def _corrupted(kind: str, reply: dict[str, Any], schema: Schema) -> dict[str, Any]:
    broken = copy.deepcopy(reply)
    # The configuration, where the reply holds more than it.
    inside = isinstance(reply.get("config"), dict) and bool(reply["config"])
    part = broken["config"] if inside else broken
    part_schema = properties(schema)["config"] if inside else schema
    named = [name for name in numbers(part_schema) if name in part]
    name = named[0] if named else next(iter(part))
    if kind == "out_of_range":
        part[name] = 1e30 if named else "no such choice"
    elif kind == "not_finite":
        part[name] = float("nan")
    elif kind == "wrong_type":
        part[name] = ["a", "list"]
    elif kind == "missing_key":
        del part[name]
    else:
        part["surprise"] = 1
    if fits(broken, schema):
        raise ValueError(f"{kind} does not break this reply")
    return broken
