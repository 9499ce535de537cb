"""The last-trial block: the latest training in numbers, and one verdict on it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import ClassVar

from harness.space import Config, Space
from harness.tcs.analysis.configs import assignments
from harness.tcs.analysis.curve import Curve, Log, Tail, read_curve
from harness.tcs.analysis.verdict import Judgement, best_of_others, judge, rise_text
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.section import Assignments, Cell, Detail, Level, Phrase, Scalar, View
from harness.tcs.view.words import bounded, clean_error, named_trials, neighbours, points, shortest, signed, trials_text
from harness.trial import Status as Ending
from harness.trial import Trajectory

_ROUNDING = 9  # decimals of a slope or a noise; smaller digits are rounding errors of a straight curve


@dataclass(frozen=True)
class LastTrial:
    """The latest trial. When there is no trial yet, `number` is 0 and the optional fields are None.

    rank: 1 plus the number of better scored trials; None when the trial failed.
    tied: the numbers of the earlier trials with the same score.
    beside: the next lower and the next higher score of the other trials.
    scored: the number of trials with a score.
    """

    name: ClassVar[str] = "last_trial"
    number: int
    ending: Ending | None = None
    error: str | None = None
    config: Config | None = None
    shown_config: Assignments | None = None
    rank: int | None = None
    tied: tuple[int, ...] = ()
    beside: tuple[float, ...] = ()
    scored: int = 0
    curve: Curve | None = None
    judgement: Judgement | None = None
    scale: Scale = field(default=PERCENT_SCALE, repr=False)

    def view(self, detail: Detail) -> View:
        if self.curve is None or self.judgement is None or self.shown_config is None or self.ending is None:
            return View((("last_trial", "none yet"),))
        facts: list[tuple[str, Cell]] = [("trial", self._headline()), ("config", self.shown_config)]
        if self.curve.best_pct is not None:
            facts.append(("validation_score", _scores(self.curve, self.beside, self.scale)))
        facts.append(("verdict", f"{self.judgement.verdict}: {self.judgement.reason}"))
        if self.curve.tail is not None:
            if detail.level > Level.LEAST:
                facts.append(("tail", _tail(self.curve.tail, self.scale)))
            facts.append(("gap", _gap(self.curve.tail, detail, self.scale)))
        lacks = log_text(self.curve.log)
        if lacks:
            facts.append(("log", lacks))
        return View(tuple(facts))

    def _headline(self) -> Phrase:
        if self.rank is not None:
            data: dict[str, Scalar] = {"trial": self.number, "status": "ok", "rank": self.rank, "of": self.scored}
            tied = trials_text(self.tied, 3) if self.tied else None
            return Phrase(f"{self.number}, {self._rank_text(self.rank)}", {**data, "tied_with": tied})
        text = f"{self.number}, failed ({self.ending}: {self.error})"
        return Phrase(text, {"trial": self.number, "status": str(self.ending), "error": self.error})

    def _rank_text(self, rank: int) -> str:
        if self.scored == 1:
            return "the only one scored"
        if not self.tied:
            return f"ranks {rank} of {self.scored} scored"
        ranks = f"ranks {rank}-{rank + len(self.tied)} of {self.scored} scored"
        return f"{ranks}, {'all equal' if len(self.tied) + 1 == self.scored else f'tied with {named_trials(self.tied)}'}"


def last_trial(space: Space, trajectory: Trajectory, budget: int) -> LastTrial:  # noqa: ARG001  (the contract of a block)
    """Summarize the latest trial."""
    if not len(trajectory):
        return LastTrial(0)
    trial = trajectory[-1]
    curve = read_curve(trial.outcome.curve)
    scores = sorted(bounded(t.score) for t in trajectory if t.score is not None)
    score = None if trial.score is None else bounded(trial.score)
    others = [t for t in trajectory.trials[:-1] if t.score is not None and score is not None]
    return LastTrial(
        number=trial.number,
        ending=trial.outcome.status,
        error=None if trial.outcome.ok else clean_error(trial.outcome.error),
        config=dict(trial.config),
        shown_config=assignments(space, trial.config, trajectory),
        rank=None if score is None else len(scores) - bisect_right(scores, score) + 1,
        tied=tuple(t.number for t in others if bounded(t.score or 0.0) == score),
        beside=() if score is None else neighbours(score, scores),
        scored=len(scores),
        curve=curve,
        judgement=judge(trial.outcome, best_of_others(trajectory.trials)[-1], curve, Scale(trajectory.objective)),
        scale=Scale(trajectory.objective),
    )


def log_text(log: Log) -> str:
    """Say what is missing in a log; empty for a complete one."""
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


def _scores(curve: Curve, beside_pct: tuple[float, ...], scale: Scale) -> Phrase:
    first, best, final = (score or 0.0 for score in (curve.first_pct, curve.best_pct, curve.final_pct))
    log = curve.log
    apart = (*beside_pct, first, best, final, 0.0, 100.0)
    shown, start, end = (scale.score(score, apart=apart) for score in (best, first, final))
    data = {"best_pct": shown, "best_epoch": curve.best_epoch, "epochs": log.last_epoch}
    text = f"best {shortest(shown)} at epoch {curve.best_epoch} of {log.last_epoch}"
    if log.rows - log.unscored == 1:
        return Phrase(f"{text}, the only score", data)
    if curve.lowest_pct == best:
        return Phrase(f"{shortest(shown)} at every epoch of {log.last_epoch}", {**data, "constant": True})
    data |= {"first_pct": start, "final_pct": end}
    return Phrase(f"{text}, first {shortest(start)}, final {shortest(end)}", data)


def _tail(tail: Tail, scale: Scale) -> Phrase:
    slope = tail.slope
    ends = [None if end is None else round(end, _ROUNDING) for end in (slope.low, slope.high)]
    middle = round(slope.per_epoch, _ROUNDING)
    apart = (0.0, middle, *(end for end in ends if end is not None))
    low, high = ("unbounded" if end is None else scale.signed(end, apart=apart) for end in ends)
    noise = scale.difference(round(tail.noise_pct, _ROUNDING), apart=(0.0,))
    text = f"epochs {tail.first_epoch}-{tail.last_epoch}: slope {scale.signed(middle, apart=apart)} per epoch"
    text += f" (95% {low} to {high}), noise {shortest(noise)}"
    shown = [None if end is None else scale.difference(end, 3, apart) for end in ends]
    data = {"from_epoch": tail.first_epoch, "to_epoch": tail.last_epoch, "slope_per_epoch": scale.difference(middle, 3, apart)}
    return Phrase(text, {**data, "slope_low95": shown[0], "slope_high95": shown[1], "noise_pct": noise})


def _gap(tail: Tail, detail: Detail, scale: Scale) -> Phrase:
    if tail.gap_pct is None or tail.train_score_pct is None:
        return Phrase("training score not logged", {"train_minus_validation_pct": None})
    gap, train = scale.difference(tail.gap_pct, apart=(0.0,)), scale.score(tail.train_score_pct, apart=(0.0, 100.0))
    over = (
        f"{signed(gap, 6)} {'over' if scale.objective.is_identity else 'better than'} validation" if gap else "equal to validation"
    )
    text, data = f"training {shortest(train)}, {over}", {"train_minus_validation_pct": gap, "train_pct": train}
    if tail.loss_rise is None or detail.level is Level.LEAST:
        return Phrase(text, data)
    return Phrase(
        f"{text}; validation loss {rise_text(tail.loss_rise)}", {**data, "val_loss_rise": points(tail.loss_rise, apart=(0.0,))}
    )
