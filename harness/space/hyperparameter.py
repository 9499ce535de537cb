"""One axis of a search space: a float, an integer, an ordered set of levels, or an unordered set of choices.

Every kind answers the same five questions: is this value one of yours, what is its exact form, draw one, where does it lie in
[0, 1] on your scale, and which value lies there.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

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
    """What all kinds share. `when` maps each parent's name to the values under which this one is active."""

    name: str
    default: Value
    meaning: str
    unit: str = ""
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with `value`, in words that an LLM or a person can act on; None when it is allowed."""
        raise NotImplementedError

    def exact(self, value: Any) -> Value:
        """Return an allowed value in its exact Python type (16.0 for an integer becomes 16, a NumPy scalar becomes Python's)."""
        raise NotImplementedError

    def from_unit(self, position: float) -> Value:
        """Return the value at `position` in [0, 1] of this hyperparameter's own scale."""
        raise NotImplementedError

    def to_unit(self, value: Value) -> float:
        """Return the position in [0, 1] of an allowed value; inverse of `from_unit` up to rounding."""
        raise NotImplementedError

    def sample(self, rng: random.Random) -> Value:
        """Draw uniformly on the hyperparameter's own scale (so log-uniformly on a log scale)."""
        return self.from_unit(rng.random())

    @property
    def range_text(self) -> str:
        """The allowed values in one short phrase, scale included."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Number(Hyperparameter):
    """A float, or an integer, between `low` and `high` (both allowed), on a linear or logarithmic scale.

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

    def problem(self, value: Any) -> str | None:
        kind = "an integer" if self.integer else "a number"
        if isinstance(value, bool) or not hasattr(value, "__float__") or isinstance(value, str):
            return f"{self.name}: {value!r} is not {kind}"
        try:
            number = float(value)
        except (OverflowError, TypeError, ValueError):  # an integer of 400 digits, an array
            return f"{self.name}: is not {kind} that can be used"
        if not math.isfinite(number):
            return f"{self.name}: {number} is not a finite number"
        if self.integer and not number.is_integer():
            return f"{self.name}: {_digits(number)} is not an integer"
        if self.integer:
            number = int(value)  # a float has 53 bits
        if not self.low <= number <= self.high:
            side = f"below the minimum {_digits(self.low)}" if number < self.low else f"above the maximum {_digits(self.high)}"
            return f"{self.name}: {_digits(number)} is {side}"
        return None

    def exact(self, value: Any) -> Value:
        return int(value) if self.integer else float(value)

    @property
    def _ends(self) -> tuple[float, float]:
        # An integer owns half a step to either side, so that its first and last value are as likely as the others.
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
    """One of a few values: `ordered` levels (numbers or names that have a sense of more and less), or unordered choices."""

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

    def _index(self, value: Any) -> int | None:
        for index, choice in enumerate(self.choices):
            # True == 1 in Python, so a bool matches only a bool; 16.0 may stand for 16.
            if isinstance(choice, bool) == isinstance(value, bool) and choice == value:
                return index
        return None

    def problem(self, value: Any) -> str | None:
        if isinstance(value, list | dict | set) or self._index(value) is None:
            return f"{self.name}: {value!r} is not one of {self._listed()}"
        return None

    def exact(self, value: Any) -> Value:
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
    """Write a number as short as it goes without becoming another one."""
    short = f"{number:g}"
    if float(short) == number:
        return short
    return str(int(number)) if isinstance(number, int) or (number.is_integer() and abs(number) < 1e15) else repr(number)


def json_like(value: Value) -> str:
    """Write a value as JSON would, so that a person and an LLM see the same form that they must answer in."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value!r}"


def parse(name: str, entry: Mapping[str, Any]) -> Hyperparameter:
    """Read one entry of a space's YAML. Raises SettingsError, naming the hyperparameter and the nearest known key."""
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


def _make(name: str, given: Mapping[str, Any], where: str) -> Hyperparameter:
    shared: dict[str, Any] = {
        "name": name,
        "default": given["default"],
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


def _conditions(when: Any, where: str) -> dict[str, tuple[Value, ...]]:
    if not isinstance(when, Mapping):
        raise SettingsError(f"{where}: when must name a hyperparameter and its value, as in {{optimizer: sgd}}, not {when!r}")
    return {parent: tuple(values) if isinstance(values, list | tuple) else (values,) for parent, values in when.items()}


def _need(given: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in keys:
        if key not in given:
            raise SettingsError(f"{where}: type {given['type']} needs '{key}'")


def _listed(given: Mapping[str, Any], key: str, where: str) -> tuple[Value, ...]:
    if not isinstance(given[key], list | tuple):
        raise SettingsError(f"{where}: {key} must be a list, not {given[key]!r}")
    return tuple(given[key])


def _number(value: Any, where: str) -> float:
    try:
        # YAML 1.1 reads 1e-5 as text; a person means the number.
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise SettingsError(f"{where} must be a number, not {value!r}") from None


def _whole(value: Any, where: str) -> float:
    """Return the end of a range of integers: an integer where a float would lose digits."""
    keeps_digits = isinstance(value, int) and not isinstance(value, bool) and 2**53 < abs(value) < 2**64
    return value if keeps_digits else _number(value, where)
