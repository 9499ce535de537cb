"""The training curve of a scikit-learn estimator, which ends in what `fit` alone gives.

The estimator is fitted once, as its owner would. Its last point is measured on that fit, whatever else is done here. The points before
it are read off the fitted estimator, or from copies of it, and never change it.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any, TypeAlias

import numpy as np
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from harness.errors import printable
from harness.seeding import keyed_seed
from harness.tasks_from.data import Part, Split
from harness.tasks_from.scores import Scale
from harness.trial import Epoch

# An ensemble that answers with one of these answers with the mean over its members. A subclass with a method of its own does not count.
MEANS = (
    *(cls.predict_proba for cls in (RandomForestClassifier, ExtraTreesClassifier, BaggingClassifier)),
    *(cls.predict for cls in (RandomForestRegressor, ExtraTreesRegressor, BaggingRegressor)),
)
# What an estimator raises that will not be trained or looked at in another way than by `fit`.
REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError)
Earlier: TypeAlias = Callable[[Any, Scale, int], Iterator[Epoch]]


def read(estimator: Any, data: Split, *, metric: str, epochs: int, seed: int) -> Iterator[Epoch]:
    """Fit, then yield at most `epochs` points of the curve; see `harness.tasks_from.curve`. `data` must be checked."""
    last, train, seen = _unwrap(estimator, data)
    scale = Scale(metric, seen)
    if epochs > 1 and _shuffles_every_pass(last):
        yield from _watched(last, train, scale, epochs, seed)
        return
    untrained = _untrained(last, seed)
    _fit(last, train)
    if epochs > 1:
        earlier = _way(last, scale) if untrained is None else _shorter_fits(untrained, train)
        yield from _unless_refused(earlier, last, scale, epochs)
    yield scale.epoch(last)


def _unwrap(estimator: Any, data: Split) -> tuple[Any, Part, Split]:
    """Fit the steps of a pipeline before its last; return the last, the rows that it is fitted to, and all rows as it predicts them.

    The training rows are there twice: a step's `fit_transform` may differ from its `transform`, as TargetEncoder's does.
    """
    train, seen = data.train, data
    # A subclass may do more between its steps, such as resampling: it is fitted as a whole.
    while type(estimator) is Pipeline:
        if len(estimator.steps) > 1:
            before = estimator[:-1]
            train = Part(before.fit_transform(train.features, train.targets), train.targets)
            seen = Split(*(Part(before.transform(part.features), part.targets) for part in (seen.train, seen.val, seen.test)))
        estimator = estimator[-1]
    return estimator, train, seen


def _fit(estimator: Any, train: Part) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # how long to train is for the configuration to say
        estimator.fit(train.features, train.targets)


def _way(fitted: Any, scale: Scale) -> Earlier | None:
    """Return how points before the last are read off a fitted estimator, or None."""
    method = scale.method(fitted)
    its_own = getattr(type(fitted), method, None)
    if its_own is AdaBoostRegressor.predict:
        return _first_members
    if hasattr(fitted, f"staged_{method}"):
        return _staged
    return _means if its_own in MEANS else None


def _unless_refused(earlier: Earlier | None, fitted: Any, scale: Scale, epochs: int) -> Iterator[Epoch]:
    name = type(fitted).__name__
    if earlier is None:
        # Said only of those that train step by step: of a nearest neighbour nobody expects a curve.
        if {"warm_start", "n_estimators"} & _params(fitted).keys():
            _say_once(f"{name}: its curve has one point, since fit does not show the steps before its end")
        return
    try:
        yield from earlier(fitted, scale, epochs)
    except REFUSALS as error:
        _say_once(f"{name}: its curve lacks the points before the last: {' '.join(str(error).split())}")


def _staged(fitted: Any, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """Boosting: from the predictions after each stage."""
    staged = getattr(fitted, f"staged_{scale.method(fitted)}")
    ends = _ends(_stage_count(fitted, lambda: staged(scale.data.val.features)), epochs)[:-1]
    stages = zip(*(staged(part.features) for part in scale.parts), strict=True)
    for number, outputs in enumerate(islice(stages, max(ends, default=0)), start=1):
        if number in ends:
            yield scale.epoch_of(fitted, [np.asarray(output) for output in outputs])


def _stage_count(fitted: Any, stages: Callable[[], Iterator[Any]]) -> int:
    if hasattr(fitted, "estimators_"):
        return len(fitted.estimators_)
    return int(fitted.n_iter_) if hasattr(fitted, "n_iter_") else sum(1 for _ in stages())


def _means(fitted: Any, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """Forests and bagging: from the mean over the first members, each asked once."""
    mean: list[Any] = []
    for start, end in pairwise([0, *_ends(len(fitted.estimators_), epochs)[:-1]]):
        added = scale.outputs(_members(fitted, start, end))
        mean = [(old * start + new * (end - start)) / end for old, new in zip(mean, added, strict=True)] if start else added
        yield scale.epoch_of(fitted, mean)


def _first_members(fitted: Any, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """AdaBoost's weighted median, from copies with the first members: its own staged predictions take time by the members' square."""
    for end in _ends(len(fitted.estimators_), epochs)[:-1]:
        yield scale.epoch(_members(fitted, 0, end))


def _members(fitted: Any, start: int, end: int) -> Any:
    """Return a copy of an ensemble that has only some of its members."""
    some = copy.copy(fitted)
    for name in ("estimators_", "estimators_features_", "estimator_weights_"):
        if hasattr(fitted, name):
            setattr(some, name, getattr(fitted, name)[start:end])
    some.n_estimators = end - start
    return some


def _untrained(estimator: Any, seed: int) -> Any | None:
    """Return a copy of an estimator that learns in passes, to be fitted anew with fewer of them; None for any other.

    Where its random state was left open, it gets one, so that each of these fits draws the same.
    """
    given = _params(estimator)
    if not hasattr(estimator, "partial_fit") or "max_iter" not in given:
        return None
    if given.get("random_state", 0) is None:
        estimator.set_params(random_state=keyed_seed(seed, "passes"))
    return copy.deepcopy(estimator)


def _shorter_fits(untrained: Any, train: Part) -> Earlier:
    """SGD: fits of a half, a quarter, an eighth ... of the passes that the whole fit took. Together they take no longer than that did.

    Neither `partial_fit` nor `warm_start` goes on where a fit left off: the order of rows, the step size and the test for an end start
    anew.
    """

    def earlier(fitted: Any, scale: Scale, epochs: int) -> Iterator[Epoch]:
        passes = int(np.max(getattr(fitted, "n_iter_", 1)))
        halvings = [passes >> times for times in range(1, epochs) if passes >> times]
        for fewer in reversed(halvings):
            shorter = copy.deepcopy(untrained).set_params(max_iter=fewer)
            _fit(shorter, train)
            yield scale.epoch(shorter)

    return earlier


def _shuffles_every_pass(estimator: Any) -> bool:
    return isinstance(estimator, MLPClassifier | MLPRegressor) and estimator.solver in ("sgd", "adam") and bool(estimator.shuffle)


def _watched(network: Any, train: Part, scale: Scale, epochs: int, seed: int) -> Iterator[Epoch]:
    """Networks: measured during their one fit, whenever they ask their random state for the next pass's order of rows."""
    watch = _Watch(network, scale, _ends(network.max_iter, epochs))
    given = network.random_state
    source = check_random_state(keyed_seed(seed, "passes") if given is None else given)
    watched = _Watched.of(source, watch.look)
    error = None
    try:
        _fit(network.set_params(random_state=watched), train)
    except _Diverged:
        pass
    # Whatever a training raises, its curve up to there is kept.
    except Exception as raised:
        error = raised
    finally:
        network.set_params(random_state=given)
        source.set_state(watched.get_state())
    yield from watch.seen
    if error is not None:
        raise error
    if not (watch.seen and watch.seen[-1].non_finite()):
        yield scale.epoch(network)


