from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from harness.errors import SettingsError
from harness.space.hyperparameter import Choice, Hyperparameter, Number, parse

RATE = {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def number(**given: Any) -> Number:
    return Number(**{"name": "x", "default": given["low"], "meaning": "m", **given})


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    integer, log = draw(st.booleans()), draw(st.booleans())
    ends: Any = st.integers(1 if log else -1000, 10_000) if integer else st.floats(1e-8 if log else -1e6, 1e6)
    low, high = draw(ends), draw(ends)
    assume(low < high and (not log or integer or high / low > 1.001))
    return number(low=float(low), high=float(high), log=log, integer=integer)


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    texts = draw(st.lists(st.text(max_size=3).filter(str.isprintable), min_size=2, max_size=6, unique=True))
    return Choice(name="x", default=texts[0], meaning="m", choices=tuple(texts))


@given(numbers(), st.floats(0, 1))
def test_a_number_s_position_and_its_value_are_inverse(hp: Number, position: float) -> None:
    value = hp.from_unit(position)
    assert hp.problem(value) is None
    assert type(value) is (int if hp.integer else float)
    again = hp.from_unit(hp.to_unit(value))
    assert (
        again == value if hp.integer else math.isclose(float(again), float(value), rel_tol=1e-9, abs_tol=1e-9 * (hp.high - hp.low))
    )


@given(choices(), st.floats(0, 1))
def test_a_choice_s_position_and_its_value_are_inverse(hp: Choice, position: float) -> None:
    value = hp.from_unit(position)
    assert hp.problem(value) is None
    assert hp.from_unit(hp.to_unit(value)) == value


@given(numbers() | choices(), JSON)
def test_any_value_at_all_is_allowed_or_gets_one_line_that_names_the_hyperparameter(hp: Hyperparameter, value: Any) -> None:
    problem = hp.problem(value)
    if problem is None:
        assert hp.problem(hp.exact(value)) is None
    else:
        assert problem.startswith("x: ")
        assert len(problem.splitlines()) == 1


def test_the_ends_of_a_range_are_allowed_and_positions_outside_the_unit_interval_are_the_ends() -> None:
    hp = parse("lr", RATE)
    assert hp.problem(1e-5) is None
    assert hp.problem(1.0) is None
    assert (hp.from_unit(-0.5), hp.from_unit(1.5)) == (1e-5, 1.0)


def test_a_log_scale_is_sampled_evenly_over_its_decades() -> None:
    hp = parse("lr", RATE)
    rng = random.Random(0)
    decades = Counter(math.floor(math.log10(float(hp.sample(rng)))) for _ in range(5000))
    assert set(decades) == {-5, -4, -3, -2, -1}
    assert max(decades.values()) < 1.15 * min(decades.values())


@pytest.mark.parametrize("log", [False, True])
def test_the_first_and_the_last_integer_get_their_fair_share(log: bool) -> None:
    hp = number(low=1.0, high=4.0, integer=True, log=log)
    rng = random.Random(0)
    counts = Counter(hp.sample(rng) for _ in range(8000))
    widths = {v: math.log((v + 0.5) / (v - 0.5)) if log else 1.0 for v in range(1, 5)}
    for value, width in widths.items():
        assert counts[value] / 8000 == pytest.approx(width / sum(widths.values()), abs=0.02)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "True is not a number"),
        ("0.5", "'0.5' is not a number"),
        (math.nan, "nan is not a finite number"),
        (-math.inf, "-inf is not a finite number"),
        (10**400, "is not a number that can be used"),
        (1.0000001, "1.0000001 is above the maximum 1"),
        (1e-6, "1e-06 is below the minimum 1e-05"),
        (None, "None is not a number"),
    ],
)
def test_the_reason_for_a_refused_number_shows_it_to_its_last_digit(value: Any, words: str) -> None:
    assert words in (parse("lr", RATE).problem(value) or "")


