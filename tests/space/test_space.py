from __future__ import annotations

import random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from harness.errors import InvalidConfig, SettingsError
from harness.space import Config, Space

ENTRIES: dict[str, dict[str, Any]] = {
    "learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
    "layers": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "depth"},
    "optimizer": {"type": "categorical", "choices": ["sgd", "adam", "none"], "default": "adam", "meaning": "update rule"},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99, "default": 0.9, "meaning": "inertia", "when": {"optimizer": "sgd"}},
    "nesterov": {"type": "bool", "default": False, "meaning": "look ahead", "when": {"optimizer": ["sgd"], "momentum": 0.5}},
    "size": {"type": "ordinal", "levels": [16, 32, 64], "default": 32, "meaning": "batch", "unit": "images"},
}
SPACE = Space.from_mapping(ENTRIES)
SEEDS = st.integers(0, 10_000).map(random.Random)


@given(SEEDS)
def test_a_sample_is_a_member_in_the_order_of_the_space(rng: random.Random) -> None:
    config = SPACE.sample(rng)
    assert SPACE.problems(config) == ()
    assert list(config) == [name for name in SPACE.names if name in config]
    assert ("momentum" in config) == (config["optimizer"] == "sgd")


@given(SEEDS)
def test_a_point_of_the_unit_cube_and_its_configuration_are_inverse(rng: random.Random) -> None:
    config = SPACE.from_unit([rng.random() for _ in SPACE])
    position = SPACE.to_unit(config)
    assert len(position) == len(SPACE)
    assert all(0 <= u <= 1 for u in position)
    again = SPACE.from_unit(position)
    assert again.keys() == config.keys()
    assert again == pytest.approx(config)


@given(SEEDS, st.sampled_from(SPACE.names))
def test_what_is_drawn_for_the_others_does_not_depend_on_a_choice(rng: random.Random, name: str) -> None:
    seed = rng.randrange(1000)
    one = SPACE.sample(random.Random(seed))
    narrowed = {**ENTRIES, "optimizer": {**ENTRIES["optimizer"], "choices": ["adam", "sgd"]}}
    other = Space.from_mapping(narrowed).sample(random.Random(seed))
    if name != "optimizer" and name in one and name in other:
        assert one[name] == other[name]


@given(
    st.dictionaries(
        st.sampled_from([*SPACE.names, "lr", ""]), st.none() | st.floats() | st.integers() | st.text() | st.lists(st.integers())
    )
)
def test_any_mapping_is_a_member_or_gets_its_complaints_and_nothing_is_repaired(given_config: dict[str, Any]) -> None:
    problems = SPACE.problems(given_config)
    if problems:
        with pytest.raises(InvalidConfig) as refused:
            SPACE.check(given_config)
        assert refused.value.problems == problems
    else:
        checked = SPACE.check(given_config)
        assert checked == given_config
        assert SPACE.check(checked) == checked


def test_the_default_is_a_member_and_holds_no_inactive_hyperparameter() -> None:
    assert SPACE.default() == {"learning_rate": 1e-3, "layers": 2, "optimizer": "adam", "size": 32}


def test_a_child_is_active_only_while_its_parents_are() -> None:
    full: Config = {"learning_rate": 0.1, "layers": 2, "optimizer": "sgd", "momentum": 0.5, "nesterov": True, "size": 16}
    assert SPACE.check(full) == full
    without = {k: v for k, v in full.items() if k != "momentum"}
    assert "momentum: is missing" in SPACE.problems(without)[0]
    grandchild = {**full, "optimizer": "adam"}
    assert [p.split(":")[0] for p in SPACE.problems(grandchild)] == ["momentum", "nesterov"]
    assert "only used when optimizer is sgd" in SPACE.problems(grandchild)[0]


def test_all_problems_are_reported_at_once() -> None:
    problems = SPACE.problems({"learning_rate": 5, "optimizer": "rmsprop", "batch_size": 3})
    assert problems == (
        "unknown hyperparameter 'batch_size'; there is: layers, learning_rate, momentum, nesterov, optimizer, size",
        "learning_rate: 5 is above the maximum 1",
        "layers: is missing (integer from 1 to 4, linear scale)",
        'optimizer: \'rmsprop\' is not one of "sgd", "adam", "none"',
        "size: is missing (one of, in this order, 16, 32, 64)",
    )


def test_a_checked_configuration_has_python_s_own_types() -> None:
    checked = SPACE.check({"size": 32.0, "layers": 3.0, "learning_rate": 1, "optimizer": "adam"})
    assert list(checked) == ["learning_rate", "layers", "optimizer", "size"]
    assert [type(v) for v in checked.values()] == [float, int, str, int]


def test_a_space_survives_being_written_and_read() -> None:
    assert Space.from_mapping(SPACE.to_mapping()) == SPACE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"momentum": {**ENTRIES["momentum"], "when": {"optimiser": "sgd"}}},
            "no hyperparameter of that name stands before it; did you mean",
        ),
        ({"momentum": {**ENTRIES["momentum"], "when": {"size": 16}}}, "no hyperparameter of that name stands before it"),
        ({"momentum": {**ENTRIES["momentum"], "when": {"optimizer": "rmsprop"}}}, "can never hold"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match="condition on") as refused:
        Space.from_mapping({**ENTRIES, **change})
    assert words in str(refused.value)


def test_an_empty_space_and_a_name_given_twice_are_refused() -> None:
    with pytest.raises(SettingsError, match="no hyperparameters"):
        Space(())
    with pytest.raises(SettingsError, match="given twice"):
        Space((SPACE["size"], SPACE["size"]))


def test_a_point_of_the_wrong_dimension_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="expected 6 coordinates, got 2"):
        SPACE.from_unit([0.5, 0.5])
