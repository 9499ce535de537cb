"""Optuna's distributions as a space of the harness, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from harness.errors import SettingsError
from harness.space import Choice, Hyperparameter, Number, Space, Value
from harness.tuner.user_space import NONE, Grid, UserSpace, middle

# A number with a step has levels when there are at most so many; with more it is a range, and proposals are moved to the nearest step.
MOST_LEVELS = 24


def from_distributions(given: Mapping[str, object]) -> UserSpace:
    """Return the space of a dict of distributions. Raises SettingsError for one that the harness cannot show a method."""
    fixed, axes, grids, nones = {}, [], {}, []
    for name, distribution in given.items():
        if not isinstance(distribution, BaseDistribution):
            raise SettingsError(f"hyperparameter '{name}': the others are Optuna distributions, and this is {distribution!r}")
        if distribution.single():
            fixed[name] = only_value(name, distribution)
            continue
        axes.append(_axis(name, distribution))
        if (grid := _grid(distribution)) is not None:
            grids[name] = grid
        if isinstance(distribution, CategoricalDistribution) and None in distribution.choices:
            nones.append(name)
    if not axes:
        raise SettingsError("the space has no hyperparameter with more than one value")
    return UserSpace(Space(tuple(axes)), fixed, grids, tuple(nones))


def only_value(name: str, distribution: BaseDistribution) -> object:
    """Return the value of a distribution that has only one. Raises SettingsError for one that a file could not keep."""
    if isinstance(distribution, CategoricalDistribution):
        (value,) = {repr(choice): choice for choice in distribution.choices}.values()
        return value if value is None else _choices(name, distribution)[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.low


def is_usable(name: str, distribution: BaseDistribution) -> bool:
    """Say whether a method can propose values of this distribution. One with a single value needs no proposal."""
    try:
        return not distribution.single() and _axis(name, distribution) is not None
    except SettingsError:
        return False


def to_distributions(user: UserSpace) -> dict[str, BaseDistribution]:
    """Return the distributions that an objective suggests its parameters from, when a space of the harness describes them."""
    return {hp.name: _distribution(hp, user) for hp in user.space}


def _grid(distribution: BaseDistribution) -> Grid | None:
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return Grid(distribution.low, distribution.step)
    if isinstance(distribution, IntDistribution) and distribution.step != 1:
        return Grid(distribution.low, distribution.step)
    return None


def _axis(name: str, distribution: BaseDistribution) -> Hyperparameter:
    made = _made(name, distribution)
    return replace(made, default=middle(made))


def _made(name: str, distribution: BaseDistribution) -> Hyperparameter:
    if isinstance(distribution, CategoricalDistribution):
        return Choice(name=name, default=0, meaning="", choices=_choices(name, distribution))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, integer = distribution.low, distribution.high, isinstance(distribution, IntDistribution)
    grid = _grid(distribution)
    if grid is not None and (count := round((high - low) / grid.step) + 1) <= MOST_LEVELS:
        levels = tuple(grid.nearest(low + place * grid.step, high) for place in range(count))
        return Choice(name=name, default=low, meaning="", choices=levels, ordered=True)
    meaning = "" if grid is None else f"in steps of {grid.step:g}"
    return Number(name=name, default=low, meaning=meaning, low=low, high=high, log=distribution.log, integer=integer)


def _choices(name: str, distribution: CategoricalDistribution) -> tuple[Value, ...]:
    if None in distribution.choices and NONE in distribution.choices:
        raise SettingsError(
            f"hyperparameter '{name}': has None and the text 'None', which a model could not tell apart; rename one"
        )
    shown = [NONE if choice is None else choice for choice in distribution.choices]
    unusable = [choice for choice in shown if not isinstance(choice, bool | int | float | str)]
    if unusable:
        raise SettingsError(
            f"hyperparameter '{name}': {unusable[0]!r} cannot be a choice; give it a name, and look it up in the objective"
        )
    return tuple(choice for choice in shown if isinstance(choice, bool | int | float | str))


def _distribution(hp: Hyperparameter, user: UserSpace) -> BaseDistribution:
    grid = user.grids.get(hp.name)
    if isinstance(hp, Number):
        if hp.integer:
            return IntDistribution(int(hp.low), int(hp.high), log=hp.log, step=int(grid.step) if grid else 1)
        return FloatDistribution(hp.low, hp.high, log=hp.log, step=grid.step if grid else None)
    assert isinstance(hp, Choice)
    if grid is not None:
        low, high = (float(hp.choices[0]), float(hp.choices[-1]))
        if isinstance(hp.choices[0], int):
            return IntDistribution(int(low), int(high), step=int(grid.step))
        return FloatDistribution(low, high, step=grid.step)
    return CategoricalDistribution([None if hp.name in user.nones and choice == NONE else choice for choice in hp.choices])
