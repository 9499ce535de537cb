"""A Gaussian process that believes in the default: piBO (Hvarfner et al. 2022, "piBO: Augmenting Acquisition Functions with User Beliefs").

The acquisition function is multiplied by prior(x)^(beta / n) at the n-th proposal of the model. So the prior guides the first proposals,
and outcomes outweigh it later. It is the fair opponent of an LLM, which has a prior too. What we chose, and why:

- The prior is a distribution around the task's default configuration (`prior.py`), the one belief that every task states. `spread` was
  chosen on random problems only (`scripts/development_family.py`).
- beta is a tenth of the budget, as in the paper: 1 at 10 trials.
- The GP and log EI are those of Optuna's sampler, with its defaults, so that the arm differs from `optuna_gp` by the prior alone.
- The start-up trials are draws from the prior instead of uniform ones. The paper also tries the mode of the prior first: that is the
  default configuration, which `start=default` tries first here, for every method alike.
- Conditional hyperparameters, which the sampler does not model, are drawn from the prior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.errors import SettingsError
from harness.optimizers._replay import ReplayedOptimizer, Session
from harness.optimizers.hybrid.turns import Turns, starts_for
from harness.optimizers.optuna_gp import GPSession
from harness.optimizers.pibo.prior import DefaultPrior
from harness.seeding import keyed_random
from harness.space import Space
from harness.trial import Proposal, Trajectory

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

BETA_PER_TRIAL = 0.1


class PiBO:
    """Draw from the prior until `startup_trials` trials are there and one of them has a score, then follow model and prior.

    `budget` is the number of trials, `spread` the prior's standard deviation as a share of a scale. Raises SettingsError.
    """

    versions: ClassVar = {"pibo": 1}

    def __init__(self, space: Space, seed: int, *, startup_trials: int, budget: int, spread: float) -> None:
        prior = DefaultPrior(space, spread)
        model = PriorGP(space, seed, prior, startup_trials=startup_trials, budget=budget)
        self._turns = Turns(_Draws(seed, prior), model, starts_for(startup_trials), ("prior", "model"))

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return a draw from the prior, or the model's proposal."""
        return self._turns.propose(trajectory)


class _Draws:
    """Draws from the prior, a new generator for each trial number."""

    def __init__(self, seed: int, prior: DefaultPrior) -> None:
        self._seed = seed
        self._prior = prior

    def propose(self, trajectory: Trajectory) -> Proposal:
        return Proposal(self._prior.sample(keyed_random(self._seed, "pibo start-up", len(trajectory) + 1)))


class PriorGP(ReplayedOptimizer):
    """Optuna's GP, its acquisition function weighted by the prior. The first trials are uniform draws, unless another method makes them."""

    purpose = "pibo"

    def __init__(self, space: Space, seed: int, prior: DefaultPrior, *, startup_trials: int, budget: int) -> None:
        super().__init__(space, seed, startup_trials=startup_trials)
        if budget < 1:
            raise SettingsError(f"budget must be at least 1, not {budget}")
        self._prior = prior
        self._beta = BETA_PER_TRIAL * budget

    def _start(self, seed: int) -> Session:
        def sampler() -> BaseSampler:
            from harness.optimizers.pibo.sampler import PriorSampler  # noqa: PLC0415 - imports Optuna and torch

            return PriorSampler(self._prior, seed, startup_trials=self._startup_trials, beta=self._beta)

        return GPSession(self._space, sampler)
