"""The state after the last training: trend, level, gap and overfitting.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. Comparisons are strict, and of plain floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.optimizers.published.history import Reader, Training, recent

LEAST_CHANGE = 0.01
HIGH_GAP, MODERATE_GAP = 0.1, 0.05

UNKNOWN_TREND, INSUFFICIENT = "unknown", "insufficient data"
IMPROVING, DEGRADING, STAGNANT = "improving", "degrading", "stagnant"
UNKNOWN, HIGH, MODERATE, LOW = "UNKNOWN", "HIGH", "MODERATE", "LOW"


@dataclass(frozen=True)
class Pattern:
    """What is said of the trainings so far; every number is in the unit that the agents are told.

    `current` is the last score there is, `change` that less the score before it, `gap` the distance left to the target. Without two
    scores in the window there is nothing but a trend (`unknown` before the first training, then `insufficient data`).
    """

    trend: str
    current: float = 0.0
    change: float = 0.0
    level: str = UNKNOWN
    gap: float = 0.0
    overfitting: str = UNKNOWN
    overfitting_gap: float = 0.0


def pattern_of(trainings: Sequence[Training], reader: Reader) -> Pattern:
    """Return the state after the last of these trainings."""
    if not trainings:
        return Pattern(UNKNOWN_TREND)
    scored = [(score, training) for training in recent(trainings) if (score := reader.score(training)) is not None]
    if len(scored) < 2:
        return Pattern(INSUFFICIENT)
    (before, _), (current, training) = scored[-2:]
    metric = reader.metric
    overfitting, gap = _overfitting(reader.train_score(training), current, metric.higher_is_better)
    return Pattern(
        trend=_trend(current - before, metric.higher_is_better),
        current=current,
        change=current - before,
        level=metric.level(current),
        gap=metric.gap(current),
        overfitting=overfitting,
        overfitting_gap=gap,
    )


def _trend(change: float, higher_is_better: bool) -> str:
    up, down = (IMPROVING, DEGRADING) if higher_is_better else (DEGRADING, IMPROVING)
    return up if change > LEAST_CHANGE else down if change < -LEAST_CHANGE else STAGNANT


def _overfitting(train: float | None, current: float, higher_is_better: bool) -> tuple[str, float]:
    if train is None:
        return UNKNOWN, 0.0
    gap = train - current if higher_is_better else current - train
    return HIGH if gap > HIGH_GAP else MODERATE if gap > MODERATE_GAP else LOW, gap