class _Watched(np.random.RandomState):
    """A random state that calls `look` before it shuffles, and draws what it would have drawn."""

    look: Callable[[], None]

    @classmethod
    def of(cls, source: np.random.RandomState, look: Callable[[], None]) -> _Watched:
        """Return one that starts where `source` is."""
        watched = cls(0)
        watched.set_state(source.get_state())
        watched.look = look
        return watched

    def shuffle(self, x: Any) -> None:
        self.look()
        super().shuffle(x)


@dataclass
class _Watch:
    """Measures a network after some of its passes, and ends a training that is no longer finite."""

    network: Any
    scale: Scale
    ends: list[int]
    seen: list[Epoch] = field(default_factory=list)

    def look(self) -> None:
        losses = self.network.loss_curve_
        if losses and (len(losses) in self.ends or not np.isfinite(losses[-1])):
            self.seen.append(self.scale.epoch_of(self.network, self.scale.outputs(self.network)))
            if self.seen[-1].non_finite():
                raise _Diverged


class _Diverged(Exception):
    pass


def _params(estimator: Any) -> dict[str, Any]:
    return dict(estimator.get_params(deep=False)) if hasattr(estimator, "get_params") else {}


def _ends(total: int, points: int) -> list[int]:
    """Return where equal stretches of 1..total end: `points` of them, or one for each number where there are fewer."""
    points = min(points, total)
    return [total * (point + 1) // points for point in range(points)]


@functools.cache
def _say_once(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads on: no reason to stop a training
        print(printable(text), file=sys.stderr, flush=True)
