"""The values that all other parts use: Objective, Epoch, Outcome, Proposal, Trial, Trajectory.

A method sees a `Trajectory`. A trajectory refuses a trial with a test score, so that no method ever sees the score by which the chosen
configuration is judged.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Any

from harness.space import Config

SOURCE = re.compile(r"optimizer|default|given|llm|llm-retry-[1-9][0-9]*|llm-repaired|llm-adjusted|fallback")
GIVEN = "given"  # the source of a trial that was evaluated before the cell began (setting `given`)


class Status(StrEnum):
    """How a training ended. Only `ok` has a score."""

    OK = "ok"
    DIVERGED = "diverged"
    CRASHED = "crashed"
    TIMEOUT = "timeout"


class Direction(StrEnum):
    """Which scores are better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


# The paper's margin: small LLMs within 0.9 percentage points of GPT-4 on average (arXiv 2509.15561).
MARGIN_POINTS = 0.9


@dataclass(frozen=True, slots=True)
class Objective:
    """What a task's scores are: the metric's name, which direction is better, the unit, and the difference that matters, in that unit.

    A percentage that is to be maximised is the default. Methods and expert blocks see every objective in *points*: higher is better, and
    a point is one percentage point, or `margin` / 0.9 of another unit, so that thresholds mean the same. `test` is False where a task
    has no test score. Raises ValueError for a direction that is none, and a margin that is not above 0.
    """

    name: str = "score"
    direction: Direction = Direction.MAXIMIZE
    unit: str = "%"
    margin: float = MARGIN_POINTS
    test: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.margin < math.inf:
            raise ValueError(f"margin={self.margin}: must be above 0")

    @property
    def is_percentage(self) -> bool:
        """Whether scores are percentages, at most 100."""
        return self.unit == "%"

    @property
    def is_identity(self) -> bool:
        """Whether scores are points as they are: percentages to be maximised."""
        return self.is_percentage and self.direction is Direction.MAXIMIZE

    @property
    def sign(self) -> float:
        """1 where higher is better, -1 where lower is."""
        return 1.0 if self.direction is Direction.MAXIMIZE else -1.0

    @property
    def point(self) -> float:
        """How much of the unit is one point."""
        return 1.0 if self.is_percentage else self.margin / MARGIN_POINTS

    def points(self, value: float) -> float:
        """Return a score in points: higher is better."""
        return self.sign * value / self.point + 0.0

    def value(self, points: float) -> float:
        """Return the score, in its own unit, that a number of points stands for."""
        return self.sign * points * self.point + 0.0

    def text(self, value: float) -> str:
        """Write a score with its unit: `88.10 %`, `54.27 mg/dl`."""
        if self.is_percentage:
            return f"{value:.2f} %"
        decimals = max(0, 2 - math.floor(math.log10(self.point)))
        return f"{value:.{min(decimals, 12)}f} {self.unit}".rstrip()

    def better(self, one: float, other: float) -> bool:
        """Say whether one score is better than another."""
        return self.sign * one > self.sign * other

    @classmethod
    def from_mapping(cls, entries: Mapping[str, Any]) -> Objective:
        """Read what `to_mapping` returned; what is absent or None has its default. Raises ValueError or TypeError."""
        given = {key: value for key, value in entries.items() if value is not None}
        name, unit = (" ".join(str(given.get(key, default)).split()) for key, default in (("name", "score"), ("unit", "%")))
        direction, margin = Direction(str(given.get("direction", Direction.MAXIMIZE))), float(given.get("margin", MARGIN_POINTS))
        return cls(name, direction, unit, margin, bool(given.get("test", True)))

    def to_mapping(self) -> dict[str, object]:
        """Return plain data, as a task's `metric` and `test` write it."""
        return {
            "name": self.name,
            "direction": str(self.direction),
            "unit": self.unit,
            "margin": self.margin,
            "test": self.test,
        }


