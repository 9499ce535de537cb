"""Configurations as a summary shows them, and what changed between two of them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.space import Config, Space, Value
from harness.tcs.axis import scale, shown, shown_scalar
from harness.tcs.section import Assignments
from harness.tcs.words import clean_names


def assignments(space: Space, config: Config) -> Assignments:
    """Return a configuration with short names and values, in the order of the space."""
    names = clean_names(space.names)
    return Assignments(tuple((names[hp.name], shown_scalar(hp, config[hp.name])) for hp in space if hp.name in config))


@dataclass(frozen=True, slots=True)
class Change:
    """One hyperparameter whose value differs; `distance` is the step on its own scale, in [0, 1] (1 between unordered choices)."""

    name: str
    before: Value
    after: Value
    distance: float
    text: str


def changes(space: Space, before: Config, after: Config) -> tuple[Change, ...]:
    """Return what changed among the hyperparameters that are active in both, largest step first.

    One that is active in only one of the two is left out: some parent of it has changed, and that is the change.
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
        place = scale(hp)
        step = abs(place(b) - place(a)) if ordered else 1.0
        found.append(Change(hp.name, a, b, step, f"{names[hp.name]} {shown(hp, a, rough=True)} -> {shown(hp, b, rough=True)}"))
    return tuple(sorted(found, key=lambda c: -c.distance))


def count_changes(before: Config, after: Config) -> int:
    """Return how many hyperparameters that are active in both differ."""
    # True == 1 in Python, and they may be two choices of one hyperparameter.
    return sum(1 for n, a in before.items() if n in after and (after[n] != a or type(after[n]) is not type(a)))
