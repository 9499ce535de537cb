from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from harness.errors import HarnessError, SettingsError
from harness.space import Config, Space
from harness.task import TaskCard, TaskSpec
from harness.tasks_from import Part, Split, curve, loop, sklearn, split
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Epoch, Status

SPACE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "a"}})
CARD = TaskCard("t", "d", "d", "m", "m", "e")
Make = Callable[[], Any]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine make small fits slow."""
    with threadpool_limits(1):
        yield


def classes(count: int = 2) -> Split:
    x, y = make_classification(400, 8, n_informative=5, n_classes=count, random_state=0)
    return split(x, np.array(["no", "yes", "maybe"])[y], stratify=True)


def numbers() -> Split:
    return split(*make_regression(300, 6, noise=20.0, random_state=0))


CLASSIFIERS: dict[str, tuple[Make, int]] = {
    "members: forest": (lambda: RandomForestClassifier(30, random_state=0), 10),
    "staged: boosting": (lambda: GradientBoostingClassifier(n_estimators=25, random_state=0), 10),
    "staged: histogram boosting": (lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0), 10),
    "halvings: SGD": (lambda: SGDClassifier(loss="log_loss", max_iter=7, random_state=0), 3),
    "passes: network": (lambda: MLPClassifier((8,), max_iter=100, random_state=0), 10),
    "one point: logistic regression": (lambda: LogisticRegression(max_iter=40), 1),
    "one point: network by L-BFGS": (lambda: MLPClassifier((8,), solver="lbfgs", max_iter=30, random_state=0), 1),
    "staged: AdaBoost": (lambda: AdaBoostClassifier(n_estimators=15, random_state=0), 10),
    "one point: neighbours": (KNeighborsClassifier, 1),
    "no probabilities: SVC": (lambda: SVC(), 1),
    "pipeline": (lambda: make_pipeline(StandardScaler(), SGDClassifier(max_iter=5, random_state=0)), 3),
}
REGRESSORS: dict[str, tuple[Make, int]] = {
    "members: forest": (lambda: RandomForestRegressor(20, random_state=0), 10),
    "members: bagging": (lambda: BaggingRegressor(n_estimators=12, random_state=0), 10),
    "staged: histogram boosting": (lambda: HistGradientBoostingRegressor(max_iter=20, random_state=0), 10),
    "halvings: SGD": (lambda: SGDRegressor(max_iter=4, random_state=0), 3),
    "passes: network": (lambda: MLPRegressor(hidden_layer_sizes=(8,), learning_rate_init=0.3, max_iter=100, random_state=0), 10),
    "one point: ridge": (Ridge, 1),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("count", [2, 3])
def test_a_classifier_becomes_a_curve_that_learns(name: str, count: int) -> None:
    make, points = CLASSIFIERS[name]
    epochs = list(curve(make(), classes(count), epochs=10))
    assert len(epochs) == points
    assert all(epoch.non_finite() is None for epoch in epochs)
    assert max(epoch.val_score_pct for epoch in epochs) > 100 / count + 10
    assert (epochs[-1].val_loss is None) == (name in ("no probabilities: SVC", "pipeline"))


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_becomes_a_curve_that_learns(name: str) -> None:
    make, points = REGRESSORS[name]
    epochs = list(curve(make(), numbers(), metric="r2", epochs=10))
    assert len(epochs) == points
    assert max(epoch.val_score_pct for epoch in epochs) > (0 if "network" in name else 30)
    assert all(0.0 <= epoch.val_score_pct <= 100.0 for epoch in epochs)


@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "one point: neighbours"])
def test_a_seed_gives_the_same_curve(name: str) -> None:
    make, _ = CLASSIFIERS[name]
    assert list(curve(make(), classes(), epochs=4, seed=3)) == list(curve(make(), classes(), epochs=4, seed=3))


def test_the_seed_stands_in_for_a_random_state_that_was_left_open_and_for_no_other() -> None:
    def losses(make: Make, seed: int) -> list[float | None]:
        return [e.train_loss for e in curve(make(), classes(), epochs=3, seed=seed)]

    for make in (lambda **given: MLPClassifier((4,), max_iter=3, **given), lambda **given: SGDClassifier(loss="log_loss", **given)):
        assert losses(make, 0) == losses(make, 0) != losses(make, 1)
        assert losses(functools.partial(make, random_state=0), 0) == losses(functools.partial(make, random_state=0), 1)


FEWER: dict[str, tuple[Callable[[int], Any], list[int]]] = {
    "forest": (lambda n: RandomForestClassifier(n, random_state=0), [3, 7, 11, 15]),
    "bagging": (lambda n: BaggingClassifier(SVC(), n_estimators=n, max_features=0.6, random_state=0), [3, 7, 11, 15]),
    "boosting": (lambda n: GradientBoostingClassifier(n_estimators=n, subsample=0.5, random_state=0), [3, 7, 11, 15]),
    "histogram boosting": (
        lambda n: HistGradientBoostingClassifier(max_iter=n, max_features=0.5, random_state=0),
        [3, 7, 11, 15],
    ),
    "AdaBoost": (lambda n: AdaBoostClassifier(n_estimators=n, random_state=0), [3, 7, 11, 15]),
    "network by adam": (lambda n: MLPClassifier((4,), max_iter=n, random_state=0), [3, 7, 11, 15]),
    "network by sgd": (
        lambda n: MLPClassifier((4,), solver="sgd", learning_rate="adaptive", max_iter=n, random_state=0),
        [3, 7, 11, 15],
    ),
    "SGD": (lambda n: SGDClassifier(loss="log_loss", average=True, tol=None, max_iter=n, random_state=0), [1, 3, 7, 15]),
    "network without shuffling": (lambda n: MLPClassifier((4,), shuffle=False, max_iter=n, random_state=0), [1, 3, 7, 15]),
}


@pytest.mark.parametrize("name", FEWER)
def test_each_point_is_what_fit_gives_with_fewer_members_or_passes(name: str) -> None:
    make, numbers_of_them = FEWER[name]
    data = classes(3)
    epochs = list(curve(make(15), data, epochs=4))
    for number, epoch in zip(numbers_of_them, epochs, strict=True):
        fitted = fit_quietly(make(number), data.train)
        assert epoch.test_score_pct == pytest.approx(100 * fitted.score(data.test.features, data.test.targets))
        assert epoch.val_loss == pytest.approx(log_loss(data.val.targets, fitted.predict_proba(data.val.features)))


def test_a_regressors_earlier_points_are_those_of_its_first_members() -> None:
    data = numbers()
    for make in (AdaBoostRegressor, BaggingRegressor, RandomForestRegressor):
        epochs = list(curve(make(n_estimators=6, random_state=0), data, metric="r2", epochs=3))
        for members, epoch in zip((2, 4, 6), epochs, strict=True):
            fitted = make(n_estimators=members, random_state=0).fit(data.train.features, data.train.targets)
            assert epoch.val_loss == pytest.approx(mean_squared_error(data.val.targets, fitted.predict(data.val.features)))


def test_metrics_are_those_of_scikit_learn() -> None:
    data = classes()
    fitted = SVC().fit(data.train.features, data.train.targets)
    (epoch,) = curve(SVC(), data, metric="auc")
    assert epoch.val_score_pct == pytest.approx(100 * roc_auc_score(data.val.targets, fitted.decision_function(data.val.features)))
    (epoch,) = curve(SVC(), data)
    assert epoch.val_score_pct == pytest.approx(100 * fitted.score(data.val.features, data.val.targets))
    many = numbers()
    ridge = Ridge().fit(many.train.features, many.train.targets)
    (epoch,) = curve(Ridge(), many, metric="r2")
    assert epoch.test_score_pct == pytest.approx(100 * r2_score(many.test.targets, ridge.predict(many.test.features)))


def test_a_fit_worse_than_the_mean_scores_zero_and_one_that_overflows_is_not_finite() -> None:
    data = numbers()
    shifted = Split(data.train, Part(data.val.features, data.val.targets + 1e6), data.test)
    (epoch,) = curve(Ridge(), shifted, metric="r2")
    assert epoch.val_score_pct == 0.0
    task = sklearn(lambda config, seed: SGDRegressor(eta0=1e200, max_iter=3, random_state=seed), numbers, metric="r2")(SPACE, CARD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert InProcess(task).train({"x": 0.5}, seed=0).status in (Status.DIVERGED, Status.CRASHED)


def test_a_split_is_always_the_same_and_keeps_the_classes_shares() -> None:
    y = np.array([0] * 80 + [1] * 20)
    first, second = (split(np.arange(100)[:, None], y, val_share=0.3, test_share=0.1, stratify=True) for _ in range(2))
    sizes = [len(part.targets) for part in (first.train, first.val, first.test)]
    assert sizes == [60, 30, 10]
    assert [part.targets.mean() for part in (first.train, first.val, first.test)] == pytest.approx([0.2] * 3)
    assert sorted(itertools.chain(*(part.features[:, 0].tolist() for part in (first.train, first.val, first.test)))) == list(
        range(100)
    )
    np.testing.assert_array_equal(first.test.features, second.test.features)


def test_what_cannot_be_measured_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="metric 'acuracy' is not known; did you mean 'accuracy'"):
        sklearn(lambda config, seed: SVC(), classes, metric="acuracy")
    x, y = make_classification(100, random_state=0)
    with pytest.raises(SettingsError, match="Ridge has none of predict_proba, decision_function, which auc needs"):
        list(curve(Ridge(), split(x, y), metric="auc"))


@pytest.mark.parametrize(
    ("targets", "complaint"),
    [
        (np.eye(100, 3, dtype=int), "train are several a row"),
        ([[1, 2], [3]] * 50, "train are several a row"),
        (np.array([{1}, {2, 3}] * 50, dtype=object), "train are several a row"),
        (np.arange(100) % 3, "same two classes in every part; train has 3 of 3"),
    ],
)
def test_targets_that_cannot_be_measured_are_refused_when_the_task_is_built(targets: Any, complaint: str) -> None:
    data = split(np.arange(100.0)[:, None], targets)
    with pytest.raises(SettingsError, match=complaint):
        sklearn(lambda config, seed: RandomForestClassifier(), lambda: data, metric="auc")(SPACE, CARD)


def test_one_column_of_targets_is_as_good_as_none() -> None:
    x, y = make_classification(100, random_state=0)
    assert list(curve(SVC(), split(x, y[:, None]))) == list(curve(SVC(), split(x, y)))


@pytest.mark.parametrize("make", [RandomForestClassifier, HistGradientBoostingClassifier, MLPClassifier, SGDClassifier, SVC])
def test_a_class_that_is_not_in_training_counts_as_missed_and_has_no_loss(make: Callable[..., Any]) -> None:
    data = classes()
    val = data.val.targets.astype(object)
    val[:4] = "never"
    (*_, last) = curve(make(random_state=0), Split(data.train, Part(data.val.features, val), data.test), epochs=2)
    fitted = fit_quietly(make(random_state=0), data.train)
    assert last.val_score_pct == pytest.approx(100 * float(np.mean(fitted.predict(data.val.features) == val)))
    assert last.val_loss is None
    assert (last.train_loss is None) == (not hasattr(fitted, "predict_proba"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomForestClassifier(6, random_state=0),
        lambda: BaggingClassifier(n_estimators=6, random_state=0),
        lambda: AdaBoostClassifier(n_estimators=6, random_state=0),
        lambda: SGDClassifier(loss="log_loss", random_state=0),
        lambda: MLPClassifier((4,), max_iter=9, random_state=0),
    ],
)
def test_frames_and_sparse_rows_give_the_curve_of_the_array(make: Make) -> None:
    x, y = make_classification(120, 5, random_state=0)
    plain = list(curve(make(), split(np.asfortranarray(x), y), epochs=3))
    frame = pd.DataFrame(x, columns=list("abcde"), index=np.arange(120)[::-1])
    labels = pd.Series(y, index=frame.index)
    assert list(curve(make(), split(frame, labels), epochs=3)) == plain
    words = list(curve(make(), split(frame, labels.map({0: "no", 1: "yes"})), epochs=3))
    assert words == plain
    sparse = split(csr_matrix(x), y)
    fitted = fit_quietly(make(), sparse.train)  # SGD itself fits sparse rows in another way
    *_, last = curve(make(), sparse, epochs=3)
    assert last.val_loss == log_loss(sparse.val.targets, fitted.predict_proba(sparse.val.features))


def test_labels_are_those_of_predict_where_it_has_a_threshold_of_its_own() -> None:
    x, y = make_classification(200, weights=[0.8], flip_y=0.2, random_state=0)
    data = split(x, y)
    (epoch,) = curve(FixedThresholdClassifier(LogisticRegression(), threshold=0.1), data)
    fitted = FixedThresholdClassifier(LogisticRegression(), threshold=0.1).fit(data.train.features, data.train.targets)
    assert epoch.val_score_pct == pytest.approx(100 * fitted.score(data.val.features, data.val.targets))


class CrossFitted(BaseEstimator, TransformerMixin):  # type: ignore[misc]
    """Makes something else of its training rows in `fit_transform` than in `transform`, as TargetEncoder does."""

    def fit(self, x: Any, y: Any = None) -> CrossFitted:
        self.shift_ = x.mean(axis=0)
        return self

    def fit_transform(self, x: Any, y: Any = None) -> Any:
        return self.fit(x).transform(x)[:, ::-1] * 3

    def transform(self, x: Any) -> Any:
        return x - self.shift_


@pytest.mark.parametrize(
    "last",
    [lambda: SGDClassifier(loss="log_loss", random_state=0), lambda: RandomForestClassifier(5, random_state=0), LogisticRegression],
)
def test_a_pipeline_ends_where_fitting_the_whole_of_it_does(last: Make) -> None:
    def make() -> Pipeline:
        return make_pipeline(StandardScaler(), make_pipeline(CrossFitted(), last()))

    data = classes(3)
    *_, epoch = curve(make(), data)
    fitted = make().fit(data.train.features, data.train.targets)
    assert epoch.train_loss == pytest.approx(log_loss(data.train.targets, fitted.predict_proba(data.train.features)), rel=1e-12)
    assert epoch.val_loss == pytest.approx(log_loss(data.val.targets, fitted.predict_proba(data.val.features)), rel=1e-12)


class Foreign:
    """What other libraries offer: members without staged predictions."""

    def __init__(self, n_estimators: int = 3, **passes: int) -> None:
        self.n_estimators, self.passes = n_estimators, passes

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"n_estimators": self.n_estimators, **self.passes}

    def fit(self, x: Any, y: Any) -> Foreign:
        self.inner = GradientBoostingClassifier(n_estimators=self.n_estimators, random_state=0).fit(x, y)
        self.classes_, self.n_iter_ = self.inner.classes_, 8
        return self

    def predict(self, x: Any) -> Any:
        return self.inner.predict(x).tolist()

    def predict_proba(self, x: Any) -> Any:
        return self.inner.predict_proba(x)


class Stubborn(Foreign):
    """Learns in passes, and takes no other number of them."""

    partial_fit = Foreign.fit

    def set_params(self, **given: Any) -> Foreign:
        raise ValueError("max_iter is\nfixed")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Foreign, "Foreign: its curve has one point, since fit does not show the steps before its end\n"),
        (lambda: Stubborn(max_iter=9), "Stubborn: its curve lacks the points before the last: max_iter is fixed\n"),
        (KNeighborsClassifier, ""),
    ],
)
def test_what_cannot_be_looked_at_part_of_the_way_has_one_point_and_says_so_once(
    make: Make, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = classes()
    for _ in range(2):
        (epoch,) = curve(make(), data)
        accuracy = accuracy_score(data.val.targets, make().fit(data.train.features, data.train.targets).predict(data.val.features))
        assert epoch.val_score_pct == pytest.approx(100 * accuracy)
    assert capsys.readouterr().err == said


def test_a_forest_with_an_answer_of_its_own_has_one_point() -> None:
    class Middle(RandomForestRegressor):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return np.median([tree.predict(X) for tree in self.estimators_], axis=0)

    assert len(list(curve(Middle(9, random_state=0), numbers(), metric="r2"))) == 1


def test_a_network_that_leaves_the_finite_numbers_stops_there_and_shows_it() -> None:
    task = sklearn(
        lambda config, seed: MLPRegressor((4,), solver="sgd", learning_rate_init=1e100, max_iter=50, random_state=seed),
        numbers,
        metric="r2",
    )(SPACE, CARD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        outcome = InProcess(task).train({"x": 0.5}, seed=0)
    assert outcome.status in (Status.DIVERGED, Status.CRASHED)


def test_a_networks_random_state_moves_on_as_by_fit() -> None:
    data, ours, theirs = classes(), np.random.RandomState(3), np.random.RandomState(3)
    list(curve(MLPClassifier((3,), max_iter=4, random_state=ours), data, epochs=2))
    fit_quietly(MLPClassifier((3,), max_iter=4, random_state=theirs), data.train)
    assert ours.random_sample() == theirs.random_sample()


def fit_quietly(estimator: Any, train: Part) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(train.features, train.targets)


def test_data_are_read_once_a_process() -> None:
    calls = []

    def load() -> Split:
        calls.append(1)
        return classes()

    made = sklearn(lambda config, seed: KNeighborsClassifier(int(10 * config["x"]) + 1), load)
    for _ in range(2):
        assert InProcess(made(SPACE, CARD)).train({"x": 0.5}, seed=0).ok
    assert len(calls) == 1


@loop
def countdown(config: Config, seed: int, *, start: int = 3) -> Iterator[Epoch]:
    for number in range(start):
        yield Epoch(val_score_pct=100.0 * float(config["x"]) / (start - number), train_loss=float(seed))


def spec(**params: Any) -> TaskSpec:
    return TaskSpec("countdown", "loops_of_a_user.countdown", SPACE, TaskCard("t", "d", "d", "m", "m", "e"), params)


def test_a_loop_becomes_a_task_with_the_parameters_of_its_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "loops_of_a_user", type(sys)("loops_of_a_user"))
    sys.modules["loops_of_a_user"].countdown = countdown  # type: ignore[attr-defined]
    outcome = InProcess(build_task(spec(start=4))).train({"x": 0.5}, seed=7)
    assert [epoch.val_score_pct for epoch in outcome.curve] == [12.5, pytest.approx(50 / 3), 25.0, 50.0]
    assert outcome.curve[0].train_loss == 7.0
    with pytest.raises(HarnessError, match="unexpected keyword argument 'strat'"):
        build_task(spec(strat=4))
