"""Two methods that take turns, as one method.

Each of the two sees every trial, with its outcome. A trial that the other one proposed has the source "default" there, which every method
takes for a trial from elsewhere: so a library's tuner replays its own asks only (`_replay.py`), and a sequence counts its own points only.
Whose turn it is must follow from the trials before, so that a proposal depends on (space, seed, trajectory) alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harness.optimizer import Optimizer
from harness.optimizers._startup import is_startup
from harness.trial import Proposal, Trajectory, Trial

PROPOSER = "proposer"  # the key of a proposal's note that names the method


class Turn(Protocol):
    """Says whether the trial after the trials `before` is the first method's."""

    def __call__(self, before: Sequence[Trial]) -> bool:
        """Return True for the first method's turn."""
        ...


@dataclass(frozen=True)
class Turns:
    """The methods `first` and `second`; `is_first` says whose turn it is. The note of a proposal names its proposer.

    `names` are those of the two methods. Raises what the methods raise.
    """

    first: Optimizer
    second: Optimizer
    is_first: Turn
    names: tuple[str, str]

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the proposal of the method whose turn it is."""
        firsts = self.is_first(trajectory.trials)
        shown = replace(trajectory, trials=tuple(self._shown(trajectory.trials, firsts)))
        proposal = (self.first if firsts else self.second).propose(shown)
        return replace(proposal, note={**proposal.note, PROPOSER: self.names[0 if firsts else 1]})

    def _shown(self, trials: Sequence[Trial], firsts: bool) -> list[Trial]:
        return [trial if self.is_first(trials[:place]) == firsts else elsewhere(trial) for place, trial in enumerate(trials)]


def elsewhere(trial: Trial) -> Trial:
    """Return a trial as one that the method which sees it did not propose."""
    return replace(trial, proposal=replace(trial.proposal, source="default"))


def proposed(before: Sequence[Trial]) -> int:
    """Return how many trials a method proposed: all but the default configuration that was tried first."""
    return sum(trial.proposal.source != "default" for trial in before)


def starts_for(length: int) -> Turn:
    """Return the turn of a start-up method: the first `length` trials, and on while no trial has a score."""

    def is_start(before: Sequence[Trial]) -> bool:
        return is_startup(before, length)

    return is_start


def starts_after_default(length: int) -> Turn:
    """Return the turn of a start-up method: the first `length` trials after the default, and on while no trial has a score."""

    def is_start(before: Sequence[Trial]) -> bool:
        return proposed(before) < length or all(trial.score is None for trial in before)

    return is_start


def share_of(share: float) -> Turn:
    """Return the turn of a method that proposes a share, above 0 and at most 1, of the trials after the default, evenly spread.

    The first one is its own, and with a share of 0.5 every second one.
    """

    def is_shared(before: Sequence[Trial]) -> bool:
        return count_of(share, proposed(before) + 1) > count_of(share, proposed(before))

    return is_shared


def count_of(share: float, trials: int) -> int:
    """Return how many of so many trials are that share: share * trials, rounded up."""
    return math.ceil(share * trials - 1e-9)  # (1 / 3) * 3 may be above 1
