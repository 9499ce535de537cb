"""What a default configuration says of a space, as a probability distribution: good values are likely near the default.

A number or an ordered level has a normal distribution around the default, cut off at the ends of the space's own scale; `spread` is its
standard deviation as a share of the scale. An unordered choice has half of its probability on the default, and half spread evenly over all
choices. The hyperparameters are independent. NePS and the examples of Hvarfner et al. (2022) describe a user's belief in this form.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

from harness.errors import SettingsError
from harness.space import Choice, Config, Hyperparameter, Space, Value

DEFAULT_SHARE = 0.5  # of the probability of an unordered choice, above what all choices share


def is_ordered(hp: Hyperparameter) -> bool:
    """Say whether the values of a hyperparameter have an order: a number, or ordered levels."""
    return not isinstance(hp, Choice) or hp.ordered


def shares(hp: Choice) -> list[float]:
    """Return the probability of each choice, shape (len(choices),)."""
    even = (1 - DEFAULT_SHARE) / len(hp.choices)
    at = hp.choices.index(hp.exact(hp.default)) if isinstance(hp.default, str) else int(hp.to_unit(hp.default) * len(hp.choices))
    return [even + (DEFAULT_SHARE if k == at else 0.0) for k in range(len(hp.choices))]


@dataclass(frozen=True)
class DefaultPrior:
    """The distribution around a space's default. Raises SettingsError unless `spread` is above 0."""

    space: Space
    spread: float

    def __post_init__(self) -> None:
        if not 0 < self.spread < float("inf"):
            raise SettingsError(f"optimizer.options.spread={self.spread}: must be above 0, as a share of the scale")

    def place(self, hp: Hyperparameter, share: float) -> Value:
        """Return the value below which `share`, in [0, 1), of the probability lies: a draw when `share` is uniform."""
        if not is_ordered(hp):
            assert isinstance(hp, Choice)
            return _at(hp, share)
        low, high = self._ends[hp.name]
        normal = NormalDist(hp.to_unit(hp.default), self.spread)
        # The ends keep `inv_cdf` away from 0 and 1, for which it has no value.
        return hp.from_unit(normal.inv_cdf(min(max(low + share * (high - low), 1e-12), 1 - 1e-12)))

    def sample(self, rng: random.Random) -> Config:
        """Draw a configuration. Inactive hyperparameters are drawn too, so that the others do not depend on which are active."""
        return self.space.restrict({hp.name: self.place(hp, rng.random()) for hp in self.space})

    @cached_property
    def _ends(self) -> dict[str, tuple[float, float]]:
        """The probability below the lower and below the upper end of the scale, before the distribution is cut off."""
        normals = {hp.name: NormalDist(hp.to_unit(hp.default), self.spread) for hp in self.space if is_ordered(hp)}
        return {name: (normal.cdf(0.0), normal.cdf(1.0)) for name, normal in normals.items()}


def _at(hp: Choice, share: float) -> Value:
    total = 0.0
    for choice, part in zip(hp.choices, shares(hp), strict=True):
        total += part
        if share < total:
            return choice
    return hp.choices[-1]
