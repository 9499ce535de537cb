"""Write the values of a hyperparameter: short, but different values that are shown together get different texts.

A reader who sees `0.01 -> 0.01` cannot distinguish a change from a repeat. So the caller passes all values that are shown together, and
each value gets enough digits to differ from the others and from the ends of the range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import NamedTuple

from harness.space import Choice, Hyperparameter, Number, Value
from harness.tcs.thresholds import VALUE_BYTES
from harness.tcs.view.section import Scalar
from harness.tcs.view.words import clean, digits, neighbours, shortest, value_text

_DIGITS = 3  # significant digits of a number, if they are enough
_ROUGH = 2  # significant digits on a log scale, for values that nobody copies into an answer: 5 % is a small step there
_MOST = 17  # significant digits with which a float is exact


class Wording:
    """Writes the values of `hp` so that all of `values` differ as texts. A choice differs from all other choices of `hp`.

    `rough` allows two digits on a log scale. A configuration that the LLM may copy into its answer is never rough.
    """

    def __init__(self, hp: Hyperparameter, values: Iterable[Value] = (), *, rough: bool = False) -> None:
        self._texts: dict[tuple[bool, Value], str] = {}
        if isinstance(hp, Number):
            self._low, self._high = hp.low, hp.high
            self._digits = _digits(hp, rough=rough)
            self._values = sorted({float(hp.low), float(hp.high), *map(float, values)})
        else:
            assert isinstance(hp, Choice)
            self._texts = _choice_texts(hp.choices)

    def __call__(self, value: Value) -> str:
        """Write a value. Rounding never moves it out of the range."""
        if self._texts:
            return self._texts[_key(value)]
        assert not isinstance(value, str)
        others = neighbours(float(value), self._values)
        return _number_text(value, others, self._digits, (self._low, self._high))

    def scalar(self, value: Value) -> Scalar:
        """Return the written (rounded) value as data."""
        text = self(value)
        if isinstance(value, str | bool):
            return text if isinstance(value, str) else value
        if not math.isfinite(value):
            return text
        return int(text) if isinstance(value, int) and text.lstrip("-").isdigit() else float(text)


def bound_text(hp: Hyperparameter, value: Value, outside: Value, *, rough: bool = False) -> str:
    """Write `value` as a bound: rounded towards `outside`, but never as far as `outside`.

    `outside` is the next tried value. So the written bound separates the two: `value` satisfies it and `outside` does not.
    """
    if not isinstance(hp, Number) or _in_full(value) or value == outside:
        return Wording(hp, (value, outside), rough=rough)(value)
    number, other = float(value), float(outside)
    toward = ROUND_FLOOR if other < number else ROUND_CEILING
    for count in range(_digits(hp, rough=rough), _MOST):
        rounded = float(Context(prec=count, rounding=toward).create_decimal(repr(number)))
        if other < rounded <= number or number <= rounded < other:
            return digits(rounded, count)
    return shortest(value if isinstance(value, int) else number)


def _digits(hp: Number, *, rough: bool) -> int:
    return _ROUGH if rough and hp.log and not hp.integer else _DIGITS


def _key(value: Value) -> tuple[bool, Value]:
    # True == 1 in Python, and both may be choices.
    return isinstance(value, bool), value


def _in_full(value: Value) -> bool:
    return isinstance(value, int) and abs(value) < 1_000_000


def _number_text(value: float, others: Iterable[float], least: int, ends: tuple[float, float]) -> str:
    """Write a number with the fewest digits, at least `least`, that keep it within `ends` and tell it from `others`."""
    if _in_full(value):
        return str(value)
    for count in range(least, _MOST):
        text = digits(float(value), count)
        if ends[0] <= float(text) <= ends[1] and all(digits(other, count) != text for other in others):
            return text
    return shortest(value)


def _choice_texts(choices: Iterable[Value]) -> dict[tuple[bool, Value], str]:
    texts: dict[tuple[bool, Value], str] = {}
    used: set[str] = set()
    numbers = sorted({float(c) for c in choices if isinstance(c, int | float) and not isinstance(c, bool)})
    # Strings come last: if `true` and "true" are both choices, the string gets the quotes.
    for choice in sorted(choices, key=lambda c: isinstance(c, str)):
        if isinstance(choice, str):
            text = _unused(choice, used)
        elif isinstance(choice, bool):
            text = value_text(choice)
        else:
            text = _number_text(choice, neighbours(float(choice), numbers), _DIGITS, (-math.inf, math.inf))
        texts[_key(choice)] = text
        used.add(_in_table(text))
    return texts


def _unused(choice: str, used: set[str]) -> str:
    """Return a short text that is not in use yet: the choice itself, else in quotes, else with a number."""
    text, number = clean(choice, VALUE_BYTES), 2
    if _in_table(text) in used and len(choice) < VALUE_BYTES:
        text = f'"{text}"'
    while _in_table(text) in used:
        mark = f"#{number}"
        text, number = clean(choice, VALUE_BYTES - len(mark)) + mark, number + 1
    return text


def _in_table(text: str) -> str:
    # A table cell shows | as /.
    return text.replace("|", "/")


class Side(NamedTuple):
    """The words for one side of an ordered hyperparameter.

    toward: a move to that side ("higher"). end: its end ("high end"). past: beyond a value ("above"). bound: a bound (">=").
    """

    toward: str
    end: str
    past: str
    bound: str


_LESS, _MORE = Side("lower", "low end", "below", "<="), Side("higher", "high end", "above", ">=")
_EARLY, _LATE = Side("earlier in order", "early end", "before", "up to"), Side("later in order", "late end", "after", "from")


def sides(hp: Hyperparameter) -> tuple[Side, Side]:
    """Return the words for the low side and for the high side. Falling levels swap the two; named levels use "earlier" and "later"."""
    if isinstance(hp, Choice) and len(_numbers(hp)) < len(hp.choices):
        return _EARLY, _LATE
    return (_MORE, _LESS) if falls(hp) else (_LESS, _MORE)


def falls(hp: Hyperparameter) -> bool:
    """Say whether the levels are falling numbers, so that a higher position means a lower number."""
    return isinstance(hp, Choice) and len(_numbers(hp)) == len(hp.choices) and _numbers(hp) != sorted(_numbers(hp))


def _numbers(hp: Choice) -> list[float]:
    return [c for c in hp.choices if isinstance(c, int | float) and not isinstance(c, bool)]