PERCENT = Objective()


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a training curve.

    Scores are those of the task's objective: percentages, at most 100, higher is better, unless its YAML names another `metric`. Losses
    are in the task's own unit, lower is better. A task may leave out what it does not measure (None), but not the validation score.
    `number` counts from 1. A task leaves it out, and the harness sets it; a foreign log may skip numbers.
    """

    val_score_pct: float
    val_loss: float | None = None
    train_score_pct: float | None = None
    train_loss: float | None = None
    test_score_pct: float | None = None
    number: int = 0

    def non_finite(self) -> str | None:
        """Return `"val_loss is nan"` for the first measured value that is NaN or infinite, or None."""
        values = measures_of(self)
        if math.isfinite(sum(filter(None, values))):  # a sum with such a value is none either
            return None
        for name, value in zip(MEASURES, values, strict=True):
            if value is not None and not math.isfinite(value):
                return f"{name} is {value}"
        return None

    def without_test(self) -> Epoch:
        """Return the epoch without its test score, as a method may see it."""
        if self.test_score_pct is None:
            return self
        return Epoch(self.val_score_pct, self.val_loss, self.train_score_pct, self.train_loss, number=self.number)


MEASURES = tuple(f.name for f in fields(Epoch) if f.name != "number")
# What an epoch measured, in the order of MEASURES.
measures_of = attrgetter(*MEASURES)


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a training raised: `place` is file:line in the user's own code (empty when that is not known), `traceback` its end."""

    place: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one training.

    Its score is the best validation score of its epochs, as with early stopping that keeps the best checkpoint; the first epoch wins a
    tie. Its test score is that of the same epoch. A failed training has no score; it has the curve up to the failure and the error.
    `crash`, for readers only, says where it raised: it does not count when outcomes are compared, and no method sees it. Raises
    ValueError when status, score and error do not fit each other.
    """

    status: Status
    curve: tuple[Epoch, ...]
    seconds: float
    val_score_pct: float | None = None
    test_score_pct: float | None = None
    best_epoch: int | None = None
    error: str | None = None
    crash: Crash | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        ok = self.status is Status.OK
        if ok != (self.val_score_pct is not None and math.isfinite(self.val_score_pct)):
            raise ValueError(f"an outcome has a finite score exactly when it is ok, not {self.status} with {self.val_score_pct}")
        if ok == (self.error is not None):
            raise ValueError("an outcome has an error exactly when it is not ok")

    @classmethod
    def of_curve(cls, curve: tuple[Epoch, ...], seconds: float, objective: Objective = PERCENT) -> Outcome:
        """Return the outcome of a finished training. `curve` must hold at least one epoch, and all its values must be finite."""
        best = max(curve, key=lambda epoch: objective.sign * epoch.val_score_pct)
        return cls(Status.OK, curve, seconds, best.val_score_pct, best.test_score_pct, best.number)

    @classmethod
    def failed(cls, status: Status, error: str, curve: tuple[Epoch, ...], seconds: float, crash: Crash | None = None) -> Outcome:
        """Return the outcome of a failed training: its curve up to the failure, and the error."""
        return cls(status, curve, seconds, error=error, crash=crash)

    @property
    def ok(self) -> bool:
        """Whether the training ended with a score."""
        return self.status is Status.OK


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration and where it came from.

    `source` is one of optimizer, default, given, llm, llm-retry-N, llm-repaired, llm-adjusted, fallback. It shows whether the LLM needed N
    corrections, whether values were repaired without telling it or changed by rules after its reply, whether a random configuration
    replaced its proposal, and whether nobody proposed it because the user gave the trial. `note` holds what the method wants to record
    with the trial (an analysis text, call records); plain JSON data.
    """

    config: Config
    source: str = "optimizer"
    note: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not SOURCE.fullmatch(self.source):
            raise ValueError(f"unknown source {self.source!r}")


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: its number (from 1), proposal and outcome. `propose_seconds` is the time that the method took to propose."""

    number: int
    proposal: Proposal
    outcome: Outcome
    propose_seconds: float = 0.0

    @property
    def config(self) -> Config:
        """The configuration that was trained."""
        return self.proposal.config

    @property
    def score(self) -> float | None:
        """The validation score in percent, None when the training failed."""
        return self.outcome.val_score_pct

    @property
    def given(self) -> bool:
        """Whether the user gave the trial: it was evaluated before the cell began, and is no part of its budget."""
        return self.proposal.source == GIVEN

    def without_test(self) -> Trial:
        """Return the trial without test scores, as a method may see it."""
        curve = tuple(epoch.without_test() for epoch in self.outcome.curve)
        return replace(self, outcome=replace(self.outcome, curve=curve, test_score_pct=None, crash=None))

    def in_points(self, objective: Objective) -> Trial:
        """Return the trial with its scores in points."""
        if objective.is_identity:
            return self
        outcome = self.outcome
        curve = tuple(
            replace(
                epoch,
                val_score_pct=objective.points(epoch.val_score_pct),
                train_score_pct=None if epoch.train_score_pct is None else objective.points(epoch.train_score_pct),
                test_score_pct=None if epoch.test_score_pct is None else objective.points(epoch.test_score_pct),
            )
            for epoch in outcome.curve
        )
        val, test = (None if v is None else objective.points(v) for v in (outcome.val_score_pct, outcome.test_score_pct))
        return replace(self, outcome=replace(outcome, curve=curve, val_score_pct=val, test_score_pct=test))


@dataclass(frozen=True)
class Trajectory:
    """The trials so far, in order, numbered 1 to n, without their test scores. A method learns from nothing else.

    Scores are in points: higher is better. For a percentage that is the score itself; `objective` turns points back into any other
    metric's unit.
    """

    trials: tuple[Trial, ...] = ()
    objective: Objective = PERCENT

    def __post_init__(self) -> None:
        for number, trial in enumerate(self.trials, start=1):
            if trial.number != number:
                raise ValueError(f"trial {trial.number} stands in place {number}")
        if self.trials:
            _refuse_test_scores(self.trials[-1])

    @classmethod
    def of(cls, trials: tuple[Trial, ...], objective: Objective = PERCENT) -> Trajectory:
        """Hide the test scores of `trials`, whose scores are in the objective's own unit, and hold the rest in points."""
        return cls(tuple(trial.without_test().in_points(objective) for trial in trials), objective)

    def then(self, trial: Trial) -> Trajectory:
        """Return the trajectory with one more trial, given in the objective's own unit; its test scores are hidden."""
        return Trajectory((*self.trials, trial.without_test().in_points(self.objective)), self.objective)

    def shuffled(self, rng: random.Random) -> Trajectory:
        """Return the trajectory with its outcomes in random order, so that they are unrelated to the configurations."""
        outcomes = [trial.outcome for trial in self.trials]
        rng.shuffle(outcomes)
        turned = (replace(trial, outcome=outcome) for trial, outcome in zip(self.trials, outcomes, strict=True))
        return Trajectory(tuple(turned), self.objective)

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __getitem__(self, index: int) -> Trial:
        return self.trials[index]

    @cached_property
    def incumbent(self) -> Trial | None:
        """The trial with the best validation score (the first, on a tie); None while all have failed."""
        return incumbent(self.trials)


def incumbents(trials: Iterable[Trial], objective: Objective = PERCENT) -> Iterator[Trial | None]:
    """Yield, after each trial, the trial with the best validation score so far, the first on a tie; None while none has a score."""
    best: Trial | None = None
    for trial in trials:
        if trial.score is not None and (best is None or best.score is None or objective.better(trial.score, best.score)):
            best = trial
        yield best


def incumbent(trials: Iterable[Trial], objective: Objective = PERCENT) -> Trial | None:
    """Return the trial with the best validation score, the first on a tie; None when none has a score."""
    return [None, *incumbents(trials, objective)][-1]


def tried(config: Config, trials: Iterable[Trial]) -> Trial | None:
    """Return the first trial of a configuration; None when there is none. Values of other types differ: True is not 1."""
    return next((trial for trial in trials if trial.config == config and repr(trial.config) == repr(config)), None)


def _refuse_test_scores(trial: Trial) -> None:
    shown = trial.outcome.test_score_pct is not None or any(e.test_score_pct is not None for e in trial.outcome.curve)
    if shown:
        raise ValueError(f"trial {trial.number} shows its test score: build trajectories with Trajectory.of or .then")
