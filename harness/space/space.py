"""The search space of a task: hyperparameters with ranges, scales, defaults and conditions.

The YAML of a task holds its space, and `Space.from_mapping` reads it:

    learning_rate: {type: float, low: 1.0e-5, high: 1.0, scale: log, default: 1.0e-3, meaning: step size of the optimizer}
    batch_size:    {type: ordinal, levels: [16, 32, 64, 128], default: 32, unit: images, meaning: images per gradient step}
    optimizer:     {type: categorical, choices: [sgd, adam], default: adam, meaning: the update rule}
    momentum:      {type: float, low: 0.0, high: 0.99, default: 0.9, meaning: momentum of SGD, when: {optimizer: sgd}}

`when` makes a hyperparameter conditional: it is active only while every named parent is active and has the given value (or one of a list
of values). A configuration holds exactly the active hyperparameters, in the order of the space.

This module imports only the standard library, so that a command on a trivial task does not wait for NumPy. (ConfigSpace supports the
same kinds of space, but takes 0.8 s to import.)
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import InvalidConfig, SettingsError, near
from harness.space.hyperparameter import Choice, Config, Hyperparameter, Number, Value, parse

__all__ = ["Choice", "Config", "Hyperparameter", "Number", "Space", "Value"]


@dataclass(frozen=True)
class Space:
    """An ordered set of hyperparameters, in which every parent comes before its children. Raises SettingsError."""

    hyperparameters: tuple[Hyperparameter, ...]

    def __post_init__(self) -> None:
        if not self.hyperparameters:
            raise SettingsError("the space has no hyperparameters")
        seen: dict[str, Hyperparameter] = {}
        for hp in self.hyperparameters:
            if hp.name in seen:
                raise SettingsError(f"hyperparameter '{hp.name}' is given twice")
            for parent, values in hp.when.items():
                _check_condition(hp.name, parent, values, seen)
            seen[hp.name] = hp
        object.__setattr__(self, "_by_name", seen)

    @classmethod
    def from_mapping(cls, entries: Mapping[str, Mapping[str, object]]) -> Space:
        """Read a space from the form that a task's YAML has (see the module's docstring). Raises SettingsError."""
        return cls(tuple(parse(name, entry) for name, entry in entries.items()))

    def __iter__(self) -> Iterator[Hyperparameter]:
        return iter(self.hyperparameters)

    def __len__(self) -> int:
        return len(self.hyperparameters)

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __getitem__(self, name: str) -> Hyperparameter:
        return self._named[name]

    @property
    def _named(self) -> dict[str, Hyperparameter]:
        named: dict[str, Hyperparameter] = self.__dict__["_by_name"]
        return named

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all hyperparameters, including conditional ones, in order."""
        return tuple(hp.name for hp in self.hyperparameters)

    def active(self, hp: Hyperparameter, config: Mapping[str, Value]) -> bool:
        """Say whether `hp` is active when its parents have the values in `config`."""
        return all(parent in config and config[parent] in values for parent, values in hp.when.items())

    def default(self) -> Config:
        """Return the default configuration."""
        return self.restrict({hp.name: hp.default for hp in self})

    def restrict(self, full: Mapping[str, Value]) -> Config:
        """Return the configuration of the active hyperparameters, in exact types; `full` has a value for every hyperparameter."""
        config: Config = {}
        for hp in self:
            if self.active(hp, config):
                config[hp.name] = hp.exact(full[hp.name])
        return config

    def sample(self, rng: random.Random) -> Config:
        """Draw a configuration, each hyperparameter uniformly on its own scale.

        Inactive hyperparameters are drawn too and then dropped, so that the other values do not depend on which ones are active.
        """
        return self.restrict({hp.name: hp.sample(rng) for hp in self})

    def problems(self, config: Mapping[str, object]) -> tuple[str, ...]:
        """Return one message per problem of `config`; empty when it is a member of the space.

        Nothing is repaired. Each of these is a problem: an unknown hyperparameter, a missing one, an inactive one that has a value, and
        a value that is not allowed.
        """
        found = [f"unknown hyperparameter '{name}'{near(str(name), self.names)}" for name in config if name not in self]
        known: Config = {}
        for hp in self:
            problem = None
            if not self.active(hp, known):
                if hp.name in config:
                    found.append(f"{hp.name}: must be left out here, it is only used when {_when_text(hp)}")
                continue
            problem = f"{hp.name}: is missing ({hp.range_text})" if hp.name not in config else hp.problem(config[hp.name])
            if problem:
                found.append(problem)
            else:
                known[hp.name] = hp.exact(config[hp.name])
        return tuple(found)

    def check(self, config: Mapping[str, object]) -> Config:
        """Return `config` in the order of the space and in exact types. Raises InvalidConfig, which holds all problems."""
        problems = self.problems(config)
        if problems:
            raise InvalidConfig(problems)
        return {hp.name: hp.exact(config[hp.name]) for hp in self if hp.name in config}

    def to_unit(self, config: Mapping[str, Value]) -> list[float]:
        """Return the point of a configuration in the unit cube, shape (len(space),). An inactive hyperparameter is at its default."""
        return [hp.to_unit(config.get(hp.name, hp.default)) for hp in self]

    def from_unit(self, position: Sequence[float]) -> Config:
        """Return the configuration at a point of the unit cube, shape (len(space),). Raises ValueError for a wrong length."""
        if len(position) != len(self):
            raise ValueError(f"expected {len(self)} coordinates, got {len(position)}")
        return self.restrict({hp.name: hp.from_unit(u) for hp, u in zip(self, position, strict=True)})

    def to_mapping(self) -> dict[str, dict[str, object]]:
        """Return the space as plain data; `from_mapping` turns it into an equal space."""
        return {hp.name: _entry(hp) for hp in self}


def _check_condition(name: str, parent: str, values: tuple[Value, ...], before: Mapping[str, Hyperparameter]) -> None:
    where = f"hyperparameter '{name}': condition on '{parent}'"
    if parent not in before:
        raise SettingsError(f"{where}: no hyperparameter of that name stands before it{near(parent, before)}")
    for value in values:
        problem = before[parent].problem(value)
        if problem:
            raise SettingsError(f"{where} can never hold: {problem}")


def _when_text(hp: Hyperparameter) -> str:
    return " and ".join(f"{parent} is {' or '.join(str(v) for v in values)}" for parent, values in hp.when.items())


def _entry(hp: Hyperparameter) -> dict[str, object]:
    entry: dict[str, object] = {"default": hp.default, "meaning": hp.meaning, "unit": hp.unit}
    if hp.when:
        entry["when"] = {parent: list(values) for parent, values in hp.when.items()}
    if isinstance(hp, Number):
        number = int if hp.integer else float
        entry |= {"type": "int" if hp.integer else "float", "low": number(hp.low), "high": number(hp.high)}
        entry |= {"scale": "log" if hp.log else "linear"}
    elif isinstance(hp, Choice):
        key = "levels" if hp.ordered else "choices"
        entry |= {"type": "ordinal" if hp.ordered else "categorical", key: list(hp.choices)}
    return entry
