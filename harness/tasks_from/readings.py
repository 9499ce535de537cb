"""How the training curve of a command is read: from lines of its output, or from a JSON-lines file that it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import SettingsError, near
from harness.trial import Epoch

MEASURED = ("val_score", "test_score", "train_score", "val_loss", "train_loss")
NAMES = (*MEASURED, "epoch")


class Reading(Protocol):
    """Reads the values of an epoch from one line. `names` are those that it can find; `path` is that of a file, None for the output."""

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def path(self) -> str | None: ...

    def values(self, line: str) -> dict[str, float]:
        """Return what a line says, by name; nothing for a line of another kind. Raises ValueError for a value that is no number."""
        ...

    def missing(self) -> str:
        """Say what was looked for where it was not found."""
        ...


@dataclass(frozen=True)
class Lines:
    """Lines of the output, of standard error too, in which a regular expression is found."""

    pattern: re.Pattern[str]
    path: None = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.pattern.groupindex)

    def values(self, line: str) -> dict[str, float]:
        found = self.pattern.search(line)
        groups = found.groupdict() if found else {}
        return {name: _number(name, text, line) for name, text in groups.items() if text is not None}

    def missing(self) -> str:
        return "no line of its output gave val_score by the pattern of curve=lines(...)"


@dataclass(frozen=True)
class JsonLines:
    """Lines of a file, each a JSON object. `keys` maps the names of an epoch's values to the file's own."""

    path: str
    keys: Mapping[str, str]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.keys)

    def values(self, line: str) -> dict[str, float]:
        if not line.strip():
            return {}
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{self.path}: not a line of JSON: {line[:80]!r}") from error
        given = {name: row.get(key) for name, key in self.keys.items()} if isinstance(row, dict) else {}
        return {name: _number(name, value, line) for name, value in given.items() if value is not None}

    def missing(self) -> str:
        return f"no line of {self.path} has '{self.keys['val_score']}'"


def lines(pattern: str) -> Lines:
    """Read the lines of a command's output that a regular expression matches, wherever in the line.

    Its named groups are the values: `(?P<val_score>...)` is needed; test_score, train_score, val_loss, train_loss and epoch may be there.
    An epoch may take several lines, one alternative of the pattern (`...|...`) for each: it is complete when every group was seen, or
    when the next val_score comes. With the group epoch, a line whose number came already is left out. Raises SettingsError.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"curve: {pattern!r} is no regular expression: {error}") from error
    _check_names(compiled.groupindex, "the pattern has no group (?P<val_score>...)")
    return Lines(compiled)


def json_lines(path: str, **keys: str) -> JsonLines:
    """Read a file in which a command writes one JSON object per line, while it grows.

    `path` begins with `{folder}`, the folder of the trial, so that no trial reads another's file. `keys` gives the file's own names:
    `val_score="eval/rmse", train_loss="loss"`. An epoch may take several lines, as for `lines`. Raises SettingsError.
    """
    _check_names(keys, "val_score is missing: give the key of the validation score, as in val_score='eval/rmse'")
    if not path.startswith("{folder}/"):
        text = "give each trial a file of its own: '{folder}/metrics.jsonl', and {folder} among the arguments or as cwd"
        raise SettingsError(f"curve: '{path}': {text}")
    return JsonLines(path, keys)


def _check_names(given: Mapping[str, object], no_score: str) -> None:
    for name in given:
        if name not in NAMES:
            raise SettingsError(f"curve: '{name}' is no value of an epoch{near(name, NAMES)}")
    if "val_score" not in given:
        raise SettingsError(f"curve: {no_score}")


def _number(name: str, value: object, line: str) -> float:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise ValueError(f"{name} is {value!r}, which is no number, in the line {line.strip()[:80]!r}")


@dataclass
class Collector:
    """Makes epochs of the values that lines give. `names` are the values that a whole epoch has."""

    names: frozenset[str]
    _seen: dict[str, float] = field(default_factory=dict)
    _last: float = float("-inf")

    def add(self, values: Mapping[str, float]) -> Iterator[Epoch]:
        """Take the values of a line, and yield each epoch that is complete with it."""
        number = values.get("epoch", self._seen.get("epoch", float("inf")))
        if number <= self._last:
            return
        if number != self._seen.get("epoch", number) or ("val_score" in values and "val_score" in self._seen):
            yield from self.rest()
        self._seen |= values
        if self.names <= self._seen.keys():
            yield from self.rest()

    def rest(self) -> Iterator[Epoch]:
        """Yield the epoch that is not complete, if it has a validation score."""
        seen, self._seen = self._seen, {}
        self._last = seen.get("epoch", self._last)
        if "val_score" in seen:
            val, test, train, val_loss, train_loss = (seen.get(name) for name in MEASURED)
            assert val is not None
            yield Epoch(val, val_loss, train, train_loss, test)
