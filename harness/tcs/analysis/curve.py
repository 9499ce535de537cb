"""One training in numbers: best and final score, slope and noise of the tail, gap between training and validation, defects of the log.

`verdict.py` gives the verdict on these numbers. A curve may be empty, may skip epochs, and may hold None, NaN or infinities anywhere.
Unusable values are left out and counted, and the summary reports the counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import mul, sub
from typing import TypeAlias, cast

from harness.tcs.analysis.rank_tests import Slope, theil_sen
from harness.tcs.thresholds import FEWEST_EPOCHS, MOST_TAIL_POINTS, TAIL_SHARE
from harness.tcs.view.words import LARGEST, bounded, mean, median
from harness.trial import Epoch

Column: TypeAlias = list[float | None]


@dataclass(frozen=True, slots=True)
class Log:
    """The log of a training: its size and its defects.

    rows: the number of rows.
    last_epoch: the number of the last row; 0 for an empty log.
    missing: the number of epochs up to the last one that have no row.
    unscored: the number of rows without a finite validation score.
    non_finite: the number of values that are NaN or infinite, in all columns.
    numbered: whether the epoch numbers increase. If they do not, the rows are counted from 1.
    ends_non_finite: whether the validation score or a loss of the last row is NaN or infinite.
    """

    rows: int
    last_epoch: int
    missing: int
    unscored: int
    non_finite: int
    numbered: bool
    ends_non_finite: bool


@dataclass(frozen=True, slots=True)
class Tail:
    """The last third of the scored rows (at least 5). Scores and gaps are in percentage points, slopes in points per epoch.

    first_epoch, last_epoch: the numbers of its first and its last epoch.
    score_pct, highest_pct: median and maximum of the validation scores.
    slope: the Theil-Sen slope with its 95 % interval.
    noise_pct: the standard deviation from epoch to epoch, without the trend: the root of half the mean squared successive difference
        (von Neumann 1941), after the slope is subtracted.
    train_score_pct: median of the training scores; None when they were not logged, and gap_pct too.
    gap_pct: median of training minus validation score; positive when the model is better on its training data.
    loss_rise: how far the median validation loss is above its minimum, as a share of that minimum; None when the minimum is not
        positive.
    """

    first_epoch: int
    last_epoch: int
    score_pct: float
    highest_pct: float
    slope: Slope
    noise_pct: float
    train_score_pct: float | None
    gap_pct: float | None
    loss_rise: float | None

    @property
    def span(self) -> int:
        """The number of epochs from the first to the last row of the tail, at least 1."""
        return max(self.last_epoch - self.first_epoch, 1)


@dataclass(frozen=True, slots=True)
class Curve:
    """The numbers of one training. The scores are None when no row has a usable validation score.

    first_pct, best_pct, final_pct, lowest_pct: the first, best, last and lowest validation score; best_epoch: where the best one is.
    largest_fall_pct: the largest fall from one scored row to the next, after the first third of them.
    train_fell: whether training got worse after the best epoch; None when it was not logged.
    reached_epoch: the first epoch whose score is within max(0.5, 2 * noise) points of the best.
    tail: None with fewer than 5 scored rows.
    """

    log: Log
    first_pct: float | None = None
    best_pct: float | None = None
    best_epoch: int | None = None
    final_pct: float | None = None
    lowest_pct: float | None = None
    largest_fall_pct: float = 0.0
    train_fell: bool | None = None
    reached_epoch: int | None = None
    tail: Tail | None = None


def read_curve(curve: Sequence[Epoch]) -> Curve:
    """Return the numbers of a training curve of any quality, in time linear in its length."""
    val, broken = _column([e.val_score_pct for e in curve])
    val_loss, broken_val_loss = _column([e.val_loss for e in curve])
    train, broken_train = _column([e.train_score_pct for e in curve])
    train_loss, broken_train_loss = _column([e.train_loss for e in curve])
    numbers, numbered = _numbers(curve)
    log = Log(
        rows=len(curve),
        last_epoch=numbers[-1] if numbers else 0,
        missing=numbers[-1] - len(numbers) if numbers else 0,
        unscored=val.count(None),
        non_finite=broken + broken_val_loss + broken_train + broken_train_loss,
        numbered=numbered,
        ends_non_finite=bool(curve) and _ends_broken(curve[-1]),
    )
    rows = [i for i, score in enumerate(val) if score is not None] if log.unscored else range(len(val))
    scores = [score for score in val if score is not None]
    if not scores:
        return Curve(log)
    best = max(scores)
    at = rows[scores.index(best)]
    tail = _tail(rows, numbers, scores, (train, val_loss)) if len(scores) >= FEWEST_EPOCHS else None
    reach = best - max(0.5, 2 * tail.noise_pct) if tail else best
    late = scores[len(scores) // 3 :]
    return Curve(
        log,
        first_pct=scores[0],
        best_pct=best,
        best_epoch=numbers[at],
        final_pct=scores[-1],
        lowest_pct=min(scores),
        largest_fall_pct=max(0.0, *map(sub, late, late[1:])) if len(late) > 1 else 0.0,
        train_fell=_train_fell(train, train_loss, at, rows[-1]),
        reached_epoch=numbers[rows[next(i for i, score in enumerate(scores) if score >= reach)]],
        tail=tail,
    )


def _column(values: Sequence[float | None]) -> tuple[Column, int]:
    """Return the values with None in place of those that are not finite, and how many were NaN or infinite."""
    # A fast path for the usual column, which is complete, finite and of ordinary size. NaN fails the comparison.
    if None not in values and sum(map(abs, cast(Sequence[float], values))) < LARGEST:
        return list(values), 0
    broken = sum(1 for v in values if v is not None and not math.isfinite(v))
    return [bounded(v) if v is not None and math.isfinite(v) else None for v in values], broken


def _numbers(curve: Sequence[Epoch]) -> tuple[list[int], bool]:
    numbers = [e.number for e in curve]
    counted = list(range(1, len(numbers) + 1))
    if numbers == counted:
        return numbers, True
    increasing = numbers[0] >= 1 and all(a < b for a, b in pairwise(numbers))
    return (numbers, True) if increasing else (counted, False)


def _ends_broken(last: Epoch) -> bool:
    return any(v is not None and not math.isfinite(v) for v in (last.val_score_pct, last.val_loss, last.train_loss))


def _tail(rows: Sequence[int], numbers: list[int], scores: list[float], others: tuple[Column, Column]) -> Tail:
    size = max(FEWEST_EPOCHS, math.ceil(len(scores) * TAIL_SHARE))
    tail_rows, tail_scores = rows[-size:], scores[-size:]
    epochs = [numbers[i] for i in tail_rows]
    x, y = _averaged(epochs, tail_scores)
    slope = theil_sen(x, y)
    train, val_loss = others
    pairs = [(t, score) for i, score in zip(tail_rows, tail_scores, strict=True) if (t := train[i]) is not None]
    gaps = sorted([t - v for t, v in pairs])
    trained = sorted([t for t, _ in pairs])
    return Tail(
        first_epoch=epochs[0],
        last_epoch=epochs[-1],
        score_pct=median(sorted(tail_scores)),
        highest_pct=max(tail_scores),
        slope=slope,
        noise_pct=_noise(epochs, tail_scores, slope.per_epoch),
        train_score_pct=median(trained) if trained else None,
        gap_pct=median(gaps) if gaps else None,
        loss_rise=_loss_rise(val_loss, tail_rows),
    )


def _noise(epochs: list[int], scores: list[float], slope: float) -> float:
    """Return the standard deviation from epoch to epoch; see `Tail.noise_pct`."""
    steps = [(b - a) - slope * (n - m) for m, n, a, b in zip(epochs, epochs[1:], scores, scores[1:], strict=False)]
    return math.sqrt(math.fsum(map(mul, steps, steps)) / len(steps) / 2)


def _averaged(epochs: list[int], scores: list[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Average a long tail in runs of equal length, so that at most 20 points are left."""
    run = math.ceil(len(scores) / MOST_TAIL_POINTS)
    if run == 1:
        return epochs, scores
    starts = range(0, len(scores), run)
    return [sum(part := epochs[i : i + run]) / len(part) for i in starts], [mean(scores[i : i + run]) for i in starts]


def _loss_rise(val_loss: Column, tail_rows: Sequence[int]) -> float | None:
    tail = sorted([loss for i in tail_rows if (loss := val_loss[i]) is not None])
    least = min([loss for loss in val_loss if loss is not None], default=None)
    if not tail or least is None or least <= 0:
        return None
    return bounded(median(tail) / least - 1) if least > 1e-12 else None


def _train_fell(train: Column, train_loss: Column, best: int, last: int) -> bool | None:
    """Say whether training was worse at the end than at the best epoch: by more than a point of score, or by loss if no score is logged.

    None when neither is logged.
    """
    for column, sign, slack in ((train, 1.0, 1.0), (train_loss, -1.0, 0.0)):
        at_best, at_end = column[best], column[last]
        if at_best is not None and at_end is not None:
            return sign * (at_best - at_end) > slack
    return None
