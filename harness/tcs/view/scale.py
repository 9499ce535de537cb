"""How scores are written: blocks hold them in points, and a reader sees them in the unit of the task's objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.tcs.view.words import points, shortest, with_sign
from harness.trial import PERCENT, Objective


@dataclass(frozen=True, slots=True)
class Scale:
    """Writes scores and differences of scores. A difference is positive where the later or named one is better.

    `decimals` are those of a percentage; another unit gets as many more or fewer as its point is smaller or larger than 1.
    """

    objective: Objective = PERCENT

    def score(self, score_pct: float, decimals: int = 2, apart: Sequence[float] = ()) -> float:
        """Round a score for display; `apart` as for `words.points`, in points."""
        if self.objective.is_identity:
            return points(score_pct, decimals, apart)
        value = self.objective.value
        return points(value(score_pct), self._decimals(decimals), [value(other) for other in apart])

    def score_text(self, score_pct: float, decimals: int = 2, apart: Sequence[float] = ()) -> str:
        """Write a score without trailing zeros."""
        return shortest(self.score(score_pct, decimals, apart))

    def difference(self, difference_pct: float, decimals: int = 2, apart: Sequence[float] = ()) -> float:
        """Round a difference of two scores for display."""
        point = self.objective.point
        if point == 1.0:
            return points(difference_pct, decimals, apart)
        return points(difference_pct * point, self._decimals(decimals), [other * point for other in apart])

    def difference_text(self, difference_pct: float, decimals: int = 2, apart: Sequence[float] = ()) -> str:
        """Write a difference without trailing zeros."""
        return shortest(self.difference(difference_pct, decimals, apart))

    def signed(self, difference_pct: float, decimals: int = 2, apart: Sequence[float] = ()) -> str:
        """Write a difference with its sign; zero has none."""
        return with_sign(self.difference_text(difference_pct, decimals, apart))

    def limit(self, threshold_pct: float) -> str:
        """Write a threshold on differences."""
        return f"{threshold_pct * self.objective.point:.3g}"

    def worse(self, difference_pct: float, decimals: int = 1) -> str:
        """Say that a score got worse: `fell 3.1 points`, or `got worse by 3.1 mg/dl`."""
        shown = self.difference_text(difference_pct, decimals)
        return f"fell {shown} points" if self.objective.is_identity else f"got worse by {shown} {self.objective.unit}".rstrip()

    def worse_than_best(self, difference_pct: float) -> str:
        """Say that a score got worse than its own best: `fell 3.1 points below its best`."""
        return f"{self.worse(difference_pct)} {'below' if self.objective.is_identity else 'against'} its best"

    def better(self, difference_pct: float) -> str:
        """Say that a score gets better: `+3.1`, or `3.1 mg/dl better`."""
        shown = self.difference_text(difference_pct, 1)
        return f"+{shown}" if self.objective.is_identity else f"{shown} {self.objective.unit} better".replace("  ", " ")

    def below(self, difference_pct: float, decimals: int = 1) -> str:
        """Say how far a score is from a better one: `3.1 points below`, or `3.1 mg/dl worse than`."""
        shown = self.difference_text(difference_pct, decimals)
        return (
            f"{shown} points below"
            if self.objective.is_identity
            else f"{shown} {self.objective.unit} worse than".replace("  ", " ")
        )

    @property
    def meaning(self) -> str:
        """What the scores are; empty for a percentage that is to be maximised."""
        objective = self.objective
        if objective.is_identity:
            return ""
        unit = f" in {objective.unit}" if objective.unit else ""
        better = "lower" if objective.sign < 0 else "higher"
        return f"{objective.name}{unit}, {better} is better; a positive difference is an improvement"

    def _decimals(self, decimals: int) -> int:
        return max(0, min(12, decimals - math.floor(math.log10(self.objective.point))))


PERCENT_SCALE = Scale()
