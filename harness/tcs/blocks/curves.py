"""The curves block: one line for each earlier trial, the oldest ones folded into counts when there are many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.space import Space
from harness.tcs.analysis.curve import read_curve
from harness.tcs.analysis.verdict import Verdict, bars, judge
from harness.tcs.thresholds import CURVES_KEPT, OVERFIT_GAP_PCT, UNDERFIT_GAP_PCT
from harness.tcs.view.section import Cell, Detail, Table, View
from harness.tcs.view.words import bounded, median, points, points_text, score_anchors, score_decimals, signed
from harness.trial import Status as Ending
from harness.trial import Trajectory, Trial

_GAPS = (0.0, UNDERFIT_GAP_PCT, OVERFIT_GAP_PCT)  # a gap is not rounded to what a verdict is decided by


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One earlier trial: score (None when it failed), best epoch of how many, fall from best to final score, gap, verdict."""

    trial: int
    ending: Ending
    score_pct: float | None
    best_epoch: int | None
    epochs: int
    fall_pct: float | None
    gap_pct: float | None
    verdict: Verdict
    incumbent: bool


@dataclass(frozen=True)
class Folded:
    """The trials without a line of their own: how many, their scores, and how many of each verdict."""

    trials: int
    failed: int
    median_pct: float | None
    best_pct: float | None
    verdicts: tuple[tuple[Verdict, int], ...]


@dataclass(frozen=True)
class Curves:
    """The trials before the last: `lines` (the newest, and the incumbent), oldest first, and the `folded` rest."""

    name: ClassVar[str] = "curves"
    lines: tuple[CurveLine, ...]
    folded: Folded | None
    decimals: int

    def view(self, detail: Detail) -> View:
        if not self.lines:
            return View((("earlier_trials", "none"),))
        kept = self.lines[-detail.curves :]
        scores = sorted(line.score_pct for line in self.lines if line.score_pct is not None)
        columns = ("trial", "score", "best epoch", "fall after", "train-val gap", "verdict")
        table = Table(
            "earlier_trials", columns, tuple(_row(line, self.decimals, scores) for line in kept), len(self.lines) - len(kept)
        )
        return View((("older_trials", _folded(self.folded)),) if self.folded else (), (table,))


def curves(space: Space, trajectory: Trajectory, budget: int) -> Curves:  # noqa: ARG001  (the contract of a block)
    """Give each trial before the last its line."""
    earlier = trajectory.trials[:-1]
    best = trajectory.incumbent
    lines = [_line(trial, bar, trial is best) for trial, bar in zip(earlier, bars(trajectory.trials), strict=False)]
    decimals = score_decimals([t.score for t in trajectory if t.score is not None])
    if len(lines) <= CURVES_KEPT:
        return Curves(tuple(lines), None, decimals)
    kept = {line.trial for line in lines[-CURVES_KEPT:]}
    if best is not None and best.number < min(kept):
        kept = {best.number, *(line.trial for line in lines[-CURVES_KEPT + 1 :])}
    return Curves(
        tuple(line for line in lines if line.trial in kept),
        _fold([line for line in lines if line.trial not in kept]),
        decimals,
    )


def _line(trial: Trial, bar_pct: float | None, incumbent: bool) -> CurveLine:
    outcome = trial.outcome
    curve = read_curve(outcome.curve)
    return CurveLine(
        trial=trial.number,
        ending=outcome.status,
        score_pct=None if trial.score is None else bounded(trial.score),
        best_epoch=curve.best_epoch,
        epochs=curve.log.last_epoch,
        fall_pct=None if curve.best_pct is None or curve.final_pct is None else curve.best_pct - curve.final_pct,
        gap_pct=curve.tail.gap_pct if curve.tail else None,
        verdict=judge(outcome, bar_pct, curve).verdict,
        incumbent=incumbent,
    )


def _fold(lines: list[CurveLine]) -> Folded:
    scores = sorted(line.score_pct for line in lines if line.score_pct is not None)
    counts = Counter(line.verdict for line in lines)
    return Folded(
        trials=len(lines),
        failed=len(lines) - len(scores),
        median_pct=median(scores) if scores else None,
        best_pct=scores[-1] if scores else None,
        verdicts=tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].value))),
    )


def _row(line: CurveLine, decimals: int, scores: Sequence[float]) -> tuple[Cell, ...]:
    score: Cell = line.ending.value
    if line.score_pct is not None:
        score = points(line.score_pct, decimals, score_anchors(line.score_pct, scores))
    verdict = line.verdict.value + (", incumbent" if line.incumbent else "")
    best = f"{line.best_epoch}/{line.epochs}" if line.best_epoch is not None else f"-/{line.epochs}"
    fall = None if line.fall_pct is None else points(line.fall_pct, 1, (0.0,))
    gap = None if line.gap_pct is None else signed(line.gap_pct, 0, _GAPS)
    return (line.trial, score, best, fall, gap, verdict)


def _folded(folded: Folded) -> str:
    scores, scored = "", folded.trials - folded.failed
    if folded.median_pct is not None and folded.best_pct is not None:
        best = points_text(folded.best_pct, apart=(folded.median_pct,))
        # The median of one is that one, and the median of two is no score of theirs.
        middle = f"median score {points_text(folded.median_pct, apart=(folded.best_pct,))}, " if scored > 2 else ""
        scores = f", {middle}best {best}"
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in folded.verdicts)
    return f"{folded.trials} more, {folded.failed} failed{scores}; verdicts: {verdicts}"
