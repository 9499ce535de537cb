"""A ConfigurationSpace of ConfigSpace (an optional package) as a space of the harness.

Priors (a normal or beta distribution) are left out: what counts of them is the range. Conditions that `when` of a task's YAML can say are
kept: a parent has one of some values. Others, and forbidden clauses, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.errors import SettingsError
from harness.space import Choice, Hyperparameter, Number, Space, Value
from harness.tuner.user_space import UserSpace


def from_configspace(given: Any) -> UserSpace:
    """Return the space of a ConfigurationSpace. Raises SettingsError for what it holds and the harness has no form for."""
    if type(given).__name__ != "ConfigurationSpace":
        raise SettingsError(f"space: of ConfigSpace give a ConfigurationSpace, not a {type(given).__name__}")
    if list(given.forbidden_clauses):
        raise SettingsError("space: forbidden clauses cannot be shown to a method; leave them out, and tell such trials as failed")
    fixed = {hp.name: _plain(hp.value) for hp in given.values() if _kind(hp) == "Constant"}
    when: dict[str, dict[str, tuple[Value, ...]]] = {hp.name: {} for hp in given.values()}
    for condition in _parts(given.conditions):
        child, parent = condition.child.name, condition.parent.name
        if {child, parent} & set(fixed):
            raise SettingsError(f"hyperparameter '{child}': a condition on or of a constant ({condition}); leave it out")
        values = _values(condition)
        both = when[child].get(parent, values)
        when[child][parent] = tuple(value for value in values if value in both)
    # The package lists parents before their children.
    axes = tuple(_axis(hp, when[hp.name]) for hp in given.values() if hp.name not in fixed)
    if not axes:
        raise SettingsError("the space has no hyperparameter with more than one value")
    return UserSpace(Space(axes), fixed)


def _kind(made: Any) -> str:
    return type(made).__name__


def _parts(conditions: Any) -> Iterator[Any]:
    """Yield the conditions that must all hold, without the conjunctions around them."""
    for condition in conditions:
        if _kind(condition) == "AndConjunction":
            yield from _parts(condition.components)
        elif _kind(condition) in ("EqualsCondition", "InCondition", "NotEqualsCondition"):
            yield condition
        else:
            raise SettingsError(
                f"space: a {_kind(condition)} has no form in the harness ({condition}); it knows 'is' and 'is one of'"
            )


def _values(condition: Any) -> tuple[Value, ...]:
    if _kind(condition) == "EqualsCondition":
        return (_plain(condition.value),)
    if _kind(condition) == "InCondition":
        return tuple(map(_plain, condition.values))
    listed = _listed(condition.parent)
    if listed is None:
        raise SettingsError(f"space: 'is not' needs a parent with listed values ({condition})")
    return tuple(_plain(value) for value in listed if value != condition.value)


def _listed(hp: Any) -> Any:
    return getattr(hp, "choices", None) or getattr(hp, "sequence", None)


def _axis(hp: Any, when: dict[str, tuple[Value, ...]]) -> Hyperparameter:
    meaning = " ".join(str((hp.meta or {}).get("meaning", "")).split())
    default = _plain(hp.default_value)
    listed = _listed(hp)
    if listed is not None:
        choices = tuple(map(_plain, listed))
        ordered = _kind(hp) == "OrdinalHyperparameter"
        return Choice(name=hp.name, default=default, meaning=meaning, when=when, choices=choices, ordered=ordered)
    low, high = getattr(hp, "lower", None), getattr(hp, "upper", None)
    if low is None or high is None:
        raise SettingsError(f"hyperparameter '{hp.name}': a {_kind(hp)} without a range; give it bounds")
    integer = "Integer" in _kind(hp)
    made = Number(
        name=hp.name,
        default=default,
        meaning=meaning,
        when=when,
        low=float(low),
        high=float(high),
        log=bool(hp.log),
        integer=integer,
    )
    return replace(made, default=made.exact(default))


def _plain(value: Any) -> Value:
    """Return a value as Python has it, not NumPy. Raises SettingsError for one that no space of the harness can hold."""
    plain = value.item() if hasattr(value, "item") else value
    if not isinstance(plain, bool | int | float | str):
        raise SettingsError(f"space: {plain!r} cannot be a choice; give it a name, and look it up where it is used")
    return str(plain) if isinstance(plain, str) else plain
