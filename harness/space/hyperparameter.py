"""One hyperparameter of a search space: a float, an integer, an ordered set of levels, or an unordered set of choices.

Every kind has the same five methods:

    problem     what is wrong with a value
    exact       the exact Python value for an allowed value
    sample      draw a value
    to_unit     the position of a value in [0, 1] on the hyperparameter's own scale
    from_unit   the value at such a position
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import SupportsFloat, SupportsIndex, SupportsInt, TypeAlias, TypedDict, cast

from harness.errors import SettingsError, near

Value: TypeAlias = float | int | str | bool
Config: TypeAlias = dict[str, Value]

_SHARED_KEYS = ("type", "default", "meaning", "unit", "when")
_KEYS = {
    "float": ("low", "high", "scale"),
    "int": ("low", "high", "scale"),
    "ordinal": ("levels",),
    "categorical": ("choices",),
    "bool": (),
}


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """What all kinds have in common. `when` maps the name of each parent to the parent's values for which this one is active."""

    name: str
    default: Value
    meaning: str
    unit: str = ""
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def problem(self, value: object) -> str | None:
        """Return what is wrong with `value`, in words that help a person or an LLM to correct it; None when it is allowed."""
        raise NotImplementedError

    def exact(self, value: object) -> Value:
        """Return an allowed value in its exact Python type: 16.0 becomes 16 for an integer, a NumPy scalar becomes a Python number."""
        raise NotImplementedError

    def from_unit(self, position: float) -> Value:
        """Return the value at `position`, in [0, 1], on the hyperparameter's own scale."""
        raise NotImplementedError

    def to_unit(self, value: Value) -> float:
        """Return the position of an allowed value, in [0, 1]; the inverse of `from_unit` up to rounding."""
        raise NotImplementedError

    def sample(self, rng: random.Random) -> Value:
        """Draw a value uniformly on the hyperparameter's own scale (log-uniformly on a log scale)."""
        return self.from_unit(rng.random())

    @property
    def range_text(self) -> str:
        """The allowed values and the scale, in one short phrase."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Number(Hyperparameter):
    """A float or an integer from `low` to `high` (both included), on a linear or logarithmic scale. Raises SettingsError.

    Ends of an integer that no float is equal to are kept as integers: it may have 63 bits, and a float has 53.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        where = f"hyperparameter '{self.name}'"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise SettingsError(f"{where}: low and high must be finite numbers")
        if not self.low < self.high:
            raise SettingsError(f"{where}: low ({_digits(self.low)}) must be below high ({_digits(self.high)})")
        if self.log and self.low <= 0:
            raise SettingsError(f"{where}: a log scale needs low above 0, and low is {_digits(self.low)}")
        if self.integer and not (float(self.low).is_integer() and float(self.high).is_integer()):
            raise SettingsError(f"{where}: an integer's low and high must be whole numbers")
        if self.integer and not (self.low >= -(2**63) and self.high < 2**63 and int(self.high) - int(self.low) < 2**63):
            raise SettingsError(f"{where}: integers have 63 bits: from low to high at most 9223372036854775807")

    def problem(self, value: object) -> str | None:
        kind = "an integer" if self.integer else "a number"
        if isinstance(value, bool) or not isinstance(value, (int, float, SupportsFloat)):
            return f"{self.name}: {value!r} is not {kind}"
        try:
            number = float(value)
        except (OverflowError, TypeError, ValueError):  # for example an integer with 400 digits, or an array
            return f"{self.name}: is not {kind} that can be used"
        if not math.isfinite(number):
            return f"{self.name}: {number} is not a finite number"
        if self.integer and not number.is_integer():
            return f"{self.name}: {_digits(number)} is not an integer"
        if self.integer:
            number = int(value) if isinstance(value, (int, SupportsIndex)) else int(number)  # a float has 53 bits
        if not self.low <= number <= self.high:
            side = f"below the minimum {_digits(self.low)}" if number < self.low else f"above the maximum {_digits(self.high)}"
            return f"{self.name}: {_digits(number)} is {side}"
        return None

    def exact(self, value: object) -> Value:
        # This method is called for thousands of candidates, and the check against a protocol is slow: Python's own numbers skip it.
        if isinstance(value, (int, float)):
            return int(value) if self.integer else float(value)
        assert isinstance(value, SupportsInt), f"{self.name}: {value!r} was not checked"
        assert isinstance(value, SupportsFloat), f"{self.name}: {value!r} was not checked"
        return int(value) if self.integer else float(value)

    @property
    def _ends(self) -> tuple[float, float]:
        # Each integer covers half a step to both sides, so that the first and the last integer are as likely as the others.
        pad = 0.5 if self.integer else 0.0
        low, high = self.low - pad, self.high + pad
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def from_unit(self, position: float) -> Value:
        low, high = self._ends
        number = low + min(max(position, 0.0), 1.0) * (high - low)
        number = math.exp(number) if self.log else number
        number = min(max(round(number) if self.integer else number, self.low), self.high)
        return self.exact(number)

    def to_unit(self, value: Value) -> float:
        low, high = self._ends
        number = float(value)
        number = math.log(number) if self.log else number
        return (number - low) / (high - low)

    @property
    def range_text(self) -> str:
        kind = "integer" if self.integer else "float"
        return f"{kind} from {_digits(self.low)} to {_digits(self.high)}, {'log' if self.log else 'linear'} scale"


