from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.space import Number, Space
from harness.space.levels import MOST_LEVELS, level_space, levels_of


def number(low: float, high: float, default: float, *, log: bool = False, integer: bool = False) -> Number:
    hp = Number(name="a", meaning="m", default=default, low=low, high=high, log=log, integer=integer)
    return Number(name="a", meaning="m", default=hp.exact(default), low=low, high=high, log=log, integer=integer)


@pytest.mark.parametrize(
    ("hp", "count", "text"),
    [
        (number(1e-4, 3, 1e-3, log=True), 28, "1, 1.5, 2, 3, 5, 7 times powers of ten"),
        (number(0, 0.99, 0.9), 21, "multiples of 0.05"),
        (number(4, 24, 8, log=True, integer=True), 21, "every integer"),
        (number(8, 128, 64, log=True, integer=True), 30, "the E24 series times powers of ten"),
        (number(-3, 10**6, 5, integer=True), 13, "multiples of 100000"),
    ],
)
def test_levels_are_round_on_the_scale_of_the_number(hp: Number, count: int, text: str) -> None:
    found = levels_of(hp)
    assert (len(found.values), found.text) == (count, text)


@given(st.data())
def test_levels_of_any_number_are_few_members_that_hold_both_ends_and_the_default(data: st.DataObject) -> None:
    log, integer = data.draw(st.booleans()), data.draw(st.booleans())
    if integer:
        low: float = data.draw(st.integers(1 if log else -(10**6), 10**6))
        high: float = low + data.draw(st.integers(1, 10**9))
        default: float = data.draw(st.integers(int(low), int(high)))
    else:
        ends = st.floats(1e-300 if log else -1e12, 1e12, allow_subnormal=False)
        low, high = sorted((data.draw(ends), data.draw(ends)))
        if not low < high:
            return
        default = data.draw(st.floats(low, high))
    hp = number(low, high, default, log=log, integer=integer)
    values = levels_of(hp).values
    assert list(values) == sorted(set(values))
    assert {hp.exact(low), hp.exact(high), hp.default} <= set(values)
    assert len(values) <= MOST_LEVELS + 3
    assert all(hp.problem(value) is None for value in values)


def test_numbers_on_a_log_scale_are_apart_by_like_ratios() -> None:
    values = levels_of(number(1e-5, 1e-1, 1e-3, log=True)).values
    steps = [math.log10(float(b) / float(a)) for a, b in itertools.pairwise(values)]
    assert max(steps) < 2 * min(steps)


def test_a_space_of_levels_keeps_conditions_and_its_members_are_members() -> None:
    entries: dict[str, dict[str, Any]] = {
        "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "m"},
        "momentum": {"type": "float", "low": 0, "high": 0.99, "default": 0.9, "meaning": "m", "when": {"optimizer": "sgd"}},
        "warmup": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m"},
        "decay": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m", "when": {"warmup": 0.123}},
    }
    space = Space.from_mapping(entries)
    levels = level_space(space)
    assert levels.names == space.names
    assert levels.default() == space.default()
    assert levels["warmup"].problem(0.123) is None, "what a condition names can be chosen"
    for config in ({"optimizer": "sgd", "momentum": 0.95, "warmup": 0.123, "decay": 0.05}, {"optimizer": "adam", "warmup": 0.1}):
        assert not levels.problems(config)
        assert not space.problems(config)
    assert levels.problems({"optimizer": "adam", "warmup": 0.11})
