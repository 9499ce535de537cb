"""Make every value a legal one, and say what was done to it.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. There, nothing of it is shown or counted; here
every step has a word, which the trial's note keeps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.optimizers.published.dimension import LISTED, Dimension, Kind, Setting
from harness.optimizers.published.parsing import Found


@dataclass(frozen=True)
class Repaired:
    """A legal value, and what was done to the one that was found, in the order of doing; empty where that was legal as it stood."""

    value: Setting
    steps: tuple[str, ...] = ()


# The steps, as notes name them.
ABSENT, UNREADABLE, NO_OPTION = "absent: default", "unreadable: default", "no option: default"
NOT_POSITIVE, NOT_A_NUMBER = "not above 0: default", "not a number: default"
CLAMPED, CUT, AT_LEAST_ONE, NEAREST, BECAME_ONE = "clamped", "cut to an integer", "at least 1", "nearest option", "became 1"
FIRST_OPTION = "first option"
# The value that the LLM wrote plays no part in the result after one of these.
DEFAULTED = frozenset({ABSENT, UNREADABLE, NO_OPTION, NOT_POSITIVE, NOT_A_NUMBER, BECAME_ONE, FIRST_OPTION})


def repair_all(found: Mapping[str, Found | None], dimensions: Sequence[Dimension]) -> dict[str, Repaired]:
    """Return a legal value for each hyperparameter, with what was done to it."""
    return {dimension.name: repair(found.get(dimension.name), dimension) for dimension in dimensions}


def repair(found: Found | None, dimension: Dimension) -> Repaired:
    """Return a legal value for one hyperparameter.

    Float: clamped to the range; a value that is then not above 0 becomes the default, and so does NaN. Integer: cut toward 0, clamped,
    at least 1. Ordinal: cut to an integer, then the nearest option, the first listed on a tie; with options that are no numbers it
    becomes 1. Categorical: by value or text, case-sensitive; else the default, else the first option. A list: any integers.
    """
    match dimension.kind:
        case Kind.FLOAT:
            return _float(found, dimension)
        case Kind.INTEGER:
            return _integer(found, dimension)
        case Kind.ORDINAL:
            return _ordinal(found, dimension)
        case Kind.CATEGORICAL:
            return _list(found, dimension) if found and dimension.name == LISTED else _categorical(found, dimension)


def _float(found: Found | None, dimension: Dimension) -> Repaired:
    value, steps = _number(found, dimension)
    if math.isnan(value):
        return Repaired(dimension.default, (*steps, NOT_A_NUMBER))
    value, steps = _clamped(value, dimension, steps)
    return (
        Repaired(dimension.default, (*steps, NOT_POSITIVE)) if value <= 0 and value != dimension.default else Repaired(value, steps)
    )


def _integer(found: Found | None, dimension: Dimension) -> Repaired:
    whole, steps = _whole(found, dimension)
    value, steps = _clamped(whole, dimension, steps)
    return Repaired(1, (*steps, AT_LEAST_ONE)) if value < 1 else Repaired(int(value), steps)


def _ordinal(found: Found | None, dimension: Dimension) -> Repaired:
    numbers = [choice for choice in dimension.choices if isinstance(choice, int | float)]
    if len(numbers) < len(dimension.choices) or not numbers:
        return Repaired(1, (BECAME_ONE,))
    whole, steps = _whole(found, dimension)
    nearest = min(numbers, key=lambda choice: abs(choice - whole))
    return Repaired(nearest, steps if nearest == whole else (*steps, NEAREST))


def _categorical(found: Found | None, dimension: Dimension) -> Repaired:
    if found is not None:
        for choice in dimension.choices:
            if str(choice) == found.text:
                return Repaired(choice)
    step = ABSENT if found is None else NO_OPTION
    if not dimension.choices or any(choice == dimension.default for choice in dimension.choices):
        return Repaired(dimension.default, (step,))
    return Repaired(dimension.choices[0], (step, FIRST_OPTION))


def _list(found: Found, dimension: Dimension) -> Repaired:
    numbers = re.findall(r"-?\d+", found.text)
    return Repaired([int(number) for number in numbers]) if numbers else Repaired(dimension.default, (UNREADABLE,))


def _number(found: Found | None, dimension: Dimension) -> tuple[float, tuple[str, ...]]:
    """Read a number; the default where there is none."""
    if found is None:
        return _as_float(dimension.default), (ABSENT,)
    try:
        return float(found.text), ()
    except ValueError:
        return _as_float(dimension.default), (UNREADABLE,)


def _whole(found: Found | None, dimension: Dimension) -> tuple[int, tuple[str, ...]]:
    """Read a number and cut it toward 0; the default, cut, where there is none, or no finite one."""
    value, steps = _number(found, dimension)
    if not math.isfinite(value):
        value, steps = _as_float(dimension.default), (UNREADABLE,)
    whole = int(value) if math.isfinite(value) else 0
    return whole, steps if whole == value else (*steps, CUT)


def _as_float(default: Setting) -> float:
    return float(default) if isinstance(default, int | float) else math.nan


def _clamped(value: float, dimension: Dimension, steps: tuple[str, ...]) -> tuple[float, tuple[str, ...]]:
    low, high = dimension.shown_range
    held = low if value < low else high if value > high else value
    return held, steps if held == value else (*steps, CLAMPED)
