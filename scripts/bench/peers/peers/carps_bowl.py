"""The toy task as an objective function of CARP-S. `python -m carps.run` runs random search, with one Hydra job per seed."""

from __future__ import annotations

import time

from bowl import SPACE, curve
from carps.objective_functions.objective_function import ObjectiveFunction
from carps.utils.trials import TrialInfo, TrialValue
from ConfigSpace import ConfigurationSpace, Float

from harness.space.hyperparameter import Number


class Bowl(ObjectiveFunction):
    """The cost is the negative of the best score."""

    def __init__(self, seed: int = 0, loggers: list[object] | None = None) -> None:
        super().__init__(loggers)
        self._seed = seed

    @property
    def configspace(self) -> ConfigurationSpace:
        numbers = [hp for hp in SPACE if isinstance(hp, Number)]
        return ConfigurationSpace(space={hp.name: Float(hp.name, bounds=(hp.low, hp.high), log=hp.log) for hp in numbers})

    def _evaluate(self, trial_info: TrialInfo) -> TrialValue:
        started = time.time()
        cost = -max(curve(dict(trial_info.config), self._seed))
        return TrialValue(cost=cost, time=time.time() - started, starttime=started, endtime=time.time())
