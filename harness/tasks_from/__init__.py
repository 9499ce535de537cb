"""A tunable task out of what there is already: a scikit-learn estimator, or a training loop.

    Wine = tasks_from.sklearn(lambda config, seed: RandomForestClassifier(**config, random_state=seed), wine)

    @tasks_from.loop
    def Moons(config, seed, *, epochs=20):
        ...
            yield Epoch(val_score_pct=...)

A task's YAML names either by its `_target_`, as it would name a class; its `params` become keyword arguments.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.errors import SettingsError, near
from harness.space import Config, Space
from harness.task import Task, TaskCard
from harness.tasks_from.data import Part, Split, checked, split
from harness.trial import Epoch

__all__ = ["METRICS", "Part", "Split", "curve", "loop", "sklearn", "split"]

Make: TypeAlias = Callable[[Config, int], Any]
Factory: TypeAlias = Callable[..., Task]
METRICS = ("accuracy", "auc", "r2")


def sklearn(make: Make, data: Callable[[], Split], *, metric: str = "accuracy", epochs: int = 50) -> Factory:
    """Return a task that trains the estimator that `make(config, seed)` returns; see `curve`.

    `data` is called once a process. The task's YAML may set `params: {epochs: ...}`. Raises SettingsError for an unknown metric; the
    task raises it, when it is built, for data that cannot be measured (see `curve`).
    """
    _check(metric)
    load, usual = functools.cache(lambda: checked(data(), metric)), epochs

    def build(space: Space, card: TaskCard, *, epochs: int = usual) -> Task:
        parts = load()
        return _Loop(space, card, lambda config, seed: _read(make(config, seed), parts, metric, epochs, seed), make)

    return build


def loop(train: Callable[..., Iterator[Epoch]]) -> Factory:
    """Return a task that trains with the generator `train(config, seed, **params)`; `params` are those of the task's YAML."""

    def build(space: Space, card: TaskCard, **params: Any) -> Task:
        try:  # a misspelt parameter is the user's mistake, not a crashed trial
            inspect.signature(train).bind({}, 0, **params)
        except TypeError as error:
            raise TypeError(f"{train.__name__}(config, seed) with its params {params or 'none'}: {error}") from error
        return _Loop(space, card, lambda config, seed: train(config, seed, **params), train)

    return build


@dataclass
class _Loop:
    space: Space
    card: TaskCard
    run: Callable[[Config, int], Iterator[Epoch]]
    source: Callable[..., Any]  # the user's own function, which is named where its training fails

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return self.run(config, seed)


def curve(estimator: Any, data: Split, *, metric: str = "accuracy", epochs: int = 50, seed: int = 0) -> Iterator[Epoch]:
    """Fit a scikit-learn estimator and yield up to `epochs` points of its training curve. The last is what `fit` alone gives.

    - Boosting, forests and bagging are fitted once; the points are the ensemble's first members, in equal stretches.
    - A network (MLP) by sgd or adam is measured during its one fit, after equal stretches of `max_iter`.
    - Any other that learns in passes (`partial_fit` and `max_iter`: SGD) is fitted anew with a half, a quarter ... of its passes. This
      doubles the time.
    - Any other has one point: no earlier one leads for certain to where `fit` ends.

    The points come when the fit is done, so a training that a time limit ends leaves none. The steps of a pipeline before its last are
    fitted once. `seed` stands in for a `random_state` of None where points depend on it.

    `metric` is accuracy (of `predict`), auc (of two classes) or r2 (0 where negative), and becomes a percentage. The loss is the log
    loss where there are probabilities, the squared error for r2; it is None for a part with a class that is not in training. Targets
    have one value a row. Raises SettingsError for other targets, an unknown metric, and an estimator without what the metric needs.
    """
    _check(metric)
    return _read(estimator, checked(data, metric), metric, epochs, seed)


def _read(estimator: Any, data: Split, metric: str, epochs: int, seed: int) -> Iterator[Epoch]:
    from harness.tasks_from.curves import read  # noqa: PLC0415 - scikit-learn is a second, and a loop needs none

    return read(estimator, data, metric=metric, epochs=epochs, seed=seed)


def _check(metric: str) -> None:
    if metric not in METRICS:
        raise SettingsError(f"metric '{metric}' is not known{near(metric, METRICS)}")
