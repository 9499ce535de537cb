"""Optuna's trial with the values of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FixedTrial

from harness.errors import near
from harness.space import Config, Space, Value


class NotInSpace(Exception):
    """An objective asked for something else than the space of the task's YAML holds."""


class Pruned(Exception):
    """An objective pruned its own trial."""


class ConfigTrial(FixedTrial):
    """A trial whose suggestions are the values of `config`. `reports` are the reported values, in order, one for each step.

    Its suggestions raise NotInSpace for a name that `config` does not have, and a value that is none of those asked for.
    """

    def __init__(self, space: Space, config: Config, number: int) -> None:
        super().__init__(dict(config), number)
        self.reports: list[float] = []
        self._space, self._config = space, config
        self._steps: set[int] = set()

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        self._need_number(name, low, high, step)
        return super().suggest_float(name, low, high, step=step, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self._need_number(name, low, high, step)
        return super().suggest_int(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        value = self._given(name)
        found = [choice for choice in choices if type(choice) is type(value) and choice == value]
        found = found or [choice for choice in choices if bool not in (type(choice), type(value)) and choice == value]
        found = found or [choice for choice in choices if str(choice) == value]
        if not found:
            raise NotInSpace(f"{name} is one of {', '.join(map(repr, choices))} in the objective, and {value!r} in the space")
        self._params[name] = found[0]
        return super().suggest_categorical(name, choices)

    def report(self, value: float, step: int) -> None:
        """Keep a value; as in Optuna, a second one for the same step does not count."""
        if step not in self._steps:
            self._steps.add(step)
            self.reports.append(float(value))

    def _given(self, name: str) -> Value:
        if name in self._config:
            return self._config[name]
        if name in self._space:
            when = " and ".join(f"{parent} is {' or '.join(map(str, values))}" for parent, values in self._space[name].when.items())
            raise NotInSpace(f"the objective asks for '{name}', which the space has only when {when}")
        raise NotInSpace(f"the objective asks for '{name}', which the space does not have{near(name, self._space.names)}")

    def _need_number(self, name: str, low: float, high: float, step: float | None) -> None:
        value = self._given(name)
        if isinstance(value, bool | str):
            raise NotInSpace(f"{name} is a number in the objective, and {value!r} in the space")
        if not low <= value <= high:
            raise NotInSpace(f"{name} is from {low:g} to {high:g} in the objective, and {value!r} in the space")
        steps = (value - low) / step if step else 0.0
        if abs(steps - round(steps)) > 1e-8:
            raise NotInSpace(
                f"{name} has steps of {step:g} from {low:g} in the objective, and is {value!r} in the space: list its levels"
            )
