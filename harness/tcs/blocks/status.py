"""The status block: budget and counts, the incumbent and the runner-up, and the trend, each with the noise that it must exceed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from harness.space import Config, Space
from harness.tcs.analysis.configs import assignments
from harness.tcs.analysis.curve import read_curve
from harness.tcs.thresholds import PRACTICAL_PCT, RECENT_SHARE
from harness.tcs.view.scale import PERCENT_SCALE, Scale
from harness.tcs.view.section import Assignments, Cell, Detail, Phrase, View
from harness.tcs.view.words import (
    bounded,
    median,
    named_trials,
    score_anchors,
    shortest,
    trials_text,
)
from harness.trial import Trajectory, Trial, incumbents

_NO_NOISE = 1e-6  # points; smaller values are rounding errors of straight curves, from which no noise can be estimated


class Trend(StrEnum):
    """How much the incumbent gained in the last third of the trials (at least 2): 0.5 points or more, less than that, or nothing."""

    RISING = "rising"
    SLOW = "slow"
    FLAT = "flat"
    UNKNOWN = "too early to say"


@dataclass(frozen=True, slots=True)
class Improvement:
    """A trial that became the incumbent. `shown_pct` is its score with the fewest digits that distinguish it from every other score."""

    trial: int
    score_pct: float
    shown_pct: float


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The best trial among those with a lower score than the incumbent.

    behind_pct: the difference to the incumbent's score, in points.
    noise_pct: the epoch-to-epoch noise of that difference, from both curves; a lower bound of the noise between two seeds. None when a
        curve is too short.
    """

    trial: int
    score_pct: float
    behind_pct: float
    noise_pct: float | None

    @property
    def within_noise(self) -> bool:
        """Whether the lead is no larger than the noise."""
        return self.noise_pct is not None and self.behind_pct <= self.noise_pct


@dataclass(frozen=True)
class SearchStatus:
    """The state of the search. Everything about the incumbent is None or empty while no trial has a score.

    done, budget, failed: trials that were run, that may be run in all, and that failed.
    incumbent: the trial with the best score (the first one on a tie). shared: the numbers of the other trials with that score.
    config, shown_config: the incumbent's configuration, exact and as the summary writes it.
    improvements: every trial that became the incumbent, in order.
    recent_trials, recent_failed, recent_gain_pct: the window of the trend, the failures in it, and the incumbent's gain in it (points).
    median_pct, worst_pct: over the scored trials.
    """

    name: ClassVar[str] = "status"
    done: int
    budget: int
    failed: int
    incumbent: Improvement | None
    shared: tuple[int, ...]
    config: Config | None
    shown_config: Assignments | None
    trials_since_improvement: int
    improvements: tuple[Improvement, ...]
    recent_trials: int
    recent_failed: int
    recent_gain_pct: float | None
    trend: Trend
    median_pct: float | None
    worst_pct: float | None
    runner_up: RunnerUp | None
    scale: Scale = field(default=PERCENT_SCALE, repr=False)

    @property
    def left(self) -> int:
        """Trials that may still be run."""
        return max(self.budget - self.done, 0)

    def view(self, detail: Detail) -> View:
        done = Phrase(
            f"{self.done} of {self.budget}, {self.left} left", {"done": self.done, "budget": self.budget, "left": self.left}
        )
        facts: list[tuple[str, Cell]] = [("trials", done)]
        if self.scale.meaning:
            facts.append(("scores", self.scale.meaning))
        if self.incumbent is None or self.shown_config is None:
            nothing = "no trial yet" if not self.done else f"none: all {self.done} trials failed"
            return View((*facts, ("incumbent", nothing)))
        facts.append(("incumbent", _lead(self.incumbent, self.shared, self.trials_since_improvement)))
        facts.append(("incumbent_config", self.shown_config))
        if self.runner_up:
            facts.append(("runner_up", _behind(self.runner_up, self.scale)))
        facts.append(("trend", self._trend(detail)))
        facts.append(("all_scores", self._scores(self.incumbent)))
        return View(tuple(facts))

    def _trend(self, detail: Detail) -> Phrase:
        kept = self.improvements[-detail.pick(2, 3, 4, 5) :]
        steps = ", ".join(f"{shortest(i.shown_pct)} (trial {i.trial})" for i in kept)
        steps = f".. {steps}" if len(kept) < len(self.improvements) else steps
        gain, apart = self.recent_gain_pct, (0.0, PRACTICAL_PCT)
        recent = "" if gain is None else f"; {self.scale.signed(gain, apart=apart)} in the last {self.recent_trials} trials"
        recent += f", of which {self.recent_failed} failed" if recent and self.recent_failed else ""
        # Scores that are minimised fall while the incumbent gains.
        word = "improving" if self.trend is Trend.RISING and self.scale.objective.sign < 0 else self.trend.value
        data = {
            "word": word,
            "steps": steps,
            "recent_gain_pct": None if gain is None else self.scale.difference(gain, apart=apart),
        }
        data |= {"recent_trials": self.recent_trials, "recent_failed": self.recent_failed or None}
        return Phrase(f"{word}: {steps}{recent}", data)

    def _scores(self, best: Improvement) -> Phrase:
        middle, worst, scored = self.median_pct or 0.0, self.worst_pct or 0.0, self.done - self.failed
        failed = f"{self.failed} of {self.done} failed"
        counts = {"scored": scored, "failed": self.failed}
        if worst == best.score_pct:
            return Phrase(
                f"{'one' if scored == 1 else f'{scored}, all equal'}; {failed}", {**counts, "all_equal": scored > 1 or None}
            )
        low = self.scale.score(worst, 1, (best.score_pct, middle))
        if scored == 2:  # the median of two scores is neither of them
            return Phrase(f"two, worst {shortest(low)}; {failed}", {**counts, "worst_pct": low})
        mid = best.shown_pct if middle == best.score_pct else self.scale.score(middle, 1, (best.score_pct, worst))
        return Phrase(f"median {shortest(mid)}, worst {shortest(low)}, {failed}", {**counts, "median_pct": mid, "worst_pct": low})


