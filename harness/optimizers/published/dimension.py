"""A hyperparameter as the released system sees it, and the way there from a space of the harness.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from harness.space import Choice, Hyperparameter, Number, Space

# A value in that system: one of ours, or a list of integers (only of `mlp_hidden_size`, which no space of the harness has).
Setting: TypeAlias = "float | int | str | bool | Sequence[int]"
# The only hyperparameter whose value is a list.
LISTED = "mlp_hidden_size"
# What is shown as the range of a hyperparameter that has none.
NO_RANGE = (0.0001, 0.1)


class Kind(StrEnum):
    """The types of hyperparameters there."""

    FLOAT = "float"
    INTEGER = "integer"
    ORDINAL = "ordinal"
    CATEGORICAL = "categorical"


@dataclass(frozen=True)
class Dimension:
    """One hyperparameter. A float and an integer have `low` and `high`; an ordinal has `choices`, and may have both ends as well.

    `log`: whether its scale is logarithmic, which neither agent is told. `lists_options`: whether its choices stand under the key
    `options`; only then, and only for the name `batch_size`, the Analyzer sees them. The released examples use another key.
    """

    name: str
    kind: Kind
    default: Setting
    low: float | None = None
    high: float | None = None
    choices: tuple[Setting, ...] = ()
    log: bool = False
    lists_options: bool = False

    @property
    def shown_range(self) -> tuple[float, float]:
        """The range that the Analyzer is shown: 0.0001 to 0.1 where there is none."""
        return (NO_RANGE[0] if self.low is None else self.low, NO_RANGE[1] if self.high is None else self.high)

    @property
    def shows_options(self) -> bool:
        """Whether the released summary lists the choices in place of a range."""
        return self.name == "batch_size" and self.lists_options


def dimensions_of(space: Space) -> tuple[Dimension, ...]:
    """Return the hyperparameters of a space, in its order. That system knows no conditions: inactive ones are among them."""
    return tuple(map(_dimension, space))


def _dimension(hp: Hyperparameter) -> Dimension:
    if isinstance(hp, Number):
        low, high = (int(hp.low), int(hp.high)) if hp.integer else (hp.low, hp.high)
        return Dimension(hp.name, Kind.INTEGER if hp.integer else Kind.FLOAT, hp.default, low, high, log=hp.log)
    assert isinstance(hp, Choice)
    if not hp.ordered:
        return Dimension(hp.name, Kind.CATEGORICAL, hp.default, choices=hp.choices)
    numbers = [choice for choice in hp.choices if not isinstance(choice, str | bool)]
    ends = (min(numbers), max(numbers)) if len(numbers) == len(hp.choices) else (None, None)
    return Dimension(hp.name, Kind.ORDINAL, hp.default, low=ends[0], high=ends[1], choices=hp.choices)


def completed(config: Mapping[str, Setting], dimensions: Sequence[Dimension]) -> dict[str, Setting]:
    """Return a value for every hyperparameter: an inactive one, which a configuration leaves out, has its default."""
    return {dimension.name: config.get(dimension.name, dimension.default) for dimension in dimensions}
