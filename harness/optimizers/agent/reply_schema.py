"""The JSON schema of a reply: a configuration of the space including its conditions, and an analysis before it, after it or none.

Conditions become branches (`anyOf`). There is one branch for each combination of parent values that decides which children are active.
So an engine that follows the schema can only write members of the space. The schema also holds the bounds of floats, but not every
engine enforces them. Every reply is validated against the space in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from harness.space import Choice, Hyperparameter, Number, Space, Value

Schema: TypeAlias = dict[str, object]

# Every branch makes an engine's grammar larger. With more branches, conditional hyperparameters become optional; validation decides.
MOST_BRANCHES = 24
MOST_LISTED = 100


def reply_schema(space: Space, analysis: str = "before", longest_analysis: int | None = None) -> Schema:
    """Return the JSON schema of a reply for a space: `{"config": {...}}`, and a text `analysis` in the place that `analysis` names.

    Engines write the keys in the order of the schema. `longest_analysis` is in characters; None: no bound.
    """
    branches = list(_branches(space, 0, {}, {}))
    config: Schema = {"anyOf": branches} if len(branches) > 1 else branches[0]
    if len(branches) > MOST_BRANCHES:
        required = [hp.name for hp in space if not hp.when]
        config = _object({hp.name: _property(hp) for hp in space}, required)
    text: Schema = {"type": "string", **({"maxLength": longest_analysis} if longest_analysis else {})}
    parts: dict[str, Schema] = {"analysis": text, "config": config}
    order = {"none": ("config",), "after": ("config", "analysis"), "before": ("analysis", "config")}[analysis]
    return _object({name: parts[name] for name in order})


def value_sets(space: Space) -> list[dict[str, tuple[Value, ...]]]:
    """Return, for each branch of a space of choices, the values that each of its active hyperparameters may have."""
    found = []
    for branch in _branches(space, 0, {}, {}):
        properties = branch["properties"]
        assert isinstance(properties, Mapping)
        found.append({name: tuple(schema["enum"]) for name, schema in properties.items()})
    return found


def _branches(
    space: Space, index: int, chosen: Mapping[str, tuple[Value, ...]], properties: Mapping[str, Schema]
) -> Iterator[Schema]:
    """Yield one object schema for each combination of parent values, from hyperparameter `index` on.

    `chosen` holds the values that each earlier parent may have in this branch. The condition of any child allows all of them or none.
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


def _splits(hp: Hyperparameter, space: Space) -> list[tuple[tuple[Value, ...], Schema]]:
    """Group the values of `hp` by the children that they activate; a hyperparameter without children has one group."""
    conditions = [child.when[hp.name] for child in space if hp.name in child.when]
    if not conditions:
        return [((), _property(hp))]
    if isinstance(hp, Choice):
        groups: dict[tuple[bool, ...], list[Value]] = {}
        for choice in hp.choices:
            groups.setdefault(tuple(choice in allowed for allowed in conditions), []).append(choice)
        return [(tuple(values), _enum(values)) for values in groups.values()]
    # A number: one group per value that a condition names, and one for the rest. JSON schema cannot exclude values from a range, so the
    # rest of an integer with few values is listed.
    named = list(dict.fromkeys(value for allowed in conditions for value in allowed))
    alone: list[tuple[tuple[Value, ...], Schema]] = [((value,), _enum([value])) for value in named]
    other: tuple[Value, ...] = ("any other value",)
    if isinstance(hp, Number) and hp.integer and hp.high - hp.low < MOST_LISTED:
        rest = [value for value in range(int(hp.low), int(hp.high) + 1) if value not in named]
        return [*alone, (other, _enum(rest))] if rest else alone
    return [*alone, (other, _property(hp))]


def _property(hp: Hyperparameter) -> Schema:
    if isinstance(hp, Number):
        kind = int if hp.integer else float
        return {"type": "integer" if hp.integer else "number", "minimum": kind(hp.low), "maximum": kind(hp.high)}
    assert isinstance(hp, Choice)
    return _enum(hp.choices)


def _enum(values: Sequence[Value]) -> Schema:
    kinds = {_json_type(value) for value in values}
    return {**({"type": kinds.pop()} if len(kinds) == 1 else {}), "enum": list(values)}


def _json_type(value: Value) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number"


def _object(properties: Mapping[str, Schema], required: list[str] | None = None) -> Schema:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": dict(properties), "required": names, "additionalProperties": False}
