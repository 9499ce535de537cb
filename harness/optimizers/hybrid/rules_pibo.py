"""An informed start before the GP that believes in the default: the fixed rules propose the first trials, then `pibo` takes over.

The idea is ours: `rules_gp.py` with the other model. Rules and prior both start from the default; the rules also know hyperparameters by
name, and read the expert blocks.
"""

from __future__ import annotations

from typing import ClassVar

from harness.optimizers.hybrid.rules_gp import checked_length
from harness.optimizers.hybrid.turns import Turns, starts_after_default
from harness.optimizers.pibo.pibo import PiBO, PriorGP
from harness.optimizers.pibo.prior import DefaultPrior
from harness.optimizers.rules.policy import Rules
from harness.space import Space
from harness.trial import Proposal, Trajectory


class RulesPiBO:
    """Follow the rules for `startup_length` trials after the default, and on while no trial has a score, then `pibo`'s model.

    `budget` is the number of trials, `spread` the prior's standard deviation as a share of a scale; `names` is "real", or "anonymous" for
    rules without priors by name. Raises SettingsError.
    """

    versions: ClassVar = {"rules_pibo": 1, **Rules.versions, **PiBO.versions}

    def __init__(self, space: Space, seed: int, *, startup_length: int, budget: int, spread: float, names: str = "real") -> None:
        rules = Rules(space, seed, budget=budget, names=names)
        length = checked_length(startup_length)
        model = PriorGP(space, seed, DefaultPrior(space, spread), startup_trials=length, budget=budget)
        self._turns = Turns(rules, model, starts_after_default(length), ("rules", "pibo"))

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the proposal of the method whose turn it is; the note names it."""
        return self._turns.propose(trajectory)
