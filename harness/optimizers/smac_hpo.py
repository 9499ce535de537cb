"""SMAC3's facade for hyperparameter optimisation (Lindauer et al. 2022): a random forest, log expected improvement, local search.

The library's own choices are kept, but for two: the start-up draws take the place of the initial design, and the forest learns from every
trial, not from every eighth. SMAC knows conditions and orders of levels, so it is given the space as it is.
Needs `pip install 'tcs-harness[smac]'`.
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

# SMAC counts trials and would stop; how many there are is the loop's to say.
MANY_TRIALS = 100_000


class SmacHPO(ReplayedOptimizer):
    """Draw `startup_trials` configurations at random, then follow the model. Raises SettingsError where SMAC is not installed."""

    purpose = "smac_hpo"
    versions: ClassVar = {"smac_hpo": 1}

    def _start(self, seed: int) -> Session:
        return _SmacSession(self._space, seed)


class _SmacSession:
    """One facade that is asked and told; its own records go to a folder that is removed."""

    def __init__(self, space: Space, seed: int) -> None:
        try:
            import smac  # noqa: PLC0415 - seconds, and an extra
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
            # The library's default is to propose eight configurations from one model: almost the whole budget here.
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

    def tell(self, config: Config, score_pct: float) -> None:
        from smac.runhistory import TrialInfo, TrialValue  # noqa: PLC0415 - as above

        told = self._configuration(config)
        # Seed 0 is what SMAC gives every trial of a deterministic objective.
        self._smac.tell(TrialInfo(config=told, seed=0), TrialValue(cost=-score_pct, time=0.0), save=False)

    def _configuration(self, config: Config) -> Configuration:
        from ConfigSpace import Configuration  # noqa: PLC0415 - as above

        return Configuration(self._configs, values={name: encode(self._space[name], value) for name, value in config.items()})


def _never_called(config: Any, seed: int = 0) -> float:
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


def _axis(hp: Hyperparameter) -> Any:
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
