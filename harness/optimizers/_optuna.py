"""An Optuna study as a `Session`; the sampler decides which method it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from harness.optimizers._replay import decode, encode
from harness.space import Config, Space
from harness.space.hyperparameter import Choice, Hyperparameter, Number

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class OptunaSession:
    """One in-memory study that maximises the score. Its trials hold only the active hyperparameters ("define by run").

    An integer with more than `most_integers` values is shown to the library as a float, and rounded: samplers list or count them.
    """

    def __init__(self, space: Space, sampler: BaseSampler, *, most_integers: int = 2**48) -> None:
        self._space = space
        self._distributions = {hp.name: _distribution(hp, most_integers) for hp in space}
        with _quiet():
            self._study = optuna.create_study(sampler=sampler, direction="maximize")

    def ask(self) -> Config:
        trial = self._study.ask()
        config: Config = {}
        for hp in self._space:
            if self._space.active(hp, config):
                coded = _suggest(trial, hp.name, self._distributions[hp.name])
                config[hp.name] = decode(hp, round(coded) if isinstance(hp, Number) and hp.integer else coded)
        # The trial is closed at once as failed, which samplers ignore: `tell` may report another configuration later, and samplers
        # would treat a running trial as the work of a parallel worker.
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return config

    def tell(self, config: Config, score_pct: float, *, more: bool = False) -> None:  # noqa: ARG002 - it models when it is asked
        params = {name: encode(self._space[name], value) for name, value in config.items()}
        distributions = {name: self._distributions[name] for name in params}
        self._study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=score_pct))


def _distribution(hp: Hyperparameter, most_integers: int) -> BaseDistribution:
    if isinstance(hp, Choice):
        return IntDistribution(0, len(hp.choices) - 1) if hp.ordered else CategoricalDistribution(range(len(hp.choices)))
    assert isinstance(hp, Number)
    if hp.integer and hp.high - hp.low < most_integers:
        return IntDistribution(int(hp.low), int(hp.high), log=hp.log)
    if hp.integer:
        return FloatDistribution(hp.low - 0.5, hp.high + 0.5, log=hp.log)
    return FloatDistribution(hp.low, hp.high, log=hp.log)


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> float:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    index = trial.suggest_categorical(name, distribution.choices)
    assert isinstance(index, int)
    return index


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log line "A new study created in memory", and restore the log level afterwards."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(level, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
