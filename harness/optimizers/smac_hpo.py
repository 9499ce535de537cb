"""SMAC3's facade for hyperparameter optimisation (Lindauer et al. 2022): a random forest, log expected improvement, local search.

It keeps the library's defaults with two exceptions: the harness's start-up draws replace the initial design, and the forest is trained
after every trial instead of every eighth. SMAC supports conditions and ordered levels, so it gets the space unchanged.
It needs `pip install 'tcs-harness[smac]'`.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import SettingsError
from harness.optimizers._replay import ReplayedOptimizer, Session, decode, encode
from harness.space import Config, Space
from harness.space.hyperparameter import Choice, Hyperparameter, Number

if TYPE_CHECKING:
    from ConfigSpace import Configuration, ConfigurationSpace
    from ConfigSpace.hyperparameters import Hyperparameter as Axis

# SMAC stops after so many trials. The harness decides the number of trials, so this is never reached.
MANY_TRIALS = 100_000


class SmacHPO(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random, then follow the model. Raises SettingsError where SMAC is not installed."""

    purpose = "smac_hpo"
    versions: ClassVar = {"smac_hpo": 1}

    def _start(self, seed: int) -> Session:
        return _SmacSession(self._space, seed)


class _SmacSession:
    """One SMAC facade, used through ask and tell. SMAC writes its own records to a temporary folder, which is removed."""

    def __init__(self, space: Space, seed: int) -> None:
        try:
            import smac  # noqa: PLC0415 - takes seconds, and is an optional dependency
            from smac.initial_design import DefaultInitialDesign  # noqa: PLC0415
        except ImportError as error:
            raise SettingsError("optimizer=smac_hpo needs SMAC3: pip install 'tcs-harness[smac]'") from error
        from threadpoolctl import ThreadpoolController  # noqa: PLC0415 - as above

        self._space = space
        self._configs = _configuration_space(space, seed % 2**31)
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        scenario = smac.Scenario(
            self._configs,
            deterministic=True,
            n_trials=MANY_TRIALS,
            seed=seed % 2**31,
            output_directory=Path(self._folder.name),
        )
        facade = smac.HyperparameterOptimizationFacade
        self._smac = facade(
            scenario,
            _never_called,
            initial_design=DefaultInitialDesign(scenario, n_configs=0),
            # By default the library proposes eight configurations from one model: almost the whole budget of a cell.
            config_selector=facade.get_config_selector(scenario, retrain_after=1),
            intensifier=facade.get_intensifier(scenario, max_config_calls=1),
            logging_level=logging.ERROR,
            overwrite=True,
        )
        self._threads = ThreadpoolController()

    def ask(self) -> Config:
        with self._threads.limit(limits=1):
            coded = dict(self._smac.ask().config)
        config: Config = {}
        for hp in self._space:
            if self._space.active(hp, config):
                config[hp.name] = decode(hp, coded.get(hp.name, encode(hp, hp.default)))
        return config

    def tell(self, config: Config, score_pct: float, *, more: bool = False) -> None:  # noqa: ARG002 - it models when it is asked
        from smac.runhistory import TrialInfo, TrialValue  # noqa: PLC0415 - as above

        # SMAC uses seed 0 for every trial of a deterministic objective.
        info = TrialInfo(config=self._configuration(config), seed=0)
        self._smac.tell(info, TrialValue(cost=-score_pct, time=0.0), save=False)

    def _configuration(self, config: Config) -> Configuration:
        from ConfigSpace import Configuration  # noqa: PLC0415 - as above

        return Configuration(self._configs, values={name: encode(self._space[name], value) for name, value in config.items()})


def _never_called(config: Configuration, seed: int = 0) -> float:
    raise NotImplementedError("SMAC is asked and told")


def _configuration_space(space: Space, seed: int) -> ConfigurationSpace:
    from ConfigSpace import AndConjunction, ConfigurationSpace, InCondition  # noqa: PLC0415 - as above

    made = ConfigurationSpace(seed=seed)
    axes = {hp.name: _axis(hp) for hp in space}
    made.add(*axes.values())
    for hp in space:
        conditions = [
            InCondition(axes[hp.name], axes[parent], [encode(space[parent], value) for value in values])
            for parent, values in hp.when.items()
        ]
        if conditions:
            made.add(conditions[0] if len(conditions) == 1 else AndConjunction(*conditions))
    return made


def _axis(hp: Hyperparameter) -> Axis[Any, Any]:
    from ConfigSpace import (  # noqa: PLC0415 - as above
        CategoricalHyperparameter,
        UniformFloatHyperparameter,
        UniformIntegerHyperparameter,
    )

    default = encode(hp, hp.default)
    if isinstance(hp, Choice):
        codes = range(len(hp.choices))
        if hp.ordered:
            return UniformIntegerHyperparameter(hp.name, 0, len(codes) - 1, default_value=int(default))
        return CategoricalHyperparameter(hp.name, list(codes), default_value=int(default))
    assert isinstance(hp, Number)
    if hp.integer:
        return UniformIntegerHyperparameter(hp.name, int(hp.low), int(hp.high), default_value=int(default), log=hp.log)
    return UniformFloatHyperparameter(hp.name, hp.low, hp.high, default_value=float(default), log=hp.log)