def status(space: Space, trajectory: Trajectory, budget: int) -> SearchStatus:
    """Summarize the state of the search."""
    best = trajectory.incumbent
    scores = sorted(bounded(t.score) for t in trajectory if t.score is not None)
    steps = _improvements(trajectory, scores)
    recent = max(2, math.ceil(len(trajectory) * RECENT_SHARE))
    gain = _gain(steps, len(trajectory) - recent)
    return SearchStatus(
        done=len(trajectory),
        budget=budget,
        failed=len(trajectory) - len(scores),
        incumbent=steps[-1] if steps else None,
        shared=_shared(trajectory, best),
        config=dict(best.config) if best else None,
        shown_config=assignments(space, best.config, trajectory) if best else None,
        trials_since_improvement=len(trajectory) - steps[-1].trial if steps else len(trajectory),
        improvements=steps,
        recent_trials=recent,
        recent_failed=sum(1 for t in trajectory.trials[-recent:] if t.score is None),
        recent_gain_pct=gain,
        trend=_trend(gain),
        median_pct=median(scores) if scores else None,
        worst_pct=scores[0] if scores else None,
        runner_up=_runner_up(trajectory, best),
        scale=Scale(trajectory.objective),
    )


def _improvements(trajectory: Trajectory, scores: Sequence[float]) -> tuple[Improvement, ...]:
    steps: list[Improvement] = []
    for trial, best in zip(trajectory, incumbents(trajectory), strict=True):
        if trial is best:
            score = bounded(trial.score or 0.0)
            steps.append(
                Improvement(trial.number, score, Scale(trajectory.objective).score(score, apart=score_anchors(score, scores)))
            )
    return tuple(steps)


def _gain(steps: tuple[Improvement, ...], before: int) -> float | None:
    """Return the incumbent's gain after trial `before`, in points; None when there was no incumbent by then."""
    earlier = [step for step in steps if step.trial <= before]
    return steps[-1].score_pct - earlier[-1].score_pct if earlier else None


def _trend(gain: float | None) -> Trend:
    if gain is None:
        return Trend.UNKNOWN
    return Trend.RISING if gain >= PRACTICAL_PCT else Trend.SLOW if gain > 0 else Trend.FLAT


def _shared(trajectory: Trajectory, best: Trial | None) -> tuple[int, ...]:
    if best is None or best.score is None:
        return ()
    top = bounded(best.score)
    return tuple(t.number for t in trajectory if t is not best and t.score is not None and bounded(t.score) == top)


def _runner_up(trajectory: Trajectory, best: Trial | None) -> RunnerUp | None:
    if best is None or best.score is None:
        return None
    others = [t for t in trajectory if t.score is not None and bounded(t.score) < bounded(best.score)]
    if not others:
        return None
    second = max(others, key=lambda t: t.score or 0.0)
    scores = [bounded(t.score or 0.0) for t in (best, second)]
    return RunnerUp(second.number, scores[1], scores[0] - scores[1], pair_noise_pct(best, second))


def pair_noise_pct(a: Trial, b: Trial) -> float | None:
    """Return the epoch-to-epoch noise of the difference of two trials' scores, in points; None when a curve is too short."""
    tails = [read_curve(trial.outcome.curve).tail for trial in (a, b)]
    noises = [tail.noise_pct for tail in tails if tail is not None]
    return math.hypot(*noises) if len(noises) == 2 else None


def noise_text(difference_pct: float, noise_pct: float, scale: Scale = PERCENT_SCALE) -> str:
    """Say whether a difference (not 0) is within the noise of the two curves or beyond it."""
    if noise_pct < _NO_NOISE:
        return "no epoch noise seen"
    word = "within" if abs(difference_pct) <= noise_pct else "beyond"
    decimals = 2 if noise_pct == abs(difference_pct) else 1  # equal numbers get equal decimals
    return f"{word} epoch noise {scale.difference_text(noise_pct, decimals, (0.0, abs(difference_pct)))}"


def _lead(incumbent: Improvement, shared: tuple[int, ...], since: int) -> Phrase:
    ago = "the last trial" if since == 0 else f"no improvement in {since} trial{'s' if since > 1 else ''} since"
    also = f", shared with {named_trials(shared)}" if shared else ""
    text = f"trial {incumbent.trial}, score {shortest(incumbent.shown_pct)}{also}; {ago}"
    data = {"trial": incumbent.trial, "score_pct": incumbent.shown_pct, "trials_since": since}
    return Phrase(text, {**data, "shared_with": trials_text(shared, 3) if shared else None})


def _behind(second: RunnerUp, scale: Scale) -> Phrase:
    noise = second.noise_pct
    behind = scale.difference(second.behind_pct, apart=(0.0, noise or 0.0))
    word = "" if noise is None else f", {noise_text(second.behind_pct, noise, scale)}"
    shown = None if noise is None else scale.difference(noise, apart=(0.0, second.behind_pct))
    text = f"trial {second.trial}, {shortest(behind)} behind{word}"
    score = scale.score(second.score_pct, apart=(second.score_pct + second.behind_pct,))
    return Phrase(text, {"trial": second.trial, "score_pct": score, "behind_pct": behind, "epoch_noise_pct": shown})
