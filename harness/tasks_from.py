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
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.errors import SettingsError, near
from harness.randomness import keyed_seed
from harness.space import Config, Space
from harness.task import Task, TaskCard
from harness.trial import Epoch

Make: TypeAlias = Callable[[Config, int], Any]
Factory: TypeAlias = Callable[..., Task]
# What a metric is computed from: the first of these methods that the estimator has.
METRICS = {"accuracy": ("predict_proba", "predict"), "auc": ("predict_proba", "decision_function"), "r2": ("predict",)}


@dataclass(frozen=True)
class Part:
    """Rows of features, shape (n, features), and their targets, shape (n,): whatever the estimator takes."""

    features: Any
    targets: Any


@dataclass(frozen=True)
class Split:
    """The data of a task. A method sees the score of `val`; the score of `test` is only reported."""

    train: Part
    val: Part
    test: Part


def split(features: Any, targets: Any, *, val_share: float = 0.2, test_share: float = 0.2, stratify: bool = False) -> Split:
    """Deal rows out to training, validation and test, always in the same way; with `stratify`, each class in the same shares."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second, for those who need it

    def cut(x: Any, y: Any, share: float) -> Any:
        return train_test_split(x, y, test_size=share, random_state=0, stratify=y if stratify else None)

    held_out = val_share + test_share
    x, x_rest, y, y_rest = cut(features, targets, held_out)
    x_val, x_test, y_val, y_test = cut(x_rest, y_rest, test_share / held_out)
    return Split(Part(x, y), Part(x_val, y_val), Part(x_test, y_test))


def sklearn(make: Make, data: Callable[[], Split], *, metric: str = "accuracy", epochs: int = 50) -> Factory:
    """Return a task that trains the estimator that `make(config, seed)` returns; see `curve`.

    `data` is called once a process. The task's YAML may set `params: {epochs: ...}`. Raises SettingsError for an unknown metric.
    """
    _check(metric)
    load, usual = functools.cache(data), epochs

    def build(space: Space, card: TaskCard, *, epochs: int = usual) -> Task:
        parts = load()
        return _Loop(space, card, lambda config, seed: curve(make(config, seed), parts, metric=metric, epochs=epochs, seed=seed))

    return build


def loop(train: Callable[..., Iterator[Epoch]]) -> Factory:
    """Return a task that trains with the generator `train(config, seed, **params)`; `params` are those of the task's YAML."""

    def build(space: Space, card: TaskCard, **params: Any) -> Task:
        inspect.signature(train).bind({}, 0, **params)  # a misspelt parameter is the user's mistake, not a crashed trial
        return _Loop(space, card, lambda config, seed: train(config, seed, **params))

    return build


@dataclass
class _Loop:
    space: Space
    card: TaskCard
    run: Callable[[Config, int], Iterator[Epoch]]

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return self.run(config, seed)


def curve(estimator: Any, data: Split, *, metric: str = "accuracy", epochs: int = 50, seed: int = 0) -> Iterator[Epoch]:
    """Fit a scikit-learn estimator and yield up to `epochs` points of its training curve.

    One that learns in passes (`partial_fit` and `max_iter`) is looked at after each; one that grows or goes on (`warm_start`) after
    equal stretches; one with staged predictions is fitted at once and looked at stage by stage; any other has a curve of one point.
    The steps of a pipeline before its last are fitted once. `metric` is accuracy, auc (of two classes) or r2 (0 where negative), and
    becomes a percentage. The loss is the log loss where there are probabilities, the squared error for r2. Raises SettingsError.
    """
    _check(metric)
    last, parts = _unwrap(estimator, data)
    given = last.get_params()
    if hasattr(last, "partial_fit") and "max_iter" in given:
        stages = _passes(last, parts.train, epochs, seed)
    elif "warm_start" in given and ("n_estimators" in given or "max_iter" in given):
        stages = _stretches(last, parts.train, epochs)
    else:
        last.fit(parts.train.features, parts.train.targets)
        method = _method(last, metric)
        if hasattr(last, f"staged_{method}"):
            yield from _staged(last, parts, metric, epochs)
            return
        stages = iter([None])
    for _ in stages:
        outputs = [getattr(last, _method(last, metric))(part.features) for part in _parts(parts)]
        yield _epoch(last, parts, metric, outputs)


