"""Adapt a tuner from a library, which keeps state between trials, to the contract `Optimizer`, which allows no state.

Start-up draws. This module draws the first trials itself, uniformly on the scales of the space, for every library. Some libraries round
integers after scaling them, which gives the first and the last level only half of their probability. The library is asked for proposals
as soon as it builds a model.

Replay. The library's object is a cache of the trajectory that it has seen. When a trajectory extends the cached one, the new trials are
reported to the object. Any other trajectory is replayed into a new object, and so is one with more trials that the user gave, which are
told together. During a replay, the object is also asked once before each trial that the library itself had proposed, because asking
advances the library's random generator. So the object always has the state of an uninterrupted run, and a proposal depends on (space,
seed, trajectory) only.

Imports. Neither this module nor the module of a method imports a library before the first proposal, so a finished cell stays fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, TypeAlias

from harness.errors import SettingsError
from harness.optimizers._startup import is_startup
from harness.seeding import keyed_random, keyed_seed
from harness.space import Config, Space, Value
from harness.space.hyperparameter import Choice, Hyperparameter, Number
from harness.trial import GIVEN, Proposal, Trajectory, Trial

LOWEST_SCORE_PCT = -1e9

_Seen: TypeAlias = tuple[str, str, float | None]


def refuse_underflow(space: Space, method: str) -> None:
    """Raise SettingsError for a log range whose ends have a product of 0 as floats: scikit-optimize takes it for a range around 0."""
    for hp in space:
        if isinstance(hp, Number) and hp.log and not hp.integer and hp.low * hp.high == 0.0:
            raise SettingsError(
                f"hyperparameter '{hp.name}': {method} takes no log range as close to 0 as this; give its exponent as the hyperparameter, "
                f"or leave out {method}"
            )


class Session(Protocol):
    """One run of a library's tuner, with the usual ask-and-tell interface. It cannot undo a trial."""

    def ask(self) -> Config:
        """Return the next configuration, a member of the space in exact Python types. It may advance the library's generator."""
        ...

    def tell(self, config: Config, score_pct: float, *, more: bool = False) -> None:
        """Report the finite score (in percent, higher is better) of any member of the space, whether it was asked for or not.

        `more`: it was given, and another given one follows, so that no model is needed yet.
        """
        ...


class ReplayedOptimizer(ABC):
    """A method that makes `startup_trials` uniform draws, and then takes its proposals from a `Session`.

    Every earlier trial counts as a start-up trial, from any source, and also when it failed; skopt and Optuna count in the same way.
    While no trial has a score, there is nothing to model, so the draws continue. Raises SettingsError when `startup_trials` is below 1.
    """

    purpose: ClassVar[str]  # the key of the method's own random draws

    def __init__(self, space: Space, seed: int, *, startup_trials: int) -> None:
        if startup_trials < 1:
            raise SettingsError(f"startup_trials must be at least 1 for a method that learns, not {startup_trials}")
        self._space = space
        self._seed = seed
        self._startup_trials = startup_trials
        self._session: Session | None = None
        self._seen: list[_Seen] = []
        self._asked: Config | None = None

    @abstractmethod
    def _start(self, seed: int) -> Session:
        """Return a session that has seen no trial; a function of (space, seed, options)."""

    def propose(self, trajectory: Trajectory) -> Proposal:
        if self._draws(trajectory.trials):
            rng = keyed_random(self._seed, f"{self.purpose} start-up", len(trajectory) + 1)
            return Proposal(self._space.sample(rng))
        session = self._session_after(trajectory)
        if self._asked is None:
            self._asked = session.ask()
        return Proposal(dict(self._asked))

    def _draws(self, before: Sequence[Trial]) -> bool:
        """Say whether the trial after the trials `before` is a uniform draw instead of the library's proposal."""
        return is_startup(before, self._startup_trials)

    def _session_after(self, trajectory: Trajectory) -> Session:
        """Return a session in the state of an uninterrupted run after `trajectory`."""
        seen = [_seen(trial) for trial in trajectory]
        if self._session is None or not self._is_prefix_of(seen):
            self._session, self._seen, self._asked = self._start(keyed_seed(self._seed, self.purpose)), [], None
        for place in range(len(self._seen), len(seen)):
            drawn = self._draws(trajectory.trials[:place])
            if trajectory[place].proposal.source == "optimizer" and not drawn and self._asked is None:
                self._session.ask()
            more = place + 1 < len(seen) and trajectory[place + 1].given
            for config, score in reports(trajectory.trials[: place + 1]):
                self._session.tell(config, score, more=more)
            self._seen.append(seen[place])
            self._asked = None
        return self._session

    def _is_prefix_of(self, seen: list[_Seen]) -> bool:
        """Say whether a replay of `seen` would begin with the session's history, including its last ask."""
        past = len(self._seen)
        if seen[:past] != self._seen:
            return False
        if past and len(seen) > past and seen[past][0] == GIVEN:
            return False  # the last one told would have had `more`
        return self._asked is None or len(seen) == past or seen[past][0] == "optimizer"


def _seen(trial: Trial) -> _Seen:
    # The configuration as text, because True == 1 == 1.0 in Python, and these may be three different choices.
    return trial.proposal.source, repr(trial.config), trial.score


def reports(trials: Sequence[Trial]) -> list[tuple[Config, float]]:
    """Return the configurations and finite scores (in percent) to report to a library after the last of `trials`.

    - A scored trial is reported with its score; a score below -1e9 % as -1e9 %, so that its square stays finite.
    - A failed trial is reported with the worst score so far. So the library avoids the region, and the range of scores that its model
      must fit does not grow.
    - A failure before the first score is not reported at once, because any invented score could be the best one on some task. It is
      reported right after the first score, with that score.

    A reported score never changes when the trajectory grows.
    """
    *before, last = trials
    scores = [max(trial.score, LOWEST_SCORE_PCT) for trial in trials if trial.score is not None]
    if not scores:
        return []
    if last.score is None:
        return [(last.config, min(scores))]
    delayed = [] if len(scores) > 1 else before
    return [(last.config, scores[-1]), *((trial.config, scores[0]) for trial in delayed)]


def encode(hp: Hyperparameter, value: Value) -> float | int:
    """Return the code of a value for a library: a number itself, or the index (from 0) of a level or choice.

    Choices are coded as indices because libraries convert mixed choices to text or NumPy types, and confuse True with 1.
    """
    if isinstance(hp, Choice):
        return int(hp.to_unit(value) * len(hp.choices))
    assert isinstance(hp, Number)
    assert not isinstance(value, str)
    return value


def decode(hp: Hyperparameter, coded: float) -> Value:
    """Return the exact Python value for a library's code; inverse of `encode`."""
    if isinstance(hp, Choice):
        return hp.choices[int(coded)]
    assert isinstance(hp, Number)
    # After a library's round trip through a logarithm, the number may lie outside the range by a rounding error.
    return hp.exact(min(max(coded, hp.low), hp.high))