@dataclass(frozen=True, kw_only=True)
class Choice(Hyperparameter):
    """One of a few values: `ordered` levels (numbers or names from less to more), or unordered choices. Raises SettingsError."""

    choices: tuple[Value, ...]
    ordered: bool = False

    def __post_init__(self) -> None:
        where = f"hyperparameter '{self.name}'"
        for choice in self.choices:
            usable = isinstance(choice, int | float | bool) and choice == choice
            if not usable and not (isinstance(choice, str) and choice.isprintable()):
                raise SettingsError(f"{where}: {choice!r} cannot be a choice; numbers, printable texts, true and false can")
        if len(self.choices) < 2:
            raise SettingsError(f"{where}: needs at least two {'levels' if self.ordered else 'choices'}")
        if len({(isinstance(c, bool), c) for c in self.choices}) < len(self.choices):
            raise SettingsError(f"{where}: lists a value twice")
        numbers = [c for c in self.choices if isinstance(c, int | float)]
        if self.ordered and len(numbers) == len(self.choices) and numbers not in (sorted(numbers), sorted(numbers)[::-1]):
            raise SettingsError(f"{where}: its levels are numbers, and neither rise nor fall")

    def _index(self, value: object) -> int | None:
        for index, choice in enumerate(self.choices):
            # True == 1 in Python, so a bool must match a bool only; 16.0 matches 16.
            if isinstance(choice, bool) == isinstance(value, bool) and choice == value:
                return index
        return None

    def problem(self, value: object) -> str | None:
        if isinstance(value, list | dict | set) or self._index(value) is None:
            return f"{self.name}: {value!r} is not one of {self._listed()}"
        return None

    def exact(self, value: object) -> Value:
        index = self._index(value)
        assert index is not None, f"{self.name}: {value!r} was not checked"
        return self.choices[index]

    def from_unit(self, position: float) -> Value:
        count = len(self.choices)
        return self.choices[min(max(int(position * count), 0), count - 1)]

    def to_unit(self, value: Value) -> float:
        index = self._index(value)
        assert index is not None, f"{self.name}: {value!r} was not checked"
        return (index + 0.5) / len(self.choices)

    def _listed(self) -> str:
        return ", ".join(json_like(choice) for choice in self.choices)

    @property
    def range_text(self) -> str:
        return f"{'one of, in this order,' if self.ordered else 'one of'} {self._listed()}"


def _digits(number: float) -> str:
    """Write a number as short as possible without changing its value."""
    short = f"{number:g}"
    if float(short) == number:
        return short
    return str(int(number)) if isinstance(number, int) or (number.is_integer() and abs(number) < 1e15) else repr(number)


