"""The grid of a table: the values of each hyperparameter, and all their combinations.

A task's YAML names levels for some of its hyperparameters. In the table's space these are ordinal or categorical. The others keep their
defaults and are not in the table's space. So all methods search the same smaller space, and no proposal is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from harness.errors import SettingsError, near
from harness.space import Space
from harness.space.hyperparameter import Choice, Config, Hyperparameter, Number, Value

Key: TypeAlias = tuple[tuple[str, Value], ...]
SIGNIFICANT_DIGITS = 3


@dataclass(frozen=True)
class Grid:
    """The space of a table, and `whole`, the task's own space from which it was made."""

    space: Space
    whole: Space

    @classmethod
    def of(cls, whole: Space, levels: Mapping[str, object]) -> Grid:
        """Reduce a space to levels. Each hyperparameter has a list of values, or a number of values that are even on its scale.

        The default is always one of the levels. Raises SettingsError.
        """
        for name in levels:
            if name not in whole:
                raise SettingsError(f"table.levels: there is no hyperparameter '{name}'{near(name, whole.names)}")
        kept = {hp.name: _values(hp, levels[hp.name]) for hp in whole if hp.name in levels}
        grid = cls(Space(tuple(_level(whole[name], values, kept, whole) for name, values in kept.items())), whole)
        for config in grid.configs:
            full = grid.complete(config)
            if any(name not in full for name in config):
                name = next(name for name in config if name not in full)
                raise SettingsError(f"table.levels.{name}: it is never used while what it depends on keeps its default")
        return grid

    @cached_property
    def configs(self) -> tuple[Config, ...]:
        """Every configuration of the table, the last hyperparameter changing fastest."""
        return tuple(enumerate_configs(self.space))

    def complete(self, config: Mapping[str, Value]) -> Config:
        """Return the configuration of the whole space for a configuration of the table: the other hyperparameters have their defaults."""
        return self.whole.restrict({hp.name: config.get(hp.name, hp.default) for hp in self.whole})


def enumerate_configs(space: Space) -> Iterator[Config]:
    """Yield every configuration of a space of choices, the last hyperparameter changing fastest. Inactive hyperparameters are left out."""

    def extend(config: Config, depth: int) -> Iterator[Config]:
        if depth == len(space):
            yield config
            return
        hp = space.hyperparameters[depth]
        if not space.active(hp, config):
            yield from extend(config, depth + 1)
            return
        assert isinstance(hp, Choice), f"{hp.name} has no levels"
        for value in hp.choices:
            yield from extend({**config, hp.name: value}, depth + 1)

    return extend({}, 0)


def key_of(config: Mapping[str, Value]) -> Key:
    """Return the key under which a configuration of the table is found. It must hold exact values in the order of the space."""
    return tuple(config.items())


def _level(hp: Hyperparameter, values: tuple[Value, ...], kept: Mapping[str, tuple[Value, ...]], whole: Space) -> Choice:
    """Return a hyperparameter of the table with these values. Raises SettingsError when its condition can never hold."""
    when: dict[str, tuple[Value, ...]] = {}
    for parent, allowed in hp.when.items():
        if parent not in kept:
            if whole[parent].default not in allowed:
                raise SettingsError(f"table.levels.{hp.name}: it is never used while '{parent}' keeps its default")
            continue
        when[parent] = tuple(value for value in allowed if value in kept[parent])
        if not when[parent]:
            raise SettingsError(f"table.levels.{hp.name}: no level of '{parent}' makes it active")
    ordered = isinstance(hp, Number) or (isinstance(hp, Choice) and hp.ordered)
    return Choice(name=hp.name, default=hp.default, meaning=hp.meaning, unit=hp.unit, when=when, choices=values, ordered=ordered)


def _values(hp: Hyperparameter, asked: object) -> tuple[Value, ...]:
    where = f"table.levels.{hp.name}"
    if isinstance(asked, int) and not isinstance(asked, bool) and isinstance(hp, Number):
        if asked < 2:
            raise SettingsError(f"{where}: needs at least two levels, not {asked}")
        return spaced(hp, asked)
    if not isinstance(asked, list | tuple):
        wanted = "a list of values, or how many" if isinstance(hp, Number) else "a list of values"
        raise SettingsError(f"{where}: give {wanted}, not {asked!r}")
    for value in asked:
        if problem := hp.problem(value):
            raise SettingsError(f"table.levels: {problem}")
    values = tuple(hp.exact(value) for value in asked)
    if hp.default not in values:
        raise SettingsError(f"{where}: its default, {hp.default!r}, must be among them")
    try:
        replace(Choice(name=hp.name, default=hp.default, meaning=hp.meaning, choices=values, ordered=isinstance(hp, Number)))
    except SettingsError as error:
        raise SettingsError(f"table.levels: {error}") from error
    return values


def spaced(hp: Number, count: int) -> tuple[Value, ...]:
    """Return `count` levels from `low` to `high`, even on the scale and rounded to three digits.

    The level nearest to the default is replaced by the default. An integer with fewer than `count` values gets fewer levels.
    """

    def place(value: float) -> float:
        return math.log(value) if hp.log else value

    low, high = place(hp.low), place(hp.high)
    points = [low + (high - low) * step / (count - 1) for step in range(count)]
    shortened = [float(f"{(math.exp(point) if hp.log else point):.{SIGNIFICANT_DIGITS}g}") for point in points]
    inside = [min(max(round(value) if hp.integer else value, hp.low), hp.high) for value in shortened]
    inside[0], inside[-1] = hp.low, hp.high
    default = float(hp.default)
    nearest = min(range(count), key=lambda index: abs(place(inside[index]) - place(default)))
    inside[nearest] = default
    return tuple(hp.exact(value) for value in sorted(set(inside)))
