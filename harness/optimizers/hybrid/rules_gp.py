"""An informed start: another method proposes the first trials after the default, then Optuna's Gaussian process takes over.

The idea is ours. With 10 trials, a GP spends three of them on random points before its model proposes; the fixed rules, which read the
expert blocks, use the same trials better, but their sums of one-dimensional estimates do not converge as a model does. So the rules start,
and the model finishes. `tcs_gp` starts with an LLM: what it gains over `rules_gp` is what the LLM adds. `rules_pibo` is the same start
before the GP that believes in the default (`pibo/`).
"""

from __future__ import annotations

from typing import ClassVar

from harness.errors import SettingsError, near
from harness.optimizer import Optimizer
from harness.optimizers.hybrid.turns import Turns, starts_after_default
from harness.optimizers.optuna_gp import OptunaGP
from harness.optimizers.random import Random
from harness.optimizers.rules.policy import Rules
from harness.space import Space
from harness.trial import Proposal, Trajectory

STARTS = ("rules", "random")


def gp_after(start: Optimizer, name: str, space: Space, seed: int, length: int) -> Turns:
    """Return `start` (called `name`) for `length` trials after the default, then Optuna's GP. Raises SettingsError below 1 trial."""
    model = OptunaGP(space, seed, startup_trials=checked_length(length))
    return Turns(start, model, starts_after_default(length), (name, "optuna_gp"))


def checked_length(length: object) -> int:
    """Return a number of start-up trials. Raises SettingsError below 1."""
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise SettingsError(f"optimizer.options.startup_length={length}: must be at least 1, and whole")
    return length


class RulesGP:
    """Follow the method `startup` for `startup_length` trials after the default, and on while no trial has a score, then Optuna's GP.

    `startup` is "rules" or "random". `budget` is the number of trials; `names` is "real", or "anonymous" for rules without priors by
    name. Raises SettingsError.
    """

    versions: ClassVar = {"rules_gp": 1, **Rules.versions, **OptunaGP.versions}

    def __init__(self, space: Space, seed: int, *, startup: str, startup_length: int, budget: int, names: str = "real") -> None:
        if startup == "tcs":
            raise SettingsError("optimizer.options.startup=tcs: an LLM is asked by another arm: optimizer=tcs_gp llm=NAME")
        if startup not in STARTS:
            raise SettingsError(f"optimizer.options.startup: unknown '{startup}'{near(startup, STARTS)}")
        start = Rules(space, seed, budget=budget, names=names) if startup == "rules" else Random(space, seed)
        self._turns = gp_after(start, startup, space, seed, startup_length)

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the proposal of the method whose turn it is; the note names it."""
        return self._turns.propose(trajectory)
