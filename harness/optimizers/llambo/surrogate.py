"""LLAMBO's discriminative surrogate: read predictions, and rank candidates by their expected improvement.

Source: section 4 of arXiv 2402.03921 and its code, as described in facts: mean and standard deviation over all predictions of a candidate,
with a floor of 1e-5 of an accuracy as a fraction, which is 0.001 points; EI = (m - best) Phi(z) + sd phi(z), z = (m - best) / sd.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.optimizers.agent.reply import BadReply, Kind, last_object, strip_thinking
from harness.space import Config
from harness.trial import Objective

SD_FLOOR = 1e-3
_NORMAL = statistics.NormalDist()


@dataclass(frozen=True)
class Candidate:
    """A configuration of the shown space, the round of the sampler that gave it (from 1), and its predicted scores in points."""

    config: Config
    round: int
    predictions: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """The mean prediction in points; None without any."""
        return statistics.fmean(self.predictions) if self.predictions else None

    @property
    def sd(self) -> float:
        """The standard deviation of the predictions in points, at least SD_FLOOR."""
        return max(SD_FLOOR, statistics.pstdev(self.predictions) if self.predictions else 0.0)

    def improvement(self, best: float) -> float | None:
        """Return the expected improvement over the score `best`, in points; None without a prediction."""
        if self.mean is None:
            return None
        z = (self.mean - best) / self.sd
        return (self.mean - best) * _NORMAL.cdf(z) + self.sd * _NORMAL.pdf(z)

    def to_mapping(self, best: float) -> dict[str, object]:
        """Return plain data for the note: mean, sd and improvement in points, and the number of predictions."""
        known = {} if self.mean is None else {"mean": self.mean, "sd": self.sd, "improvement": self.improvement(best)}
        return {"config": self.config, "round": self.round, "predictions": len(self.predictions), **known}


def chosen(candidates: Sequence[Candidate], best: float) -> Candidate:
    """Return the candidate with the largest expected improvement, of several the first; without any prediction, the first candidate."""
    ranked = [(value, -place) for place, c in enumerate(candidates) if (value := c.improvement(best)) is not None]
    return candidates[-max(ranked)[1]] if ranked else candidates[0]


def read_prediction(text: str, objective: Objective, *, cut_off: str = "") -> float:
    """Return the predicted score in points. `cut_off`: the limit at which the server ended the reply, in words. Raises BadReply."""
    found, _ = last_object(strip_thinking(text))
    if found is None:
        raise BadReply(f"the reply was cut off at {cut_off}" if cut_off else "the reply holds no readable JSON object")
    value = found.get("score")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadReply("the JSON object has no number 'score'")
    if not _possible(value, objective):
        raise BadReply(f"no score can be {value:.6g}", Kind.INVALID)
    return objective.points(float(value))


def _possible(value: float, objective: Objective) -> bool:
    try:
        number = float(value)
    except OverflowError:
        return False
    return math.isfinite(number * number) and (not objective.is_percentage or number <= 100)
