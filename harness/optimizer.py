"""The contract of a tuning method, and the wrapper that makes any of them start from the default configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.space import Space
from harness.trial import Proposal, Trajectory, tried

# What a method is to the report: the `role` in its YAML (conf/optimizer), which the manifest of every cell records.
ROLES = {
    "random": "random search, with which the other methods are compared",
    "default": "the default configuration and no search",
    "rules": "fixed rules that read the summary without an LLM",
    "llm": "a method that asks an LLM",
    "tuner": "any other method",
}


class Optimizer(Protocol):
    """A method. It is built once a cell, as `cls(space, seed, **options)`.

    `seed` is another one on each task. A class attribute `versions`, such as `{"mine": 2}`, is part of a cell's identity: raise it with
    every change of a proposal, so that cells made before the change do not count as done (see `harness.importing`).

    `reads_card = True` has the method built with the task's card too (`card=`): the metric that it names is then part of the identity.
    `refuses_tables = "reason"` keeps it from recorded trainings (`evaluator=table`), where its proposals would mean something else.
    """

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the configuration of trial `len(trajectory) + 1`.

        The answer is a function of (space, seed, trajectory) alone, so that resuming is replaying: a new object shown the same trials must
        propose the same. The trajectory may begin with trials that the user gave (source `given`). Raises Exhausted when there is nothing
        left to try.
        """
        ...


@dataclass(frozen=True)
class OptimizerSpec:
    """A method as its YAML and the command line describe it.

    `context` is what an LLM is shown; None for a method that asks none. `uses` names what the method reads of the settings that not
    every method reads, `role` what it is to the report (one of ROLES). `options` are keyword arguments of `target`.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    startup_trials: int = 0
    context: str | None = None
    label: str | None = None
    role: str = "tuner"
    ignores_start: bool = False
    uses: tuple[str, ...] = ()


class DefaultFirst:
    """Try the space's default configuration first, then leave the rest to `inner` (which sees that trial).

    Trials that were given come before it; when the default is one of them, it is not tried again.
    """

    def __init__(self, inner: Optimizer, space: Space) -> None:
        self._inner = inner
        self._space = space

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the default for the first trial that is not given, unless it was given; then what `inner` says."""
        if all(trial.given for trial in trajectory) and not tried(self._space.default(), trajectory):
            return Proposal(self._space.default(), source="default")
        return self._inner.propose(trajectory)