def test_an_integer_takes_16_0_and_refuses_16_5() -> None:
    hp = number(low=1.0, high=32.0, integer=True)
    assert hp.exact(16.0) == 16
    assert type(hp.exact(16.0)) is int
    assert hp.problem(16.5) == "x: 16.5 is not an integer"


def test_true_is_not_the_level_1() -> None:
    hp = parse("size", {"type": "ordinal", "levels": [1, 2, 4], "default": 2, "meaning": "m"})
    assert hp.problem(True) == "size: True is not one of 1, 2, 4"
    assert hp.exact(4.0) == 4
    assert type(hp.exact(4.0)) is int


def test_a_range_is_shown_with_all_its_digits() -> None:
    assert number(low=1.0, high=12345678.0, integer=True).range_text == "integer from 1 to 12345678, linear scale"
    assert parse("lr", RATE).range_text == "float from 1e-05 to 1, log scale"
    assert parse("b", {"type": "bool", "default": True, "meaning": "m"}).range_text == "one of false, true"


def test_the_same_entry_written_in_two_ways_is_the_same_hyperparameter() -> None:
    plain = {"type": "float", "low": 1, "high": 100, "default": 10, "meaning": "a  long\nmeaning"}
    other = {**plain, "low": "1e0", "high": 1e2, "default": "10.0", "meaning": "a long meaning", "scale": "linear", "when": None}
    assert parse("x", plain) == parse("x", other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "flot"}, "unknown type 'flot'; did you mean 'float'?"),
        ({"type": None}, "'type' is missing"),
        ({"meaning": None}, "'meaning' is missing"),
        ({"lwo": 1}, "has no 'lwo'; did you mean 'low'?"),
        ({"levels": [1, 2]}, "type float has no 'levels'"),
        ({"low": None}, "type float needs 'low'"),
        ({"low": 2.0}, "low (2) must be below high (1)"),
        ({"low": 0.0}, "a log scale needs low above 0"),
        ({"low": True}, "must be finite"),
        ({"low": "abc"}, "low must be a number, not 'abc'"),
        ({"high": math.inf}, "must be finite"),
        ({"scale": "lg"}, "scale must be 'linear' or 'log', not 'lg'"),
        ({"default": 5}, "the default does not fit its own range: lr: 5 is above the maximum 1"),
        ({"default": "one"}, "default must be a number"),
        ({"when": "sgd"}, "when must name a hyperparameter and its value"),
        ({"type": "int", "low": 1.5, "high": 3, "default": 2}, "low and high must be whole numbers"),
        ({"type": "categorical", "choices": "relu"}, "choices must be a list, not 'relu'"),
        ({"type": "categorical", "choices": ["a"], "default": "a"}, "needs at least two choices"),
        ({"type": "categorical", "choices": ["a", "a"], "default": "a"}, "lists a value twice"),
        ({"type": "categorical", "choices": [1, 1.0], "default": 1}, "lists a value twice"),
        ({"type": "categorical", "choices": ["a", None], "default": "a"}, "None cannot be a choice"),
        ({"type": "categorical", "choices": ["a", "b\n"], "default": "a"}, "'b\\n' cannot be a choice"),
        ({"type": "categorical", "choices": ["a", [1]], "default": "a"}, "[1] cannot be a choice"),
        ({"type": "ordinal", "levels": [1, 4, 2], "default": 1}, "neither rise nor fall"),
        ({"type": "ordinal", "scale": "log", "levels": [1, 2], "default": 1}, "type ordinal has no 'scale'"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_by_name_and_reason(change: dict[str, Any], words: str) -> None:
    entry = {**RATE, **change}
    if entry.get("type") in ("categorical", "ordinal"):
        entry = {k: v for k, v in entry.items() if k not in ("low", "high") and (k != "scale" or k in change)}
    with pytest.raises(SettingsError, match="hyperparameter 'lr'") as refused:
        parse("lr", entry)
    assert words in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
