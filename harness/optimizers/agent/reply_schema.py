"""The JSON schema of a reply: an analysis, and a configuration of the space, conditions included.

A condition becomes branches (`anyOf`): one for each combination of parents' values that decides which children are active, so that a
sampler that follows the schema can only write members of the space. Bounds of floats are in it too, though not every engine keeps
them; every reply is validated against the space all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.space import Choice, Hyperparameter, Number, Space, Value

# Grammars grow with every branch; past this the conditional hyperparameters become optional and the validation decides.
MOST_BRANCHES = 24


def reply_schema(space: Space) -> dict[str, Any]:
    """Return the schema of `{"analysis": text, "config": {...}}` for a space."""
    branches = list(_branches(space, 0, {}, {}))
    config = {"anyOf": branches} if len(branches) > 1 else branches[0]
    if len(branches) > MOST_BRANCHES:
        required = [hp.name for hp in space if not hp.when]
        config = _object({hp.name: _property(hp) for hp in space}, required)
    return _object({"analysis": {"type": "string"}, "config": config})


def _branches(
    space: Space, index: int, chosen: dict[str, tuple[Value, ...]], properties: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield an object schema for each way to settle the parents from hyperparameter `index` on.

    `chosen` holds the values that each parent so far may have in this branch; for any child they are all in its condition or all not.
    """
    if index == len(space):
        yield _object(properties)
        return
    hp = space.hyperparameters[index]
    if not all(parent in chosen and set(chosen[parent]) <= set(allowed) for parent, allowed in hp.when.items()):
        yield from _branches(space, index + 1, chosen, properties)
        return
    for values, schema in _splits(hp, space):
        yield from _branches(space, index + 1, {**chosen, hp.name: values}, {**properties, hp.name: schema})


def _splits(hp: Hyperparameter, space: Space) -> list[tuple[tuple[Value, ...], dict[str, Any]]]:
    """Group the values of `hp` by the children that they switch on; one group for a hyperparameter without children."""
    conditions = [child.when[hp.name] for child in space if hp.name in child.when]
    if not conditions:
        return [((), _property(hp))]
    if isinstance(hp, Choice):
        groups: dict[tuple[bool, ...], list[Value]] = {}
        for choice in hp.choices:
            groups.setdefault(tuple(choice in allowed for allowed in conditions), []).append(choice)
        return [(tuple(values), _enum(values)) for values in groups.values()]
    # A number: each value that a condition names, and the rest of the range (which JSON schema cannot except them from).
    named = list(dict.fromkeys(value for allowed in conditions for value in allowed))
    other: tuple[Value, ...] = ("any other value",)
    return [*(((value,), _enum([value])) for value in named), (other, _property(hp))]


def _property(hp: Hyperparameter) -> dict[str, Any]:
    if isinstance(hp, Number):
        kind = int if hp.integer else float
        return {"type": "integer" if hp.integer else "number", "minimum": kind(hp.low), "maximum": kind(hp.high)}
    assert isinstance(hp, Choice)
    return _enum(hp.choices)


def _enum(values: Sequence[Value]) -> dict[str, Any]:
    kinds = {_json_type(value) for value in values}
    return {**({"type": kinds.pop()} if len(kinds) == 1 else {}), "enum": list(values)}


def _json_type(value: Value) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number"


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}
