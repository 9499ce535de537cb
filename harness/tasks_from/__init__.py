r"""Turn what people have into a tunable task: an estimator, a training loop, a command, an Optuna objective.

    Wine = tasks_from.sklearn(lambda config, seed: RandomForestClassifier(**config, random_state=seed), wine)

    @tasks_from.loop
    def Moons(config, seed, *, epochs=20):
        ...
            yield Epoch(val_score_pct=...)

    Script = tasks_from.command([sys.executable, "train.py", "--lr={lr}"], curve=tasks_from.lines(r"rmse (?P<val_score>\S+)"))

    Study = tasks_from.optuna(objective, direction="minimize")

The `_target_` of a task's YAML names the result (`Wine`, `Moons`, ...) as it would name a class. The `params` of the YAML become keyword
arguments.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import TypeAlias

from harness.space import Config, Space
from harness.task import Task, TaskCard
from harness.tasks_from.commands import command
from harness.tasks_from.data import Estimator, Part, Split, checked, split
from harness.tasks_from.metrics import KNOWN, Metric, metric_of
from harness.tasks_from.objectives import optuna
from harness.tasks_from.readings import json_lines, lines
from harness.tasks_from.task import Factory, Loop
from harness.trial import Epoch

__all__ = [
    "METRICS",
    "Estimator",
    "Part",
    "Split",
    "command",
    "curve",
    "json_lines",
    "lines",
    "loop",
    "optuna",
    "sklearn",
    "split",
]

Make: TypeAlias = Callable[[Config, int], Estimator]
METRICS = tuple(KNOWN)


def sklearn(
    make: Make, data: Callable[[], Split], *, metric: str = "accuracy", positive: object = None, epochs: int = 50
) -> Factory:
    """Return a task that trains the estimator from `make(config, seed)`; `curve` explains its training curve, metrics and `positive`.

    `data` is called once per process. The task's YAML may set `params: {epochs: ...}`. Raises SettingsError for an unknown metric. Building
    the task raises SettingsError for data that cannot be scored (see `curve`), and for a YAML whose `metric` is another.
    """
    measure, usual = metric_of(metric, positive), epochs
    load = functools.cache(lambda: checked(data(), measure))

    def build(space: Space, card: TaskCard, *, epochs: int = usual) -> Task:
        parts = load()
        return Loop(space, card, lambda config, seed: _read(make(config, seed), parts, measure, epochs, seed), make, measure.check)

    return build


def loop(train: Callable[..., Iterator[Epoch]]) -> Factory:
    """Return a task that trains with the generator `train(config, seed, **params)`; `params` come from the task's YAML.

    Building the task raises TypeError when `train` does not accept these `params`.
    """

    def build(space: Space, card: TaskCard, **params: object) -> Task:
        try:  # a misspelt parameter is an error of the user, not a crashed trial
            inspect.signature(train).bind({}, 0, **params)
        except TypeError as error:
            raise TypeError(f"{train.__name__}(config, seed) with its params {params or 'none'}: {error}") from error
        return Loop(space, card, lambda config, seed: train(config, seed, **params), train)

    return build


def curve(
    estimator: Estimator,
    data: Split,
    *,
    metric: str = "accuracy",
    positive: object = None,
    epochs: int = 50,
    seed: int = 0,
) -> Iterator[Epoch]:
    """Fit a scikit-learn estimator and yield up to `epochs` points of its training curve. The last point is the result of a plain `fit`.

    How the points before the last are obtained depends on the estimator:

    - Boosting (scikit-learn, XGBoost, LightGBM), forests and bagging: it is fitted once. A point is the ensemble of its first members,
      in equal steps.
    - A network (MLP) trained by sgd or adam: it is fitted once, and measured during the fit, in equal steps of `max_iter`.
    - Another estimator that learns in passes (with `partial_fit` and `max_iter`, such as SGD): it is fitted again with a half, a quarter,
      ... of its passes. This doubles the time.
    - Any other estimator has only the last point, because nothing shows the steps of its `fit`.

    The points are yielded after the fit, so a training that a time limit stops has none. The steps of a pipeline before the last one are
    fitted once. `seed` replaces a `random_state` of None where points depend on it.

    `metric` is one of METRICS. Percentages, higher is better: accuracy and balanced_accuracy (of `predict`); f1, of two classes, for the
    class `positive` (1 unless it is given); f1_macro, the mean over all classes; auc, of two classes; r2 (0 if negative). Lower is
    better, in their own units: log_loss (natural logarithm), rmse and mae. The loss is the squared error for regression, and the log loss
    for an estimator with probabilities. It is None without probabilities, and for a part with a class that is not in the training part.

    Targets have shape (n,) or (n, 1). Raises SettingsError for other targets, for an unknown metric, for classes that do not allow it,
    and for an estimator without the method that it needs.
    """
    measure = metric_of(metric, positive)
    return _read(estimator, checked(data, measure), measure, epochs, seed)


def _read(estimator: Estimator, data: Split, metric: Metric, epochs: int, seed: int) -> Iterator[Epoch]:
    from harness.tasks_from.curves import read  # noqa: PLC0415 - scikit-learn takes a second, and a loop does not need it

    return read(estimator, data, metric=metric, epochs=epochs, seed=seed)
