"""The values that everything else passes around: Epoch, Outcome, Proposal, Trial, Trajectory.

A method sees a `Trajectory`, and a trajectory refuses a trial that still shows a test score: what validation chose is judged by a
score that no method has seen.
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

SOURCE = re.compile(r"optimizer|default|llm|llm-retry-[1-9][0-9]*|fallback")


class Status(StrEnum):
    """How a training ended. Only `ok` has a score."""

    OK = "ok"
    DIVERGED = "diverged"
    CRASHED = "crashed"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a training curve.

    Scores are percentages, at most 100, higher is better. Losses are in the task's own unit, lower is better. A task may leave out
    what it does not measure (None), but not the validation score. `number` counts from 1 and is set by the harness; a foreign log
    may skip numbers.
    """

    val_score_pct: float
    val_loss: float | None = None
    train_score_pct: float | None = None
    train_loss: float | None = None
    test_score_pct: float | None = None
    number: int = 0

    def non_finite(self) -> str | None:
        """Return `"val_loss is nan"` for the first measured value that is NaN or infinite, or None."""
        for name, value in zip(MEASURES, measures_of(self), strict=True):
            if value is not None and not math.isfinite(value):
                return f"{name} is {value}"
        return None

    def without_test(self) -> Epoch:
        """Return the epoch as a method may see it."""
        if self.test_score_pct is None:
            return self
        return Epoch(self.val_score_pct, self.val_loss, self.train_score_pct, self.train_loss, number=self.number)


MEASURES = tuple(f.name for f in fields(Epoch) if f.name != "number")
# What an epoch measured, in the order of MEASURES.
measures_of = attrgetter(*MEASURES)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one training returned.

    A trial's score is that of its best epoch by validation (the first, on a tie), as with early stopping on a kept checkpoint; its
    test score is the one of that same epoch. A failed training has no score, keeps the curve it reached, and says why.
    """

    status: Status
    curve: tuple[Epoch, ...]
    seconds: float
    val_score_pct: float | None = None
    test_score_pct: float | None = None
    best_epoch: int | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        ok = self.status is Status.OK
        if ok != (self.val_score_pct is not None and math.isfinite(self.val_score_pct)):
            raise ValueError(f"an outcome has a finite score exactly when it is ok, not {self.status} with {self.val_score_pct}")
        if ok == (self.error is not None):
            raise ValueError("an outcome has an error exactly when it is not ok")

    @classmethod
    def of_curve(cls, curve: tuple[Epoch, ...], seconds: float) -> Outcome:
        """Score a finished training. `curve` must hold at least one epoch, all values finite."""
        best = max(curve, key=lambda epoch: epoch.val_score_pct)
        return cls(Status.OK, curve, seconds, best.val_score_pct, best.test_score_pct, best.number)

    @classmethod
    def failed(cls, status: Status, error: str, curve: tuple[Epoch, ...], seconds: float) -> Outcome:
        """Keep what a failed training reached, and why it ended."""
        return cls(status, curve, seconds, error=error)

    @property
    def ok(self) -> bool:
        """Whether the training ended with a score."""
        return self.status is Status.OK


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration and where it came from.

    `source` is one of optimizer, default, llm, llm-retry-N, fallback: a repaired proposal is never passed off as a real one.
    `note` holds what the method wants kept beside the trial (an analysis text, call records); plain JSON data.
    """

    config: Config
    source: str = "optimizer"
    note: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not SOURCE.fullmatch(self.source):
            raise ValueError(f"unknown source {self.source!r}")


@dataclass(frozen=True, slots=True)
class Trial:
    """Number (from 1), proposal and outcome; `propose_seconds` is what the method took to think."""

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

    def without_test(self) -> Trial:
        """Return the trial as a method may see it."""
        curve = tuple(epoch.without_test() for epoch in self.outcome.curve)
        return replace(self, outcome=replace(self.outcome, curve=curve, test_score_pct=None))


@dataclass(frozen=True)
class Trajectory:
    """The trials so far, in order, numbered 1..n, without their test scores. This is all that a method learns from."""

    trials: tuple[Trial, ...] = ()

    def __post_init__(self) -> None:
        for number, trial in enumerate(self.trials, start=1):
            if trial.number != number:
                raise ValueError(f"trial {trial.number} stands in place {number}")
        if self.trials:
            _refuse_test_scores(self.trials[-1])

    @classmethod
    def of(cls, trials: tuple[Trial, ...]) -> Trajectory:
        """Hide the test scores of `trials` and hold the rest."""
        return cls(tuple(trial.without_test() for trial in trials))

    def then(self, trial: Trial) -> Trajectory:
        """Return the trajectory with one more trial, its test scores hidden."""
        return Trajectory((*self.trials, trial.without_test()))

    def shuffled(self, rng: random.Random) -> Trajectory:
        """Give each trial the outcome of another: the same configurations and the same outcomes, in no relation to each other."""
        outcomes = [trial.outcome for trial in self.trials]
        rng.shuffle(outcomes)
        return Trajectory(tuple(replace(trial, outcome=outcome) for trial, outcome in zip(self.trials, outcomes, strict=True)))

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


def incumbents(trials: Iterable[Trial]) -> Iterator[Trial | None]:
    """Yield after each trial the one with the best validation score so far, the first on a tie; None while none has a score."""
    best: Trial | None = None
    for trial in trials:
        if trial.score is not None and (best is None or best.score is None or trial.score > best.score):
            best = trial
        yield best


def incumbent(trials: Iterable[Trial]) -> Trial | None:
    """Return the trial with the best validation score, the first on a tie; None when none has a score."""
    return [None, *incumbents(trials)][-1]


def _refuse_test_scores(trial: Trial) -> None:
    shown = trial.outcome.test_score_pct is not None or any(e.test_score_pct is not None for e in trial.outcome.curve)
    if shown:
        raise ValueError(f"trial {trial.number} shows its test score: build trajectories with Trajectory.of or .then")
