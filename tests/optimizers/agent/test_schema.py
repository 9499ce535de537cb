from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.optimizers.agent.reply_schema import MOST_BRANCHES, reply_schema
from harness.space import Space

NESTED = Space.from_mapping(
    {
        "model": {"type": "categorical", "choices": ["mlp", "forest", "linear"], "default": "mlp", "meaning": "kind"},
        "optimizer": {
            "type": "categorical",
            "choices": ["sgd", "adam"],
            "default": "adam",
            "meaning": "rule",
            "when": {"model": "mlp"},
        },
        "momentum": {"type": "float", "low": 0, "high": 0.99, "default": 0.9, "meaning": "m", "when": {"optimizer": "sgd"}},
        "trees": {"type": "int", "low": 1, "high": 100, "scale": "log", "default": 10, "meaning": "t", "when": {"model": "forest"}},
        "bias": {"type": "bool", "default": True, "meaning": "b", "when": {"model": ["mlp", "linear"]}},
        "layers": {"type": "int", "low": 1, "high": 3, "default": 1, "meaning": "l"},
        "skip": {"type": "bool", "default": False, "meaning": "s", "when": {"layers": [2, 3]}},
    }
)


def config_schema(space: Space) -> dict[str, Any]:
    """Return the part of the schema that describes the configuration, as a reader of its JSON sees it."""
    schema: dict[str, Any] = json.loads(json.dumps(reply_schema(space)))
    config: dict[str, Any] = schema["properties"]["config"]
    return config


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Say whether a value fits a schema of the kind that reply_schema makes."""
    if "anyOf" in schema:
        return any(accepts(branch, value) for branch in schema["anyOf"])
    if "enum" in schema:
        return any(type(value) is type(choice) and value == choice for choice in schema["enum"])
    if schema["type"] == "object":
        known = schema["properties"]
        fits = all(name in known and accepts(known[name], inner) for name, inner in value.items())
        return fits and all(name in value for name in schema["required"])
    if schema["type"] == "string":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    whole = schema["type"] != "integer" or isinstance(value, int)
    return whole and schema["minimum"] <= value <= schema["maximum"]


@given(st.integers(0, 10_000))
def test_every_member_of_a_nested_space_fits_its_schema(seed: int) -> None:
    config = NESTED.sample(random.Random(seed))
    assert accepts(reply_schema(NESTED), {"analysis": "", "config": config})


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_mixture_of_two_members_fits_the_schema_only_when_it_is_a_member(one: int, other: int) -> None:
    first, second = NESTED.sample(random.Random(one)), NESTED.sample(random.Random(other))
    mixed = {**first, **second}
    assert accepts(reply_schema(NESTED), {"analysis": "", "config": mixed}) == (NESTED.problems(mixed) == ())


def test_conditions_become_branches_with_exactly_the_active_hyperparameters() -> None:
    config = config_schema(NESTED)
    shapes = {tuple(branch["properties"]) for branch in config["anyOf"]}
    assert ("model", "optimizer", "momentum", "bias", "layers", "skip") in shapes
    assert ("model", "trees", "layers") in shapes
    assert all(branch["required"] == list(branch["properties"]) for branch in config["anyOf"])
    assert all(branch["additionalProperties"] is False for branch in config["anyOf"])


def test_a_space_without_conditions_is_one_object() -> None:
    space = Space.from_mapping({"x": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "x"}})
    config = config_schema(space)
    assert config["properties"]["x"] == {"type": "number", "minimum": 0.0, "maximum": 1.0}
    assert config["required"] == ["x"]


@pytest.mark.parametrize("switches", [3, 6])
def test_many_independent_switches_do_not_make_the_schema_explode(switches: int) -> None:
    entries: dict[str, dict[str, Any]] = {}
    for number in range(switches):
        entries[f"s{number}"] = {"type": "bool", "default": True, "meaning": "switch"}
        entries[f"x{number}"] = {"type": "int", "low": 0, "high": 3, "default": 1, "meaning": "x", "when": {f"s{number}": True}}
    config = config_schema(Space.from_mapping(entries))
    if 2**switches <= MOST_BRANCHES:
        assert len(config["anyOf"]) == 2**switches
    else:
        assert config["required"] == [f"s{number}" for number in range(switches)]
        assert set(config["properties"]) == set(entries)
