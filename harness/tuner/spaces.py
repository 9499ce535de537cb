"""The forms in which a user may give a space.

harness.Space, or a dict as in a task's YAML   taken as it is; `default` and `meaning` may be left out
a dict of Optuna distributions                 `optuna_space.py`
a ConfigurationSpace of ConfigSpace            `configspace.py`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.errors import SettingsError
from harness.space import Space
from harness.space.hyperparameter import parse
from harness.tuner.user_space import UserSpace, middle


def user_space(given: object) -> UserSpace:
    """Return the space that a user gives in one of the forms above. Raises SettingsError."""
    if isinstance(given, UserSpace):
        return given
    if isinstance(given, Space):
        return UserSpace(given)
    if isinstance(given, Mapping) and not _is_of("ConfigSpace", given):
        entries = {str(name): entry for name, entry in given.items()}
        if any(_is_of("optuna", entry) for entry in entries.values()):
            from harness.tuner.optuna_space import from_distributions  # noqa: PLC0415 - Optuna takes 0.2 s

            return from_distributions(entries)
        return UserSpace(Space.from_mapping({name: _completed(name, entry) for name, entry in entries.items()}))
    if _is_of("ConfigSpace", given):
        from harness.tuner.configspace import from_configspace  # noqa: PLC0415 - an optional package

        return from_configspace(given)
    raise SettingsError(
        "space: give a dict as in a task's YAML, a dict of Optuna distributions, a ConfigurationSpace of ConfigSpace, "
        f"or a harness.Space, not {type(given).__name__}"
    )


def _is_of(package: str, value: object) -> bool:
    return any(kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


def _completed(name: str, entry: object) -> dict[str, object]:
    """Return an entry of a space with the middle of its range as default, and without a meaning, where it gives none."""
    if not isinstance(entry, Mapping):
        raise SettingsError(
            f"hyperparameter '{name}': give a dict such as {{'type': 'float', 'low': 1e-5, 'high': 1.0, 'scale': 'log'}}, "
            f"not {type(entry).__name__}"
        )
    given = {"meaning": "", **entry}
    if given.get("default") is None:
        provisional = parse(name, {**given, "default": _FIRST.get(str(given.get("type")), _first)(given)})
        given["default"] = middle(provisional)
    return given


def _first(entry: Mapping[str, object]) -> object:
    values = entry.get("levels", entry.get("choices"))
    return values[0] if isinstance(values, list | tuple) and values else ""


# For each type, a value that is in its range for certain, as long as the range itself is given.
_FIRST: Mapping[str, Callable[[Mapping[str, object]], object]] = {
    "float": lambda entry: entry.get("low", 0.0),
    "int": lambda entry: entry.get("low", 0),
    "bool": lambda _: False,
}
