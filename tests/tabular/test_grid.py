from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SettingsError
from harness.space import Space
from harness.space.hyperparameter import Number
from harness.tabular.grid import Grid, enumerate_configs, key_of, spaced

WHOLE = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log", "default": 1e-2, "meaning": "step"},
        "rule": {"type": "categorical", "choices": ["sgd", "adam", "none"], "default": "adam", "meaning": "update rule"},
        "momentum": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.9, "meaning": "momentum", "when": {"rule": "sgd"}},
        "nesterov": {"type": "bool", "default": False, "meaning": "its form", "when": {"rule": "sgd", "momentum": [0.5, 0.9]}},
        "layers": {"type": "int", "low": 0, "high": 4, "default": 2, "meaning": "layers"},
        "width": {"type": "ordinal", "levels": [8, 16, 32], "default": 16, "meaning": "width", "when": {"layers": [1, 2, 3, 4]}},
        "beta": {"type": "float", "low": 0.5, "high": 0.99, "default": 0.9, "meaning": "decay", "when": {"rule": "adam"}},
    }
)


def with_default(default: Any, *others: Any) -> st.SearchStrategy[list[Any]]:
    """Draw levels that hold the default and at least one other, in the order that they are given in."""
    return st.sets(st.sampled_from(others), min_size=1).map(
        lambda kept: [v for v in (default, *others) if v == default or v in kept]
    )


LEVELS = st.fixed_dictionaries(
    {"rate": st.integers(2, 6), "rule": st.just(["sgd", "adam"])},
    optional={
        "momentum": with_default(0.9, 0.0, 0.5).map(sorted),
        "nesterov": st.just([False, True]),
        "layers": with_default(2, 0, 4).map(sorted),
        "width": with_default(16, 8, 32).map(sorted),
    },
)


@given(LEVELS)
def test_every_configuration_is_there_once_is_found_by_its_values_and_stands_for_a_whole_one(levels: dict[str, Any]) -> None:
    grid = Grid.of(WHOLE, levels)
    numbers = {key_of(config): number for number, config in enumerate(grid.configs)}
    assert len(numbers) == len(grid.configs)
    for number, config in enumerate(grid.configs):
        assert numbers[key_of(grid.space.check(config))] == number
        full = WHOLE.check(grid.complete(config))
        assert {name: full[name] for name in config} == config
        assert all(full[name] == WHOLE[name].default for name in full if name not in levels)
    assert grid.complete(grid.space.default()) == WHOLE.default()


@given(LEVELS, st.randoms(use_true_random=False))
def test_what_is_drawn_from_the_space_of_the_table_is_in_the_table(levels: dict[str, Any], rng: Any) -> None:
    grid = Grid.of(WHOLE, levels)
    assert key_of(grid.space.check(grid.space.sample(rng))) in {key_of(config) for config in grid.configs}
    read_back = Space.from_mapping(grid.space.to_mapping())
    assert tuple(enumerate_configs(read_back)) == grid.configs


def test_only_configurations_that_exist_are_counted() -> None:
    grid = Grid.of(WHOLE, {"rate": 3, "rule": ["sgd", "adam"], "momentum": [0.0, 0.9], "nesterov": [False, True]})
    # A rate with adam, with sgd at momentum 0, and with sgd at momentum 0.9 in both forms.
    assert len(grid.configs) == 3 * (1 + 1 + 2)
    assert grid.configs[0] == {"rate": 1e-4, "rule": "sgd", "momentum": 0.0}
    assert grid.complete(grid.configs[0]) == {"rate": 1e-4, "rule": "sgd", "momentum": 0.0, "layers": 2, "width": 16}


@given(st.floats(1e-6, 1e3), st.floats(1.1, 1e6), st.floats(0, 1), st.integers(2, 12), st.booleans())
def test_levels_span_the_range_rise_and_hold_the_default(low: float, factor: float, at: float, count: int, log: bool) -> None:
    high = low * factor
    default = min(max(low + at * (high - low), low), high)
    hp = Number(name="x", default=default, meaning="x", low=low, high=high, log=log)
    levels = [float(value) for value in spaced(hp, count)]
    assert levels == sorted(set(levels))
    assert default in levels
    assert 2 <= len(levels) <= count
    assert low in levels or default == levels[0]
    assert high in levels or default == levels[-1]


def test_levels_are_even_on_the_scale_and_short() -> None:
    assert spaced(WHOLE["rate"], 5) == (1e-4, 1e-3, 1e-2, 0.1, 1.0)  # type: ignore[arg-type]
    assert spaced(WHOLE["layers"], 9) == (0, 1, 2, 3, 4)  # type: ignore[arg-type]


WRONG: dict[str, dict[str, Any]] = {
    "there is no hyperparameter 'rat'; did you mean 'rate'?": {"rat": 3},
    "needs at least two levels, not 1": {"rate": 1},
    "give a list of values, or how many, not 'many'": {"rate": "many"},
    "rule: give a list of values, not 2": {"rule": 2},
    "rate: 2 is above the maximum 1": {"rate": [1e-2, 2.0]},
    "rate: its default, 0.01, must be among them": {"rate": [1e-3, 0.1]},
    "needs at least two levels": {"rate": [1e-2]},
    "neither rise nor fall": {"rate": [1e-2, 1.0, 1e-3]},
    "momentum: it is never used while 'rule' keeps its default": {"rate": 3, "momentum": [0.0, 0.9]},
    "momentum: no level of 'rule' makes it active": {"rule": ["adam", "none"], "momentum": [0.0, 0.9]},
    "nesterov: it is never used while 'rule' keeps its default": {"rate": 3, "nesterov": [False, True]},
}


@pytest.mark.parametrize("complaint", WRONG)
def test_levels_that_make_no_grid_are_refused(complaint: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Grid.of(WHOLE, WRONG[complaint])
    assert complaint in str(raised.value)
