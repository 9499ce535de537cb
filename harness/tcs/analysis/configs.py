"""Configurations as a summary shows them, and the changes between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.space import Config, Space, Value
from harness.tcs.analysis.axis import scale
from harness.tcs.view.section import Assignments
from harness.tcs.view.values import Wording
from harness.tcs.view.words import clean_names
from harness.trial import Trajectory


def assignments(space: Space, config: Config, trajectory: Trajectory) -> Assignments:
    """Return a configuration with short names and values, in the order of the space.

    Two blocks show configurations this way: the incumbent's and the last trial's. Different values of these two get different texts.
    """
    names = clean_names(space.names)
    shown = [trial.config for trial in (trajectory.incumbent, trajectory[-1]) if trial is not None]
    written = wordings(space, [config, *shown])
    return Assignments(tuple((names[hp.name], written[hp.name].scalar(config[hp.name])) for hp in space if hp.name in config))


@dataclass(frozen=True, slots=True)
class Change:
    """One hyperparameter whose value differs. `distance` is the step on its own scale, in [0, 1]; 1 between unordered choices."""

    name: str
    before: Value
    after: Value
    distance: float
    text: str


def wordings(space: Space, configs: Sequence[Config], *, rough: bool = False) -> Mapping[str, Wording]:
    """Return for each name how to write the values of these configurations so that different values get different texts."""
    return {hp.name: Wording(hp, (c[hp.name] for c in configs if hp.name in c), rough=rough) for hp in space}


def changes(space: Space, before: Config, after: Config, written: Mapping[str, Wording]) -> tuple[Change, ...]:
    """Return the changes among the hyperparameters that are active in both configurations, largest step first.

    A hyperparameter that is active in only one of them is left out, because a parent of it changed; `brought` returns those.
    """
    names = clean_names(space.names)
    found = []
    for hp in space:
        if hp.name not in before or hp.name not in after:
            continue
        a, b = before[hp.name], after[hp.name]
        if type(a) is type(b) and a == b:
            continue
        ordered = getattr(hp, "ordered", True)
        place, write = scale(hp), written[hp.name]
        step = abs(place(b) - place(a)) if ordered else 1.0
        found.append(Change(hp.name, a, b, step, f"{names[hp.name]} {write(a)} -> {write(b)}"))
    return tuple(sorted(found, key=lambda c: -c.distance))


@dataclass(frozen=True, slots=True)
class Brought:
    """A hyperparameter that a change of its parent activated (`comes`) or deactivated: it is active in only one of two configurations."""

    name: str
    comes: bool
    text: str


def brought(space: Space, before: Config, after: Config) -> tuple[Brought, ...]:
    """Return the hyperparameters that are active in only one of the two configurations, in the order of the space."""
    names = clean_names(space.names)
    lone = [hp.name for hp in space if (hp.name in before) != (hp.name in after)]
    return tuple(Brought(name, name in after, f"{'+' if name in after else '-'}{names[name]}") for name in lone)


def count_changes(before: Config, after: Config) -> int:
    """Return the number of hyperparameters that are active in both configurations and differ."""
    # True == 1 in Python, and True and 1 may be two choices of one hyperparameter.
    return sum(1 for n, a in before.items() if n in after and (after[n] != a or type(after[n]) is not type(a)))