def json_like(value: Value) -> str:
    """Write a value as in JSON, so that a person and an LLM see it in the form in which they must answer."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value!r}"


class _Shared(TypedDict):
    """The keyword arguments that all kinds of hyperparameter have."""

    name: str
    default: Value
    meaning: str
    unit: str
    when: dict[str, tuple[Value, ...]]


def parse(name: str, entry: Mapping[str, object]) -> Hyperparameter:
    """Read one entry of a space's YAML. Raises SettingsError, which names the hyperparameter and the most similar known key."""
    where = f"hyperparameter '{name}'"
    given = {key: value for key, value in entry.items() if value is not None}
    for key in ("type", "default", "meaning"):
        if key not in given:
            raise SettingsError(f"{where}: '{key}' is missing")
    kind = str(given["type"])
    if kind not in _KEYS:
        raise SettingsError(f"{where}: unknown type '{kind}'{near(kind, _KEYS)}")
    known = (*_SHARED_KEYS, *_KEYS[kind])
    for key in given:
        if key not in known:
            raise SettingsError(f"{where}: type {kind} has no '{key}'{near(key, known)}")
    made = _make(name, given, where)
    problem = made.problem(made.default)
    if problem:
        raise SettingsError(f"{where}: the default does not fit its own range: {problem}")
    return replace(made, default=made.exact(made.default))


def _make(name: str, given: Mapping[str, object], where: str) -> Hyperparameter:
    shared: _Shared = {
        "name": name,
        "default": cast(Value, given["default"]),  # `parse` checks it against the finished hyperparameter
        "meaning": " ".join(str(given["meaning"]).split()),
        "unit": str(given.get("unit", "")),
        "when": _conditions(given.get("when", {}), where),
    }
    match given["type"]:
        case "float" | "int" as kind:
            _need(given, ("low", "high"), where)
            if given.get("scale", "linear") not in ("linear", "log"):
                raise SettingsError(f"{where}: scale must be 'linear' or 'log', not {given['scale']!r}")
            read = _whole if kind == "int" else _number
            low, high = (read(given[key], f"{where}: {key}") for key in ("low", "high"))
            if math.isinf(high - low) and math.isfinite(low) and math.isfinite(high):
                raise SettingsError(f"{where}: from low to high is further than the largest float, 1.8e308; use a smaller range")
            shared["default"] = read(given["default"], f"{where}: default")
            return Number(**shared, low=low, high=high, log=given.get("scale") == "log", integer=kind == "int")
        case "ordinal":
            _need(given, ("levels",), where)
            return Choice(**shared, choices=_listed(given, "levels", where), ordered=True)
        case "categorical":
            _need(given, ("choices",), where)
            return Choice(**shared, choices=_listed(given, "choices", where))
        case _:
            return Choice(**shared, choices=(False, True))


def _conditions(when: object, where: str) -> dict[str, tuple[Value, ...]]:
    if not isinstance(when, Mapping):
        raise SettingsError(f"{where}: when must name a hyperparameter and its value, as in {{optimizer: sgd}}, not {when!r}")
    return {parent: tuple(values) if isinstance(values, list | tuple) else (values,) for parent, values in when.items()}


def _need(given: Mapping[str, object], keys: Sequence[str], where: str) -> None:
    for key in keys:
        if key not in given:
            raise SettingsError(f"{where}: type {given['type']} needs '{key}'")


def _listed(given: Mapping[str, object], key: str, where: str) -> tuple[Value, ...]:
    values = given[key]
    if not isinstance(values, list | tuple):
        raise SettingsError(f"{where}: {key} must be a list, not {values!r}")
    return tuple(values)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool):
        return math.nan
    try:
        # YAML 1.1 reads 1e-5 as text, so a text that is a number is accepted.
        if isinstance(value, str | SupportsFloat | SupportsIndex):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise SettingsError(f"{where} must be a number, not {value!r}")


def _whole(value: object, where: str) -> float:
    """Return the end of a range of integers: an integer where a float would lose digits."""
    if isinstance(value, int) and not isinstance(value, bool) and 2**53 < abs(value) < 2**64:
        return value
    return _number(value, where)
