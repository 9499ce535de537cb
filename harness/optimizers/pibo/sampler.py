"""Optuna's GP sampler with a prior over the optimum: its acquisition function is multiplied by a power of the prior's density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from optuna._gp.acqf import BaseAcquisitionFunc
from optuna.samplers import GPSampler
from optuna.trial import TrialState

from harness.optimizers._replay import encode
from harness.optimizers.pibo.prior import DefaultPrior, is_ordered, shares
from harness.space import Choice, Hyperparameter

if TYPE_CHECKING:
    import numpy.typing as npt
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class PriorSampler(GPSampler):
    """Maximise log EI + (beta / n) log prior at the n-th proposal of the model, n = 1, 2, ... (equation 6 of Hvarfner et al. 2022).

    The model covers the hyperparameters that all trials had. The sampler draws the others, which are conditional, from the prior.
    """

    def __init__(self, prior: DefaultPrior, seed: int, *, startup_trials: int, beta: float) -> None:
        super().__init__(n_startup_trials=startup_trials, seed=seed, warn_independent_sampling=False)
        self._prior = prior
        self._startup_trials = startup_trials
        self._beta = beta
        self._modelled: list[Hyperparameter] = []
        self._power = 0.0

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Propose the hyperparameters that the model covers."""
        done = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        self._modelled = [self._prior.space[name] for name in search_space]
        self._power = self._beta / max(1, done - self._startup_trials + 1)
        return super().sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002 - as the library
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """Draw a hyperparameter that the model does not cover."""
        hp = self._prior.space[param_name]
        return encode(hp, self._prior.place(hp, float(self._rng.rng.random_sample())))

    def _optimize_acqf(self, acqf: BaseAcquisitionFunc, best_params: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
        # Optuna's comment on this method: advanced users can override it to change the optimisation of the acquisition function.
        return super()._optimize_acqf(_Weighted(acqf, self._modelled, self._prior.spread, self._power), best_params)


class _Weighted(BaseAcquisitionFunc):
    """An acquisition function, in logarithms, plus `power` times the log density of the prior up to a constant.

    Its points have the library's coordinates, shape (..., d): for an ordered axis the position in [0, 1], which is the space's own, and for
    an unordered one the index of the choice.
    """

    def __init__(self, acqf: BaseAcquisitionFunc, modelled: list[Hyperparameter], spread: float, power: float) -> None:
        super().__init__(acqf.length_scales, acqf.search_space)
        self._acqf = acqf
        self._terms = [_log_density(hp, spread) for hp in modelled]
        self._power = power

    def eval_acqf(self, x: torch.Tensor) -> torch.Tensor:
        density = torch.stack([term(x[..., k]) for k, term in enumerate(self._terms)]).sum(dim=0)
        return self._acqf.eval_acqf(x) + self._power * density


def _log_density(hp: Hyperparameter, spread: float) -> Any:
    """Return the log density of one hyperparameter, up to a constant, as a function of coordinates of any shape."""
    if is_ordered(hp):
        at = hp.to_unit(hp.default)
        return lambda x: -0.5 * ((x - at) / spread) ** 2
    assert isinstance(hp, Choice)
    logs = torch.tensor(shares(hp), dtype=torch.float64).log()
    return lambda x: logs[x.long()]