def _check(metric: str) -> None:
    if metric not in METRICS:
        raise SettingsError(f"metric '{metric}' is not known{near(metric, METRICS)}")


def _method(fitted: Any, metric: str) -> str:
    for name in METRICS[metric]:
        if hasattr(fitted, name):
            return name
    raise SettingsError(f"{type(fitted).__name__} has none of {', '.join(METRICS[metric])}, which {metric} needs")


def _parts(data: Split) -> tuple[Part, Part, Part]:
    return data.train, data.val, data.test


def _unwrap(estimator: Any, data: Split) -> tuple[Any, Split]:
    """Fit all but the last step of a pipeline, and return that step with the data as it sees them."""
    from sklearn.pipeline import Pipeline  # noqa: PLC0415

    if not isinstance(estimator, Pipeline) or len(estimator.steps) < 2:
        return (estimator[-1], data) if isinstance(estimator, Pipeline) else (estimator, data)
    before = estimator[:-1].fit(data.train.features, data.train.targets)
    seen = [Part(before.transform(part.features), part.targets) for part in _parts(data)]
    return estimator[-1], Split(*seen)


def _passes(estimator: Any, train: Part, epochs: int, seed: int) -> Iterator[None]:
    import numpy as np  # noqa: PLC0415
    from sklearn.base import is_classifier  # noqa: PLC0415

    if "random_state" in estimator.get_params():
        # With an integer every pass would shuffle the rows in the same order.
        estimator.set_params(random_state=np.random.RandomState(keyed_seed(seed, "passes")))
    classes = {"classes": np.unique(train.targets)} if is_classifier(estimator) else {}
    for _ in range(min(epochs, estimator.max_iter)):
        estimator.partial_fit(train.features, train.targets, **classes)
        yield


def _stretches(estimator: Any, train: Part, epochs: int) -> Iterator[None]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    given = estimator.get_params()
    name = "n_estimators" if "n_estimators" in given else "max_iter"
    total = int(given[name])
    points = min(epochs, total)
    ends = [total * (point + 1) // points for point in range(points)]
    # An ensemble counts its members from the start; an iterative solver counts the steps of one call of fit.
    adds_up = name == "n_estimators" or isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor)
    for end, before in zip(ends, [0, *ends], strict=False):
        estimator.set_params(**{"warm_start": True, name: end if adds_up else end - before})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it goes on in the next stretch
            estimator.fit(train.features, train.targets)
        yield


def _staged(fitted: Any, data: Split, metric: str, epochs: int) -> Iterator[Epoch]:
    """Yield the epochs of a fitted ensemble from its staged predictions: `epochs` of them, the last included."""
    stages = list(zip(*(getattr(fitted, f"staged_{_method(fitted, metric)}")(p.features) for p in _parts(data)), strict=True))
    points = min(epochs, len(stages))
    for point in range(points):
        yield _epoch(fitted, data, metric, list(stages[len(stages) * (point + 1) // points - 1]))


def _epoch(fitted: Any, data: Split, metric: str, outputs: list[Any]) -> Epoch:
    train, val, test = (_measured(fitted, metric, out, part.targets) for out, part in zip(outputs, _parts(data), strict=True))
    return Epoch(val_score_pct=val[1], val_loss=val[0], train_score_pct=train[1], train_loss=train[0], test_score_pct=test[1])


def _measured(fitted: Any, metric: str, outputs: Any, targets: Any) -> tuple[float | None, float]:
    """Return (loss, score in percent) of the outputs of `_method`; NaN where they are not finite numbers."""
    import numpy as np  # noqa: PLC0415
    from sklearn import metrics  # noqa: PLC0415

    if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
        return float("nan"), float("nan")
    if metric == "r2":
        return float(metrics.mean_squared_error(targets, outputs)), 100.0 * max(0.0, metrics.r2_score(targets, outputs))
    probable = outputs.ndim == 2 and _method(fitted, metric) == "predict_proba"
    loss = float(metrics.log_loss(targets, outputs, labels=fitted.classes_)) if probable else None
    if metric == "auc":
        return loss, 100.0 * float(metrics.roc_auc_score(targets, outputs[:, 1] if probable else outputs))
    return loss, 100.0 * float(metrics.accuracy_score(targets, fitted.classes_[outputs.argmax(axis=1)] if probable else outputs))
