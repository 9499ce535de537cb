"""One verdict per training, by the fixed numbers of `thresholds.py`, with the number that decided it.

The first rule that holds decides, in this order: diverged, unstable, overfitting, underfitting, still improving, plateau, healthy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.tcs import thresholds as limit
from harness.tcs.analysis.curve import Curve, Tail, read_curve
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.words import clean_error, share_text
from harness.trial import Outcome, Status, Trial

_MOST_RISE = 99  # a loss further above its minimum, as a multiple of it, is only written as "over"


class Verdict(StrEnum):
    """The kind of a training curve."""

    DIVERGED = "diverged"
    UNSTABLE = "unstable"
    OVERFITTING = "overfitting"
    UNDERFITTING = "underfitting"
    STILL_IMPROVING = "still improving"
    PLATEAU = "plateau"
    HEALTHY = "healthy"
    TOO_SHORT = "too few epochs to judge"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the fact that decided it as a phrase."""

    verdict: Verdict
    reason: str


def judge(
    outcome: Outcome, best_other_pct: float | None = None, curve: Curve | None = None, scale: Scale = PERCENT_SCALE
) -> Judgement:
    """Return the verdict on one training.

    best_other_pct: the best validation score of the other trials. A training score that ends well below it, with a small gap to the
        validation score, is underfitting.
    curve: `read_curve(outcome.curve)`, if the caller has it already.
    scale: how the reason writes scores.
    """
    curve = curve or read_curve(outcome.curve)
    diverged = _diverged(outcome, curve, scale)
    if diverged:
        return Judgement(Verdict.DIVERGED, diverged)
    tail = curve.tail
    if tail is None:
        scored = curve.log.rows - curve.log.unscored
        return Judgement(Verdict.TOO_SHORT, f"scored epochs: {scored}, needed: {limit.FEWEST_EPOCHS}")
    rules = (
        (Verdict.UNSTABLE, _unstable(curve, tail, scale)),
        (Verdict.OVERFITTING, _overfitting(curve, tail, scale)),
        (Verdict.UNDERFITTING, _underfitting(tail, best_other_pct, scale)),
        (Verdict.STILL_IMPROVING, _improving(tail, scale)),
        (Verdict.PLATEAU, _plateau(curve)),
    )
    for verdict, reason in rules:
        if reason:
            return Judgement(verdict, reason)
    return Judgement(Verdict.HEALTHY, "calm at the end, and no other verdict holds")


def best_of_others(trials: Sequence[Trial]) -> list[float | None]:
    """Return for each trial the best validation score of the other trials; None when no other trial has a score."""
    scored: list[float | None] = [*sorted((t.score for t in trials if t.score is not None), reverse=True), None, None]
    best, second = scored[:2]
    # When two trials share the best score, `second` equals `best`.
    return [second if trial.score is not None and trial.score == best else best for trial in trials]


def gain_ahead_pct(tail: Tail) -> float:
    """Return the gain if the tail's slope continued for the same number of epochs, in points; 0 unless the slope is clearly above 0."""
    slope = tail.slope
    return slope.per_epoch * tail.span if slope.low is not None and slope.low > 0 else 0.0


def _diverged(outcome: Outcome, curve: Curve, scale: Scale) -> str | None:
    if outcome.status is Status.DIVERGED:
        return clean_error(outcome.error)
    if curve.log.ends_non_finite:
        return "the log ends in values that are not finite"
    tail = curve.tail
    if tail is not None and curve.best_pct is not None and curve.best_pct - tail.highest_pct >= limit.COLLAPSE_PCT:
        return f"{scale.worse_than_best(curve.best_pct - tail.highest_pct)} and stayed there"
    return None


def _unstable(curve: Curve, tail: Tail, scale: Scale) -> str | None:
    if tail.noise_pct >= limit.UNSTABLE_NOISE_PCT:
        return (
            f"noise from epoch to epoch {scale.difference_text(tail.noise_pct, 1)}, {scale.limit(limit.UNSTABLE_NOISE_PCT)} or more"
        )
    if curve.largest_fall_pct >= limit.UNSTABLE_FALL_PCT:
        return f"{scale.worse(curve.largest_fall_pct)} in one step"
    return None


def _overfitting(curve: Curve, tail: Tail, scale: Scale) -> str | None:
    improving = gain_ahead_pct(tail) >= limit.PRACTICAL_PCT
    if tail.gap_pct is not None and tail.gap_pct >= limit.OVERFIT_GAP_PCT and not improving:
        return f"gap {scale.difference_text(tail.gap_pct, 1)}, and validation no longer {'rises' if scale.objective.sign > 0 else 'falls'}"
    fall = (curve.best_pct or 0.0) - tail.score_pct
    if fall >= max(limit.OVERFIT_FALL_PCT, 3 * tail.noise_pct) and not curve.train_fell and not improving:
        return f"validation {scale.below(fall)} its best of epoch {curve.best_epoch}" + _unlogged(curve)
    rise = tail.loss_rise
    wide = tail.gap_pct is None or tail.gap_pct >= limit.LOSS_GAP_PCT
    if rise is not None and rise >= limit.OVERFIT_LOSS_RISE and wide and not curve.train_fell and not improving:
        return f"validation loss {rise_text(rise)}" + _unlogged(curve)
    return None


def rise_text(rise: float) -> str:
    """Say how far a loss is above its minimum; `rise` is a share of that minimum."""
    if rise <= 0:
        return "at its minimum"
    return f"{share_text(rise) if rise <= _MOST_RISE else f'over {_MOST_RISE:.0%}'} above its minimum"


def _unlogged(curve: Curve) -> str:
    return " (training not logged)" if curve.train_fell is None else " while training got no worse"


def _underfitting(tail: Tail, best_other_pct: float | None, scale: Scale) -> str | None:
    if tail.train_score_pct is None or tail.gap_pct is None or tail.gap_pct >= limit.UNDERFIT_GAP_PCT:
        return None
    if gain_ahead_pct(tail) >= limit.PRACTICAL_PCT:
        return None
    apart = limit.UNDERFIT_ALONE_PCT if best_other_pct is None else best_other_pct - limit.UNDERFIT_BELOW_BEST_PCT
    trained = scale.score_text(tail.train_score_pct, 1, (apart,))
    if best_other_pct is None:
        # Where scores are no percentages, there is no bar without another trial.
        low = scale.objective.is_identity and tail.train_score_pct < limit.UNDERFIT_ALONE_PCT
        return f"training score ends at {trained}, below {limit.UNDERFIT_ALONE_PCT:g}" if low else None
    if tail.train_score_pct < best_other_pct - limit.UNDERFIT_BELOW_BEST_PCT:
        return f"training score {trained}, where another trial's validation has {scale.score_text(best_other_pct, 1)}"
    return None


def _improving(tail: Tail, scale: Scale) -> str | None:
    gain = gain_ahead_pct(tail)
    if gain < limit.PRACTICAL_PCT:
        return None
    return f"at this slope {scale.better(gain)} in {tail.span} more epochs"


def _plateau(curve: Curve) -> str | None:
    reached, last = curve.reached_epoch, curve.log.last_epoch
    if reached is None or reached > limit.PLATEAU_SHARE * last:
        return None
    return f"within reach of its best since epoch {reached} of {last}"
