from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import log_loss, r2_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from harness.build import build_task
from harness.errors import HarnessError, SettingsError
from harness.space import Config, Space
from harness.task import TaskCard
from harness.tasks_from import Part, Split, curve, loop, sklearn, split
from harness.training import InProcess
from harness.trial import Epoch, Status

SPACE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "a"}})
CARD = TaskCard("t", "d", "d", "m", "m", "e")
Make = Callable[[], Any]


def classes(count: int = 2) -> Split:
    x, y = make_classification(400, 8, n_informative=5, n_classes=count, random_state=0)
    return split(x, np.array(["no", "yes", "maybe"])[y], stratify=True)


def numbers() -> Split:
    return split(*make_regression(300, 6, noise=20.0, random_state=0))


CLASSIFIERS: dict[str, tuple[Make, int]] = {
    "grows: forest": (lambda: RandomForestClassifier(30, random_state=0), 10),
    "grows: boosting": (lambda: GradientBoostingClassifier(n_estimators=25, random_state=0), 10),
    "grows: histogram boosting": (lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0), 10),
    "passes: SGD": (lambda: SGDClassifier(loss="log_loss", max_iter=7, random_state=0), 7),
    "passes: network": (lambda: MLPClassifier((8,), max_iter=100, random_state=0), 10),
    "goes on: logistic regression": (lambda: LogisticRegression(max_iter=40), 10),
    "goes on: network by L-BFGS": (lambda: MLPClassifier((8,), solver="lbfgs", max_iter=30, random_state=0), 10),
    "staged: AdaBoost": (lambda: AdaBoostClassifier(n_estimators=15, random_state=0), 10),
    "one point: neighbours": (KNeighborsClassifier, 1),
    "no probabilities: SVC": (lambda: SVC(), 1),
    "pipeline": (lambda: make_pipeline(StandardScaler(), SGDClassifier(max_iter=5, random_state=0)), 5),
}
REGRESSORS: dict[str, tuple[Make, int]] = {
    "grows: forest": (lambda: RandomForestRegressor(20, random_state=0), 10),
    "grows: bagging": (lambda: BaggingRegressor(n_estimators=12, random_state=0), 10),
    "grows: histogram boosting": (lambda: HistGradientBoostingRegressor(max_iter=20, random_state=0), 10),
    "passes: SGD": (lambda: SGDRegressor(max_iter=4, random_state=0), 4),
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


def test_a_network_shuffles_anew_in_every_pass_by_the_seed() -> None:
    def losses(seed: int) -> list[float | None]:
        return [e.train_loss for e in curve(MLPClassifier((4,), max_iter=3, random_state=0), classes(), epochs=3, seed=seed)]

    assert losses(0) != losses(1)


@pytest.mark.parametrize("name", ["grows: forest", "grows: boosting", "grows: histogram boosting"])
def test_growing_ends_where_fitting_at_once_does(name: str) -> None:
    make, data = CLASSIFIERS[name][0], classes()
    *_, last = curve(make(), data, metric="auc", epochs=7)
    whole = make().fit(data.train.features, data.train.targets)
    probable = whole.predict_proba(data.test.features)[:, 1]
    assert last.test_score_pct == pytest.approx(100 * roc_auc_score(data.test.targets, probable), abs=0.2)


def test_staged_epochs_are_the_predictions_of_those_stages() -> None:
    data = classes()
    epochs = list(curve(AdaBoostClassifier(n_estimators=10, random_state=0), data, epochs=5))
    fitted = AdaBoostClassifier(n_estimators=10, random_state=0).fit(data.train.features, data.train.targets)
    stages = list(fitted.staged_predict_proba(data.val.features))
    assert [e.val_loss for e in epochs] == pytest.approx([log_loss(data.val.targets, stages[i]) for i in (1, 3, 5, 7, 9)])


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
    with pytest.raises(SettingsError, match="Ridge has none of predict_proba, decision_function, which auc needs"):
        list(curve(Ridge(), numbers(), metric="auc"))


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


def spec(**params: Any) -> dict[str, Any]:
    card = {"title": "t", "domain": "d", "data": "d", "model": "m", "metric": "m", "epochs": "e"}
    target = f"{__name__}.countdown"
    return {"_target_": target, "name": "countdown", "card": card, "space": SPACE.to_mapping(), "params": params}


def test_a_loop_becomes_a_task_with_the_parameters_of_its_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "loops_of_a_user", type(sys)("loops_of_a_user"))
    sys.modules["loops_of_a_user"].countdown = countdown  # type: ignore[attr-defined]
    here = {"_target_": "loops_of_a_user.countdown"}
    outcome = InProcess(build_task({**spec(start=4), **here})).train({"x": 0.5}, seed=7)
    assert [epoch.val_score_pct for epoch in outcome.curve] == [12.5, pytest.approx(50 / 3), 25.0, 50.0]
    assert outcome.curve[0].train_loss == 7.0
    with pytest.raises(HarnessError, match="unexpected keyword argument 'strat'"):
        build_task({**spec(strat=4), **here})
