"""The last-trial block: what the latest training did, in numbers and one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.space import Config, Space
from harness.tcs.configs import assignments
from harness.tcs.curve import Curve, Log, Tail, read_curve
from harness.tcs.section import Assignments, Cell, Detail, Level, Phrase, View
from harness.tcs.verdict import Judgement, bars, judge
from harness.tcs.words import clean_error, points, points_text, signed
from harness.trial import Status as Ending
from harness.trial import Trajectory


@dataclass(frozen=True)
class LastTrial:
    """The latest trial; every field but `number` is None when there is no trial yet (`number` 0).

    `rank` counts from 1 among the scored trials, ties to the earlier one; None when it failed.
    """

    name: ClassVar[str] = "last_trial"
    number: int
    ending: Ending | None = None
    error: str | None = None
    config: Config | None = None
    shown_config: Assignments | None = None
    rank: int | None = None
    scored: int = 0
    curve: Curve | None = None
    judgement: Judgement | None = None

    def view(self, detail: Detail) -> View:
        if self.curve is None or self.judgement is None or self.shown_config is None or self.ending is None:
            return View((("last_trial", "none yet"),))
        facts: list[tuple[str, Cell]] = [("trial", self._headline()), ("config", self.shown_config)]
        if self.curve.best_pct is not None:
            facts.append(("validation_score", _scores(self.curve)))
        facts.append(("verdict", f"{self.judgement.verdict}: {self.judgement.reason}"))
        if self.curve.tail is not None:
            if detail.level > Level.LEAST:
                facts.append(("tail", _tail(self.curve.tail)))
            facts.append(("gap", _gap(self.curve.tail, detail)))
        lacks = log_text(self.curve.log)
        if lacks:
            facts.append(("log", lacks))
        return View(tuple(facts))

    def _headline(self) -> Phrase:
        if self.rank is not None:
            text = f"{self.number}, ranks {self.rank} of {self.scored} scored"
            return Phrase(text, {"trial": self.number, "status": "ok", "rank": self.rank, "of": self.scored})
        text = f"{self.number}, failed ({self.ending}: {self.error})"
        return Phrase(text, {"trial": self.number, "status": str(self.ending), "error": self.error})


def last_trial(space: Space, trajectory: Trajectory, budget: int) -> LastTrial:  # noqa: ARG001  (the contract of a block)
    """Read the latest trial."""
    if not len(trajectory):
        return LastTrial(0)
    trial = trajectory[-1]
    curve = read_curve(trial.outcome.curve)
    scores = [t.score for t in trajectory if t.score is not None]
    return LastTrial(
        number=trial.number,
        ending=trial.outcome.status,
        error=None if trial.outcome.ok else clean_error(trial.outcome.error),
        config=dict(trial.config),
        shown_config=assignments(space, trial.config),
        rank=None if trial.score is None else sum(1 for score in scores[:-1] if score >= trial.score) + 1,
        scored=len(scores),
        curve=curve,
        judgement=judge(trial.outcome, bars(trajectory.trials)[-1], curve),
    )


def log_text(log: Log) -> str:
    """Say what a log lacks; empty for a complete one."""
    lacks = []
    if not log.rows:
        return "empty: no epoch was logged"
    if not log.numbered:
        lacks.append("epoch numbers do not increase, so rows are counted")
    if log.missing:
        lacks.append(f"{log.missing} of {log.last_epoch} epochs missing")
    if log.unscored:
        lacks.append(f"{log.unscored} of {log.rows} rows without a usable score")
    if log.non_finite:
        lacks.append(f"{log.non_finite} values NaN or infinite")
    return "; ".join(lacks)


def _scores(curve: Curve) -> Phrase:
    first, best, final = (points(score or 0.0) for score in (curve.first_pct, curve.best_pct, curve.final_pct))
    at = {"best_epoch": curve.best_epoch, "epochs": curve.log.last_epoch}
    text = f"best {points_text(best)} at epoch {curve.best_epoch} of {curve.log.last_epoch}"
    text += f", first {points_text(first)}, final {points_text(final)}"
    return Phrase(text, {"best_pct": best, **at, "first_pct": first, "final_pct": final})


def _tail(tail: Tail) -> Phrase:
    slope = tail.slope
    ends = [signed(end) if end is not None else "unbounded" for end in (slope.low, slope.high)]
    text = f"epochs {tail.first_epoch}-{tail.last_epoch}: slope {signed(slope.per_epoch)} per epoch"
    text += f" (95% {' to '.join(ends)}), noise {points_text(tail.noise_pct)}"
    low, high = (None if end is None else points(end, 3) for end in (slope.low, slope.high))
    data = {"from_epoch": tail.first_epoch, "to_epoch": tail.last_epoch, "slope_per_epoch": points(slope.per_epoch, 3)}
    return Phrase(text, {**data, "slope_low95": low, "slope_high95": high, "noise_pct": points(tail.noise_pct)})


def _gap(tail: Tail, detail: Detail) -> Phrase:
    if tail.gap_pct is None or tail.train_score_pct is None:
        return Phrase("training score not logged", {"train_minus_validation_pct": None})
    gap, train = points(tail.gap_pct), points(tail.train_score_pct)
    text, data = (
        f"training {points_text(train)}, {signed(gap)} over validation",
        {"train_minus_validation_pct": gap, "train_pct": train},
    )
    if tail.loss_rise is None or detail.level is Level.LEAST:
        return Phrase(text, data)
    rise = min(tail.loss_rise, 99)
    return Phrase(f"{text}; validation loss {rise:.0%} above its minimum", {**data, "val_loss_rise": points(rise)})
