"""The space as its user wrote it, and as the harness sees it.

Space, or a dict as in a task's YAML      taken as it is; `default` and `meaning` may be left out
a dict of Optuna distributions            `optuna_space.py`
a ConfigSpace ConfigurationSpace          `configspace.py`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from harness.errors import SettingsError
from harness.space import Choice, Config, Hyperparameter, Number, Space, Value

UserConfig: TypeAlias = dict[str, Any]
# A choice that is None, which the harness's spaces do not have.
NONE = "None"


@dataclass(frozen=True)
class Grid:
    """The values `low`, `low + step`, ... of a number, up to its high end."""

    low: float
    step: float

    def nearest(self, value: Any, high: float) -> Any:
        """Return the value of the grid that is nearest, and not above `high`; an integer on a grid of integers."""
        last = round((high - self.low) / self.step)
        return self.low + min(max(round((float(value) - self.low) / self.step), 0), last) * self.step


@dataclass(frozen=True)
class UserSpace:
    """A space and the way between its configurations and those of the user.

    `fixed` are hyperparameters with one possible value, which the harness does not see. `grids` are those of numbers with a step, whose
    last value is their `high`. `nones` names the choices of which one is None; the harness sees the text `None`.
    """

    space: Space
    fixed: Mapping[str, Any] = field(default_factory=dict)
    grids: Mapping[str, Grid] = field(default_factory=dict)
    nones: tuple[str, ...] = ()

    def to_user(self, config: Config) -> UserConfig:
        """Return a configuration in the user's values."""
        values = {name: None if name in self.nones and value == NONE else value for name, value in config.items()}
        return {**values, **self.fixed}

    def to_harness(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the user's values as the harness writes them, without the fixed ones. Nothing is checked but the fixed ones.

        Raises SettingsError for another value of a fixed hyperparameter.
        """
        for name, value in self.fixed.items():
            if name in values and values[name] != value:
                raise SettingsError(f"{name}: {values[name]!r} is not the only value that it has, {value!r}")
        return self.on_grid(
            {
                name: NONE if value is None and name in self.nones else value
                for name, value in values.items()
                if name not in self.fixed
            }
        )

    def on_grid(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values with those of a grid moved to the nearest step; what is outside of the range is left for `Space.check`."""
        return {name: self._on_grid(name, value) for name, value in values.items()}

    def _on_grid(self, name: str, value: Any) -> Any:
        hp = self.space[name] if name in self.grids else None
        if hp is None or isinstance(value, bool | str) or not isinstance(value, int | float):
            return value
        ends = hp.choices if isinstance(hp, Choice) else (hp.low, hp.high) if isinstance(hp, Number) else ()
        low, high = float(ends[0]), float(ends[-1])
        grid, slack = self.grids[name], 1e-8 * self.grids[name].step
        if not low - slack <= value <= high + slack:
            return value
        return grid.nearest(value, high)

    def to_mapping(self) -> dict[str, object]:
        """Return plain data; the inverse of `from_mapping`."""
        row: dict[str, object] = {"space": self.space.to_mapping()}
        if self.fixed:
            row["fixed"] = dict(self.fixed)
        if self.grids:
            row["grids"] = {name: [grid.low, grid.step] for name, grid in self.grids.items()}
        if self.nones:
            row["nones"] = list(self.nones)
        return row

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> UserSpace:
        """Read what `to_mapping` returned. Raises KeyError, TypeError or SettingsError for anything else."""
        grids = {name: Grid(*numbers) for name, numbers in row.get("grids", {}).items()}
        return cls(Space.from_mapping(row["space"]), dict(row.get("fixed", {})), grids, tuple(row.get("nones", ())))


def middle(hp: Hyperparameter) -> Value:
    """Return the default of a hyperparameter for which nobody gave one: the middle of its scale, or the first of unordered choices."""
    return hp.choices[0] if isinstance(hp, Choice) and not hp.ordered else hp.from_unit(0.5)
