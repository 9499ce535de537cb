"""The hidden rules: they change a configuration after the reply, from the state after the last training.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. They are active from the third trial on, the
trend's first, then the overfitting's. Values are not rounded.

    degrading   learning_rate    max(0.0001, 0.7 x): a fixed floor that knows no range
    stagnant    learning_rate    1.2 x, up to its maximum
    HIGH        dropout_rate     1.3 x, up to its maximum
                weight_decay     1.5 x, up to its maximum
                max_depth        one less, of an integer above 1, not below its minimum
                n_estimators     four fifths, cut to an integer, of an integer above 50
    LOW         max_depth        one more, up to its maximum
                n_estimators     25 more, up to its maximum
                weight_decay     0.8 x, of a number above 0, not below its minimum
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.optimizers.published.dimension import Dimension, Kind, Setting
from harness.optimizers.published.pattern import DEGRADING, HIGH, LOW, STAGNANT, Pattern

FIRST_TRIAL = 3
LEAST_RATE = 1e-4
# Names of the harness's tasks that count as one of the rules' names. Every other name must match exactly.
ROLES = {"dropout": "dropout_rate", "word_dropout": "dropout_rate"}


@dataclass(frozen=True)
class Rule:
    """One rule: in the state `when`, the value of the hyperparameter `role` is replaced by `change(value, low, high)`."""

    when: str
    role: str
    text: str
    change: Callable[[float, float, float], float]
    least: float = -math.inf
    integer: bool = False

    def applies(self, value: Setting) -> bool:
        """Say whether the rule acts on this value: a number above `least`, where `integer` is set an integer."""
        is_kind = isinstance(value, int) if self.integer else isinstance(value, int | float)
        return is_kind and not isinstance(value, bool | str | Sequence) and value > self.least


RULES = (
    Rule(DEGRADING, "learning_rate", "x 0.7, at least 0.0001", lambda x, _low, _high: max(LEAST_RATE, x * 0.7)),
    Rule(STAGNANT, "learning_rate", "x 1.2", lambda x, _low, high: min(x * 1.2, high)),
    Rule(HIGH, "dropout_rate", "x 1.3", lambda x, _low, high: min(x * 1.3, high)),
    Rule(HIGH, "weight_decay", "x 1.5", lambda x, _low, high: min(x * 1.5, high)),
    Rule(HIGH, "max_depth", "- 1", lambda x, low, _high: max(x - 1, low), least=1, integer=True),
    Rule(HIGH, "n_estimators", "x 0.8", lambda x, _low, _high: int(x * 0.8), least=50, integer=True),
    Rule(LOW, "max_depth", "+ 1", lambda x, _low, high: min(x + 1, high)),
    Rule(LOW, "n_estimators", "+ 25", lambda x, _low, high: min(x + 25, high)),
    Rule(LOW, "weight_decay", "x 0.8", lambda x, low, _high: max(x * 0.8, low), least=0),
)


@dataclass(frozen=True)
class Change:
    """What a rule did to one value, for the trial's note."""

    name: str
    rule: str
    before: Setting
    after: Setting


def apply_rules(
    config: Mapping[str, Setting],
    dimensions: Sequence[Dimension],
    pattern: Pattern,
    number: int,
    roles: Mapping[str, str] | None = None,
) -> tuple[dict[str, Setting], tuple[Change, ...]]:
    """Return the configuration of trial `number` (from 1) after the rules, and what they changed.

    `roles` gives names of this space that count as one of the rules' names; without it, names must match exactly.
    """
    changed, changes = dict(config), []
    for rule in RULES if number >= FIRST_TRIAL else ():
        if rule.when not in (pattern.trend, pattern.overfitting):
            continue
        for dimension in dimensions:
            value = changed.get(dimension.name)
            if value is None or _role(dimension.name, roles) != rule.role or not rule.applies(value):
                continue
            assert isinstance(value, int | float)
            after = rule.change(value, *_ends(dimension))
            if after != value:
                changed[dimension.name] = after
                changes.append(Change(dimension.name, f"{rule.when}: {rule.text}", value, after))
    return changed, tuple(changes)


def rules_for(
    dimensions: Sequence[Dimension], roles: Mapping[str, str] | None = None, *, overfitting: bool = True
) -> dict[str, list[str]]:
    """Return, for each hyperparameter that a rule can act on, these rules in words; empty for a space without such names.

    `overfitting`: whether the overfitting can be known; where it cannot, only the rules on the trend can act.
    """
    found = {}
    for dimension in dimensions:
        numeric = dimension.kind in (Kind.FLOAT, Kind.INTEGER, Kind.ORDINAL)
        fits = [
            rule
            for rule in RULES
            if rule.role == _role(dimension.name, roles)
            and (not rule.integer or dimension.kind is not Kind.FLOAT)
            and (overfitting or rule.when in (DEGRADING, STAGNANT))
        ]
        if numeric and fits:
            found[dimension.name] = [f"{rule.when}: {rule.text}" for rule in fits]
    return found


def _role(name: str, roles: Mapping[str, str] | None) -> str:
    return (roles or {}).get(name, name)


def _ends(dimension: Dimension) -> tuple[float, float]:
    return (-math.inf if dimension.low is None else dimension.low, math.inf if dimension.high is None else dimension.high)
