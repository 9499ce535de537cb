"""The training curve of a scikit-learn estimator; its last point is the result of a plain `fit`.

The estimator is fitted once, exactly as a user would fit it, and the last point is measured on this fit. The points before it come from
the fitted estimator or from copies of it. Reading them never changes the estimator.
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
from operator import attrgetter
from typing import Protocol, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
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
from harness.tasks_from.data import Estimator, Part, Split
from harness.tasks_from.metrics import Metric
from harness.tasks_from.rounds import first_rounds, rounds_of
from harness.tasks_from.scores import Outputs, Scale
from harness.trial import Epoch

# An ensemble with one of these methods predicts the mean over its members. A subclass that overrides the method does not count.
MEANS = (
    *(cls.predict_proba for cls in (RandomForestClassifier, ExtraTreesClassifier, BaggingClassifier)),
    *(cls.predict for cls in (RandomForestRegressor, ExtraTreesRegressor, BaggingRegressor)),
)
# Errors of an estimator that can only be trained or inspected by its plain `fit`.
REFUSALS = (AttributeError, NotImplementedError, TypeError, ValueError)
# Yields the points before the last one, from a fitted estimator, a scale and the number of points.
EarlierPoints: TypeAlias = Callable[[Estimator, Scale, int], Iterator[Epoch]]
_members_of = attrgetter("estimators_")


class LearnsInPasses(Estimator, Protocol):
    """An estimator with `partial_fit` and the parameter `max_iter`, such as SGD."""

    def set_params(self, **params: object) -> LearnsInPasses:
        """Set parameters and return the estimator itself."""
        ...


class Network(LearnsInPasses, Protocol):
    """scikit-learn's MLP, as far as it is used here."""

    max_iter: int
    random_state: object
    loss_curve_: list[float]


def read(estimator: Estimator, data: Split, *, metric: Metric, epochs: int, seed: int) -> Iterator[Epoch]:
    """Fit, then yield at most `epochs` points of the curve (see `harness.tasks_from.curve`). `data` comes from `checked`."""
    last, train, seen = _unwrap(estimator, data)
    scale = Scale(metric, seen)
    if epochs > 1 and _shuffles_every_pass(last):
        yield from _during_fit(last, train, scale, epochs, seed)
        return
    untrained = _untrained(last, seed)
    _fit(last, train)
    if epochs > 1:
        earlier = _reader_of(last, scale) if untrained is None else _shorter_fits(untrained, train)
        yield from _unless_refused(earlier, last, scale, epochs)
    yield scale.epoch(last)


def _unwrap(estimator: Estimator, data: Split) -> tuple[Estimator, Part, Split]:
    """Fit all steps of a pipeline except the last one.

    Return the last step, the training rows on which it is fitted, and all rows as it gets them for a prediction. The training rows are in
    both, because the `fit_transform` of a step may differ from its `transform`, as in TargetEncoder.
    """
    train, seen = data.train, data
    # A subclass of Pipeline may do more between its steps, such as resampling, so it is fitted as a whole.
    while isinstance(estimator, Pipeline) and type(estimator) is Pipeline:
        if len(estimator.steps) > 1:
            before = estimator[:-1]
            train = Part(before.fit_transform(train.features, train.targets), train.targets)
            seen = Split(*(Part(before.transform(part.features), part.targets) for part in (seen.train, seen.val, seen.test)))
        estimator = estimator[-1]
    return estimator, train, seen


def _fit(estimator: Estimator, train: Part) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the configuration decides how long to train
        estimator.fit(train.features, train.targets)


def _reader_of(fitted: Estimator, scale: Scale) -> EarlierPoints | None:
    """Return the function that reads the points before the last from a fitted estimator, or None."""
    method = scale.method(fitted)
    its_own = getattr(type(fitted), method, None)
    if its_own is AdaBoostRegressor.predict:
        return _first_members
    if hasattr(fitted, f"staged_{method}"):
        return _staged
    if rounds_of(fitted) is not None:
        return _first_rounds
    return _means if its_own in MEANS else None


def _unless_refused(earlier: EarlierPoints | None, fitted: Estimator, scale: Scale, epochs: int) -> Iterator[Epoch]:
    name = type(fitted).__name__
    if earlier is None:
        # Only an estimator that trains step by step gets this message: nobody expects a curve of, say, nearest neighbours.
        if {"warm_start", "n_estimators"} & _params(fitted).keys():
            _say_once(f"{name}: its curve has one point, since fit does not show the steps before its end")
        return
    try:
        yield from earlier(fitted, scale, epochs)
    except REFUSALS as error:
        _say_once(f"{name}: its curve lacks the points before the last: {' '.join(str(error).split())}")


