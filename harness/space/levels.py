"""Levels of a number: a few short values that are even on its scale, for whoever can only choose from a list.

An engine that follows a JSON schema holds a list of values, where many do not hold the bounds of a float.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.space.hyperparameter import Choice, Hyperparameter, Number, Value, json_like
from harness.space.space import Space

MOST_LEVELS = 40
FEWEST_LEVELS = 8
# What stands before the power of ten on a log scale, even on it, from fine to coarse; the first whose levels are not too many is taken.
# The first two are the series E24 and E12 of preferred numbers (IEC 60063).
_DIGITS: tuple[tuple[float, ...], ...] = (
    (1, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2, 2.2, 2.4, 2.7, 3, 3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2, 6.8, 7.5, 8.2, 9.1),
    (1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)
_SERIES = {24: "the E24 series", 12: "the E12 series"}
_STEPS = (1, 2, 2.5, 5)


@dataclass(frozen=True)
class Levels:
    """The levels of one number, and how a person is told of them. `values` rise, and hold both ends of the range and the default."""

    values: tuple[Value, ...]
    text: str


def levels_of(hp: Number) -> Levels:
    """Return at most about 40 levels of a number: round on its scale, with both ends and the default among them.

    An integer with at most 40 values has all of them.
    """
    if hp.integer and int(hp.high) - int(hp.low) < MOST_LEVELS:
        return Levels(tuple(range(int(hp.low), int(hp.high) + 1)), "every integer")
    found = _log_levels(hp) if hp.log else _linear_levels(hp)
    if found is None:
        even = (hp.from_unit(step / (MOST_LEVELS // 2)) for step in range(MOST_LEVELS // 2 + 1))
        values = _kept(hp, (float(f"{float(value):.3g}") for value in even))
        return Levels(values, ", ".join(json_like(value) for value in values))
    return found


def level_space(space: Space) -> Space:
    """Return the space with the levels of each number in the place of its range. Its members are members of `space`.

    Where a condition names values of a number, these are levels too.
    """
    named: dict[str, set[Value]] = {}
    for hp in space:
        for parent, values in hp.when.items():
            named.setdefault(parent, set()).update(values)
    return Space(tuple(_leveled(hp, named.get(hp.name, set())) for hp in space))


def _leveled(hp: Hyperparameter, named: set[Value]) -> Hyperparameter:
    if not isinstance(hp, Number):
        return hp
    values = tuple(sorted({*levels_of(hp).values, *(hp.exact(value) for value in named)}))
    return Choice(name=hp.name, default=hp.default, meaning=hp.meaning, unit=hp.unit, when=hp.when, choices=values, ordered=True)


def _log_levels(hp: Number) -> Levels | None:
    for digits in _DIGITS:
        values = _kept(hp, _powers(hp, digits))
        if len(values) <= MOST_LEVELS:
            if len(values) < FEWEST_LEVELS:
                return None
            listed = _SERIES.get(len(digits), ", ".join(f"{digit:g}" for digit in digits))
            return Levels(values, f"{listed} times powers of ten")
    return None


def _powers(hp: Number, digits: tuple[float, ...]) -> Iterator[float]:
    for power in range(math.floor(math.log10(hp.low)), math.floor(math.log10(hp.high)) + 1):
        for digit in digits:
            yield float(f"{digit:g}e{power}")


def _linear_levels(hp: Number) -> Levels | None:
    width = float(hp.high) - float(hp.low)
    power = math.floor(math.log10(width)) - 3
    for exponent in range(power, power + 4):
        for step in (float(f"{digit:g}e{exponent}") for digit in _STEPS):
            if width / step > MOST_LEVELS // 2 or (hp.integer and not step.is_integer()):
                continue
            first = math.ceil(float(hp.low) / step)
            multiples = (float(f"{place * step:.12g}") for place in range(first, first + MOST_LEVELS))
            values = _kept(hp, multiples)
            return Levels(values, f"multiples of {step:g}") if len(values) >= FEWEST_LEVELS else None
    return None


def _kept(hp: Number, candidates: Iterable[float]) -> tuple[Value, ...]:
    """Return the candidates that are in range, with the ends and the default, in order."""
    usable = {hp.exact(value) for value in candidates if hp.problem(value) is None}
    return tuple(sorted({*usable, hp.exact(hp.low), hp.exact(hp.high), hp.default}))
