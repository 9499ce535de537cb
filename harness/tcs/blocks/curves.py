"""The curves block: one line per earlier trial. When there are many, the oldest are reduced to counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from harness.space import Space
from harness.tcs.analysis.curve import read_curve
from harness.tcs.analysis.verdict import Verdict, best_of_others, judge
from harness.tcs.thresholds import CURVES_KEPT, OVERFIT_GAP_PCT, UNDERFIT_GAP_PCT
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.section import Cell, Detail, Table, View
from harness.tcs.view.words import bounded, median, score_anchors, score_decimals
from harness.trial import Status as Ending
from harness.trial import Trajectory, Trial

_GAPS = (0.0, UNDERFIT_GAP_PCT, OVERFIT_GAP_PCT)  # a gap is never rounded onto a threshold of a verdict


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One earlier trial.

    score_pct: None when it failed. best_epoch of epochs: the epoch of the best score, and the number of the last one.
    fall_pct: best score minus final score. gap_pct: training minus validation score in the tail. incumbent: whether it leads.
    """

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
    """The trials that have no line: how many they are, how many failed, their scores, and how often each verdict occurs."""

    trials: int
    failed: int
    median_pct: float | None
    best_pct: float | None
    verdicts: tuple[tuple[Verdict, int], ...]


@dataclass(frozen=True)
class Curves:
    """The trials before the last one.

    lines: the newest trials and the incumbent, oldest first. folded: the rest, as counts. decimals: with which scores are written.
    """

    name: ClassVar[str] = "curves"
    lines: tuple[CurveLine, ...]
    folded: Folded | None
    decimals: int
    scale: Scale = field(default=PERCENT_SCALE, repr=False)

    def view(self, detail: Detail) -> View:
        if not self.lines:
            return View((("earlier_trials", "none"),))
        kept = self.lines[-detail.curves :]
        scores = sorted(line.score_pct for line in self.lines if line.score_pct is not None)
        columns = ("trial", "score", "best epoch", "fall after", "train-val gap", "verdict")
        table = Table(
            "earlier_trials",
            columns,
            tuple(_row(line, self.decimals, scores, self.scale) for line in kept),
            len(self.lines) - len(kept),
        )
        return View((("older_trials", _folded(self.folded, self.scale)),) if self.folded else (), (table,))


def curves(space: Space, trajectory: Trajectory, budget: int) -> Curves:  # noqa: ARG001  (the contract of a block)
    """Make one line per trial before the last one."""
    earlier, scale = trajectory.trials[:-1], Scale(trajectory.objective)
    best = trajectory.incumbent
    lines = [
        _line(trial, other, trial is best, scale) for trial, other in zip(earlier, best_of_others(trajectory.trials), strict=False)
    ]
    decimals = score_decimals([t.score for t in trajectory if t.score is not None])
    if len(lines) <= CURVES_KEPT:
        return Curves(tuple(lines), None, decimals, scale)
    kept = {line.trial for line in lines[-CURVES_KEPT:]}
    if best is not None and best.number < min(kept):
        kept = {best.number, *(line.trial for line in lines[-CURVES_KEPT + 1 :])}
    return Curves(
        tuple(line for line in lines if line.trial in kept),
        _fold([line for line in lines if line.trial not in kept]),
        decimals,
        scale,
    )


def _line(trial: Trial, best_other_pct: float | None, incumbent: bool, scale: Scale) -> CurveLine:
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
        verdict=judge(outcome, best_other_pct, curve, scale).verdict,
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


def _row(line: CurveLine, decimals: int, scores: Sequence[float], scale: Scale) -> tuple[Cell, ...]:
    score: Cell = line.ending.value
    if line.score_pct is not None:
        score = scale.score(line.score_pct, decimals, score_anchors(line.score_pct, scores))
    verdict = line.verdict.value + (", incumbent" if line.incumbent else "")
    best = f"{line.best_epoch}/{line.epochs}" if line.best_epoch is not None else f"-/{line.epochs}"
    fall = None if line.fall_pct is None else scale.difference(line.fall_pct, 1, (0.0,))
    gap = None if line.gap_pct is None else scale.signed(line.gap_pct, 0, _GAPS)
    return (line.trial, score, best, fall, gap, verdict)


def _folded(folded: Folded, scale: Scale) -> str:
    scores, scored = "", folded.trials - folded.failed
    if folded.median_pct is not None and folded.best_pct is not None:
        best = scale.score_text(folded.best_pct, apart=(folded.median_pct,))
        # The median of one score is that score, and the median of two scores is neither of them.
        middle = f"median score {scale.score_text(folded.median_pct, apart=(folded.best_pct,))}, " if scored > 2 else ""
        scores = f", {middle}best {best}"
    verdicts = ", ".join(f"{verdict} {count}" for verdict, count in folded.verdicts)
    return f"{folded.trials} more, {folded.failed} failed{scores}; verdicts: {verdicts}"
