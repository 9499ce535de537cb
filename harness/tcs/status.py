"""The status block: where the search stands, who leads, and whether the lead and the trend mean anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from harness.space import Config, Space
from harness.tcs.configs import assignments
from harness.tcs.curve import read_curve
from harness.tcs.section import Assignments, Cell, Detail, Phrase, View
from harness.tcs.thresholds import PRACTICAL_PCT, RECENT_SHARE
from harness.tcs.words import bounded, median, points, points_text, signed
from harness.trial import Trajectory, Trial


class Trend(StrEnum):
    """What the incumbent gained in the last third of the trials (at least 2): 0.5 points or more, less, nothing."""

    RISING = "rising"
    SLOWING = "slowing"
    FLAT = "flat"
    UNKNOWN = "too early to say"


@dataclass(frozen=True, slots=True)
class Improvement:
    """A trial that became the incumbent."""

    trial: int
    score_pct: float


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The second best trial, how far it is behind, and the noise to hold that against.

    `noise_pct` is the epoch-to-epoch noise of the two curves together, which is a lower bound of the noise between two seeds; None
    where a curve is too short.
    """

    trial: int
    score_pct: float
    behind_pct: float
    noise_pct: float | None

    @property
    def within_noise(self) -> bool:
        """Whether the lead is smaller than the noise."""
        return self.noise_pct is not None and self.behind_pct < self.noise_pct


@dataclass(frozen=True)
class SearchStatus:
    """Where the search stands. `config` is the incumbent's; everything about it is None while no trial has a score."""

    name: ClassVar[str] = "status"
    done: int
    budget: int
    failed: int
    incumbent: Improvement | None
    config: Config | None
    shown_config: Assignments | None
    trials_since_improvement: int
    improvements: tuple[Improvement, ...]
    recent_trials: int
    recent_gain_pct: float | None
    trend: Trend
    median_pct: float | None
    worst_pct: float | None
    runner_up: RunnerUp | None

    @property
    def left(self) -> int:
        """Trials that may still be made."""
        return max(self.budget - self.done, 0)

    def view(self, detail: Detail) -> View:
        done = Phrase(
            f"{self.done} of {self.budget}, {self.left} left", {"done": self.done, "budget": self.budget, "left": self.left}
        )
        facts: list[tuple[str, Cell]] = [("trials", done)]
        if self.incumbent is None or self.shown_config is None:
            nothing = "no trial yet" if not self.done else f"none: all {self.done} trials failed"
            return View((*facts, ("incumbent", nothing)))
        facts.append(("incumbent", _lead(self.incumbent, self.trials_since_improvement)))
        facts.append(("incumbent_config", self.shown_config))
        if self.runner_up:
            facts.append(("runner_up", _behind(self.runner_up)))
        facts.append(("trend", self._trend(detail)))
        facts.append(("all_scores", self._scores()))
        return View(tuple(facts))

    def _trend(self, detail: Detail) -> Phrase:
        kept = self.improvements[-detail.pick(2, 3, 4, 5) :]
        steps = ", ".join(f"{points_text(i.score_pct)} (trial {i.trial})" for i in kept)
        steps = f".. {steps}" if len(kept) < len(self.improvements) else steps
        gain = self.recent_gain_pct
        recent = "" if gain is None else f"; {signed(gain)} in the last {self.recent_trials} trials"
        data = {"word": self.trend.value, "steps": steps, "recent_gain_pct": None if gain is None else points(gain)}
        return Phrase(f"{self.trend.value}: {steps}{recent}", {**data, "recent_trials": self.recent_trials})

    def _scores(self) -> Phrase:
        middle, worst, scored = self.median_pct or 0.0, self.worst_pct or 0.0, self.done - self.failed
        text = f"median {points_text(middle, 1)}, worst {points_text(worst, 1)}, {self.failed} of {self.done} failed"
        return Phrase(
            text, {"scored": scored, "median_pct": points(middle, 1), "worst_pct": points(worst, 1), "failed": self.failed}
        )


def status(space: Space, trajectory: Trajectory, budget: int) -> SearchStatus:
    """Say where the search stands."""
    best = trajectory.incumbent
    steps = _improvements(trajectory)
    scores = sorted(bounded(t.score) for t in trajectory if t.score is not None)
    recent = max(2, math.ceil(len(trajectory) * RECENT_SHARE))
    gain = _gain(steps, len(trajectory) - recent)
    return SearchStatus(
        done=len(trajectory),
        budget=budget,
        failed=len(trajectory) - len(scores),
        incumbent=steps[-1] if steps else None,
        config=dict(best.config) if best else None,
        shown_config=assignments(space, best.config) if best else None,
        trials_since_improvement=len(trajectory) - steps[-1].trial if steps else len(trajectory),
        improvements=steps,
        recent_trials=recent,
        recent_gain_pct=gain,
        trend=_trend(gain),
        median_pct=median(scores) if scores else None,
        worst_pct=scores[0] if scores else None,
        runner_up=_runner_up(trajectory, best),
    )


def _improvements(trajectory: Trajectory) -> tuple[Improvement, ...]:
    steps: list[Improvement] = []
    best = -math.inf
    for trial in trajectory:
        if trial.score is not None and trial.score > best:
            best = trial.score
            steps.append(Improvement(trial.number, bounded(trial.score)))
    return tuple(steps)


def _gain(steps: tuple[Improvement, ...], before: int) -> float | None:
    """Return what the incumbent gained after trial `before`; None when there was no incumbent by then."""
    earlier = [step for step in steps if step.trial <= before]
    return steps[-1].score_pct - earlier[-1].score_pct if earlier else None


def _trend(gain: float | None) -> Trend:
    if gain is None:
        return Trend.UNKNOWN
    return Trend.RISING if gain >= PRACTICAL_PCT else Trend.SLOWING if gain > 0 else Trend.FLAT


def _runner_up(trajectory: Trajectory, best: Trial | None) -> RunnerUp | None:
    others = [t for t in trajectory if t.score is not None and t is not best]
    if best is None or not others:
        return None
    second = max(others, key=lambda t: t.score or 0.0)
    scores = [bounded(t.score or 0.0) for t in (best, second)]
    return RunnerUp(second.number, scores[1], scores[0] - scores[1], pair_noise_pct(best, second))


def pair_noise_pct(a: Trial, b: Trial) -> float | None:
    """Return the epoch-to-epoch noise of a difference of two trials' scores, in points; None when a curve is too short to tell."""
    tails = [read_curve(trial.outcome.curve).tail for trial in (a, b)]
    noises = [tail.noise_pct for tail in tails if tail is not None]
    return math.hypot(*noises) if len(noises) == 2 else None


def _lead(incumbent: Improvement, since: int) -> Phrase:
    ago = "the last trial" if since == 0 else f"no improvement in {since} trial{'s' if since > 1 else ''} since"
    text = f"trial {incumbent.trial}, score {points_text(incumbent.score_pct)}; {ago}"
    return Phrase(text, {"trial": incumbent.trial, "score_pct": points(incumbent.score_pct), "trials_since": since})


def _behind(second: RunnerUp) -> Phrase:
    noise = second.noise_pct
    word = "" if noise is None else f", {'within' if second.within_noise else 'beyond'} epoch noise {points_text(noise, 1)}"
    text = f"trial {second.trial}, {points_text(second.behind_pct)} behind{word}"
    data = {"trial": second.trial, "score_pct": points(second.score_pct), "behind_pct": points(second.behind_pct)}
    return Phrase(text, {**data, "epoch_noise_pct": None if noise is None else points(noise)})