def _staged(fitted: Estimator, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """Boosting: yield points from the predictions after each stage."""
    staged = getattr(fitted, f"staged_{scale.method(fitted)}")
    ends = _ends(_stage_count(fitted, lambda: staged(scale.data.val.features)), epochs)[:-1]
    stages = zip(*(staged(part.features) for part in scale.parts), strict=True)
    for number, outputs in enumerate(islice(stages, max(ends, default=0)), start=1):
        if number in ends:
            yield scale.epoch_of(fitted, [np.asarray(output) for output in outputs])


def _first_rounds(fitted: Estimator, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """XGBoost and LightGBM: return points from the predictions of the first rounds."""
    ends = _ends(rounds_of(fitted) or 0, epochs)[:-1]
    return (scale.epoch_of(fitted, outputs) for outputs in first_rounds(fitted, scale, ends))


def _stage_count(fitted: Estimator, stages: Callable[[], Iterator[object]]) -> int:
    if hasattr(fitted, "estimators_"):
        return len(fitted.estimators_)
    return int(fitted.n_iter_) if hasattr(fitted, "n_iter_") else sum(1 for _ in stages())


def _means(fitted: Estimator, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """Forests and bagging: yield points from the mean over the first members. Each member predicts only once."""
    mean: list[Outputs] = []
    for start, end in pairwise([0, *_ends(len(_members_of(fitted)), epochs)[:-1]]):
        added = scale.outputs(_part_of(fitted, start, end))
        mean = [(old * start + new * (end - start)) / end for old, new in zip(mean, added, strict=True)] if start else added
        yield scale.epoch_of(fitted, mean)


def _first_members(fitted: Estimator, scale: Scale, epochs: int) -> Iterator[Epoch]:
    """AdaBoost's weighted median: yield points from copies with the first members.

    Its own staged predictions would take time quadratic in the number of members.
    """
    for end in _ends(len(_members_of(fitted)), epochs)[:-1]:
        yield scale.epoch(_part_of(fitted, 0, end))


def _part_of(fitted: Estimator, start: int, end: int) -> Estimator:
    """Return a copy of an ensemble with the members `start` to `end - 1` only."""
    some = copy.copy(fitted)
    lists = ("estimators_", "estimators_features_", "estimator_weights_")
    kept = {name: getattr(fitted, name)[start:end] for name in lists if hasattr(fitted, name)}
    for name, value in {**kept, "n_estimators": end - start}.items():
        setattr(some, name, value)
    return some


def _untrained(estimator: Estimator, seed: int) -> LearnsInPasses | None:
    """Return an untrained copy of an estimator that learns in passes, to fit it again with fewer passes; None for any other estimator.

    A `random_state` of None is replaced, also in the original, so that all these fits draw the same random numbers.
    """
    if not _learns_in_passes(estimator):
        return None
    if _params(estimator).get("random_state", 0) is None:
        estimator.set_params(random_state=keyed_seed(seed, "passes"))
    return copy.deepcopy(estimator)


def _learns_in_passes(estimator: Estimator) -> TypeGuard[LearnsInPasses]:
    return hasattr(estimator, "partial_fit") and "max_iter" in _params(estimator)


def _shorter_fits(untrained: LearnsInPasses, train: Part) -> EarlierPoints:
    """SGD: fit copies with a half, a quarter, an eighth ... of the passes of the whole fit. Together they take no longer than that fit.

    Neither `partial_fit` nor `warm_start` continues a fit where it stopped: the order of the rows, the step size and the stopping test
    start again from the beginning.
    """

    def earlier(fitted: Estimator, scale: Scale, epochs: int) -> Iterator[Epoch]:
        passes = int(np.max(getattr(fitted, "n_iter_", 1)))
        halvings = [passes >> times for times in range(1, epochs) if passes >> times]
        for fewer in reversed(halvings):
            shorter = copy.deepcopy(untrained).set_params(max_iter=fewer)
            _fit(shorter, train)
            yield scale.epoch(shorter)

    return earlier


def _shuffles_every_pass(estimator: Estimator) -> TypeGuard[Network]:
    return isinstance(estimator, MLPClassifier | MLPRegressor) and estimator.solver in ("sgd", "adam") and bool(estimator.shuffle)


def _during_fit(network: Network, train: Part, scale: Scale, epochs: int, seed: int) -> Iterator[Epoch]:
    """Networks: measure points during the one fit, each time the network asks its random state for the next order of the rows."""
    observer = _Observer(network, scale, _ends(network.max_iter, epochs))
    given = network.random_state
    source = check_random_state(keyed_seed(seed, "passes") if given is None else given)
    observed = _ObservedRandomState.of(source, observer.before_pass)
    error = None
    try:
        _fit(network.set_params(random_state=observed), train)
    except _Diverged:
        pass
    # The curve up to here is kept, whatever error the training raises.
    except Exception as raised:
        error = raised
    finally:
        network.set_params(random_state=given)
        source.set_state(observed.get_state())
    yield from observer.seen
    if error is not None:
        raise error
    if not (observer.seen and observer.seen[-1].non_finite()):
        yield scale.epoch(network)


class _ObservedRandomState(np.random.RandomState):
    """A random state that calls `before_shuffle` before it shuffles. Its draws are the same as without that call."""

    before_shuffle: Callable[[], None]

    @classmethod
    def of(cls, source: np.random.RandomState, before_shuffle: Callable[[], None]) -> _ObservedRandomState:
        """Return a random state that starts in the state of `source`."""
        observed = cls(0)
        observed.set_state(source.get_state())
        observed.before_shuffle = before_shuffle
        return observed

    def shuffle(self, x: npt.ArrayLike) -> None:
        self.before_shuffle()
        super().shuffle(x)


@dataclass
class _Observer:
    """Measures a network after some of its passes, and stops a training whose numbers are no longer finite."""

    network: Network
    scale: Scale
    ends: list[int]
    seen: list[Epoch] = field(default_factory=list)

    def before_pass(self) -> None:
        losses = self.network.loss_curve_
        if losses and (len(losses) in self.ends or not np.isfinite(losses[-1])):
            self.seen.append(self.scale.epoch_of(self.network, self.scale.outputs(self.network)))
            if self.seen[-1].non_finite():
                raise _Diverged


class _Diverged(Exception):
    pass


def _params(estimator: Estimator) -> dict[str, object]:
    return dict(estimator.get_params(deep=False)) if hasattr(estimator, "get_params") else {}


def _ends(total: int, points: int) -> list[int]:
    """Split 1..total into `points` equal ranges (at most `total` of them) and return the last number of each."""
    points = min(points, total)
    return [total * (point + 1) // points for point in range(points)]


@functools.cache
def _say_once(text: str) -> None:
    with contextlib.suppress(OSError):  # a closed stderr must not stop a training
        print(printable(text), file=sys.stderr, flush=True)
