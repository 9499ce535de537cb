"""How a tuner from a library, which carries state from trial to trial, fills a contract that has none.

The first trials are drawn here, uniformly on the space's own scales, whatever the library: some round integers after they scaled them,
and give the first and the last level half of their share. The library is asked from its first model on.

A library's object is kept as a cache of the trajectory it has seen. A trajectory that extends it is told onwards; any other one is
replayed into a new object, asking before each trial that the library itself had proposed, because asking advances the library's
generator. So the object is always where an uninterrupted run would have brought it, and the proposal depends on
(space, seed, trajectory) alone.

Nothing heavy is imported here, nor by a method's module before its first proposal: a cell that is already done waits for no library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, TypeAlias

from harness.errors import SettingsError
from harness.seeding import keyed_random, keyed_seed
from harness.space import Config, Space, Value
from harness.space.hyperparameter import Choice, Hyperparameter, Number
from harness.trial import Proposal, Trajectory, Trial

LOWEST_TOLD_PCT = -1e9

_Seen: TypeAlias = tuple[str, str, float | None]


class Session(Protocol):
    """One run of a library's tuner. It cannot go back."""

    def ask(self) -> Config:
        """Return the next configuration, a member of the space in exact Python types; may advance the library's generator."""
        ...

    def tell(self, config: Config, score_pct: float) -> None:
        """Take note of a finite score (higher is better) of any member of the space, asked for or not."""
        ...


class ReplayedOptimizer(ABC):
    """A method whose proposals come from a `Session`, after `startup_trials` uniform draws.

    Every trial counts as one of the start-up trials, whoever proposed it, and a failed one too: that is how skopt and Optuna count.
    While no trial has a score there is nothing to model, and the draws go on.
    """

    purpose: ClassVar[str]  # names the method's own random draws

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
        """Return a session that has seen nothing; a function of (space, seed, options)."""

    def propose(self, trajectory: Trajectory) -> Proposal:
        if self._draws(trajectory.trials):
            rng = keyed_random(self._seed, f"{self.purpose} start-up", len(trajectory) + 1)
            return Proposal(self._space.sample(rng))
        session = self._caught_up(trajectory)
        if self._asked is None:
            self._asked = session.ask()
        return Proposal(dict(self._asked))

    def _draws(self, before: Sequence[Trial]) -> bool:
        """Say whether the trial that follows these is drawn, and not the library's."""
        return len(before) < self._startup_trials or all(trial.score is None for trial in before)

    def _caught_up(self, trajectory: Trajectory) -> Session:
        """Return the session that an uninterrupted run would hold after `trajectory`."""
        seen = [_seen(trial) for trial in trajectory]
        if self._session is None or not self._leads_to(seen):
            self._session, self._seen, self._asked = self._start(keyed_seed(self._seed, self.purpose)), [], None
        for place in range(len(self._seen), len(seen)):
            drawn = self._draws(trajectory.trials[:place])
            if trajectory[place].proposal.source == "optimizer" and not drawn and self._asked is None:
                self._session.ask()
            for config, score in told(trajectory.trials[: place + 1]):
                self._session.tell(config, score)
            self._seen.append(seen[place])
            self._asked = None
        return self._session

    def _leads_to(self, seen: list[_Seen]) -> bool:
        """Say whether the session's past, what it was asked last included, is how a replay of `seen` begins."""
        past = len(self._seen)
        if seen[:past] != self._seen:
            return False
        return self._asked is None or len(seen) == past or seen[past][0] == "optimizer"


def _seen(trial: Trial) -> _Seen:
    # As text, because True == 1 == 1.0 in Python, and they may be three different choices.
    return trial.proposal.source, repr(trial.config), trial.score


def told(trials: Sequence[Trial]) -> list[tuple[Config, float]]:
    """Return what a library is told after the last of `trials`: configurations with finite scores in percent.

    A failed trial counts as the worst score before it, so that the region is avoided and yet the scale that a model fits is not blown up.
    A failure before the first score is held back until there is one, and told after it, as equally bad: no score can be made up for it
    that would not be the best known one somewhere. What was told once stays true when the trajectory grows. Scores below -1e9 % are
    told as -1e9 %, so that their squares stay finite.
    """
    *before, last = trials
    scores = [max(trial.score, LOWEST_TOLD_PCT) for trial in trials if trial.score is not None]
    if not scores:
        return []
    if last.score is None:
        return [(last.config, min(scores))]
    held_back = [] if len(scores) > 1 else before
    return [(last.config, scores[-1]), *((trial.config, scores[0]) for trial in held_back)]


def encode(hp: Hyperparameter, value: Value) -> float | int:
    """Return a value as libraries are shown it: a number as it is, a level or choice as its index from 0.

    Indices, because libraries turn mixed choices into text or NumPy types and take True for 1.
    """
    if isinstance(hp, Choice):
        return int(hp.to_unit(value) * len(hp.choices))
    assert isinstance(hp, Number)
    assert not isinstance(value, str)
    return value


def decode(hp: Hyperparameter, coded: float) -> Value:
    """Return the exact Python value of what a library chose; inverse of `encode`."""
    if isinstance(hp, Choice):
        return hp.choices[int(coded)]
    assert isinstance(hp, Number)
    # A library's round trip through a logarithm may end a rounding error outside of the range.
    return hp.exact(min(max(coded, hp.low), hp.high))
