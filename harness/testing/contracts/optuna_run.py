"""Run the same problem by Optuna itself and by the harness, so that the two can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from harness.optimizer import Optimizer
from harness.space import Config, Space, Value
from harness.testing.contracts.optimizer import run

CONDITIONAL = Space.from_mapping(
    {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "m"},
        "units": {"type": "int", "low": 4, "high": 512, "scale": "log", "default": 64, "meaning": "m"},
        "level": {"type": "ordinal", "levels": [0, 1, 2], "default": 0, "meaning": "m"},
        "kind": {"type": "categorical", "choices": [0, 1], "default": 0, "meaning": "m"},
        "knob": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m", "when": {"kind": 1}},
    }
)


def score(config: Mapping[str, Value]) -> float:
    """Score a configuration of the conditional space, in percent."""
    rate, units = math.log10(float(config["rate"])), math.log(float(config["units"]))
    return 100 - 10 * abs(rate + 2) - units - float(config["level"]) - 30 * (float(config.get("knob", 0.3)) - 0.2) ** 2


RANGES: Mapping[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "units": IntDistribution(4, 512, log=True),
    "level": IntDistribution(0, 2),
    "kind": CategoricalDistribution([0, 1]),
    "knob": FloatDistribution(0.0, 1.0),
}


def library_run(sampler: optuna.samplers.BaseSampler, trials: int, *, start: Sequence[Config]) -> list[Config]:
    """Tune the conditional space as in Optuna's documentation, after the trials in `start`, and return all configurations."""
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for config in start:
        ranges = {name: RANGES[name] for name in config}
        study.add_trial(optuna.create_trial(params=config, distributions=ranges, value=score(config)))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("rate", 1e-5, 1.0, log=True)
        trial.suggest_int("units", 4, 512, log=True)
        trial.suggest_int("level", 0, 2)
        if trial.suggest_categorical("kind", [0, 1]) == 1:
            trial.suggest_float("knob", 0.0, 1.0)
        return score(trial.params)

    study.optimize(objective, n_trials=trials - len(study.trials))
    return [trial.params for trial in study.trials]


def our_run(optimizer: Optimizer, trials: int) -> list[Config]:
    """Tune the same space in the harness's loop, and return all configurations."""
    return [trial.config for trial in run(optimizer, lambda _, proposal: score(proposal.config), trials)]
