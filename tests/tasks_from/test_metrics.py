"""Metrics against scikit-learn's own, in percent or in their units, and what a task's YAML may say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from harness.errors import SettingsError
from harness.space import Space
from harness.task import TaskCard, TaskSpec
from harness.tasks_from import METRICS, Part, Split, curve, sklearn, split
from harness.training.build import build_task
from harness.trial import Direction, Objective


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine make small fits slow."""
    with threadpool_limits(1):
        yield


SPACE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "a"}})
CARD = TaskCard("t", "d", "d", "m", "m", "e")


def classes(count: int = 2, names: Any = (0, 1, 2)) -> Split:
    x, y = make_classification(300, 8, n_informative=5, n_classes=count, flip_y=0.1, random_state=0)
    return split(x, np.array(names)[y], stratify=True)


def numbers() -> Split:
    return split(*make_regression(200, 6, noise=20.0, random_state=0))


THEIRS: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda y, p, q: 100 * metrics.accuracy_score(y, p),
    "balanced_accuracy": lambda y, p, q: 100 * metrics.balanced_accuracy_score(y, p),
    "f1": lambda y, p, q: 100 * metrics.f1_score(y, p),
    "f1_macro": lambda y, p, q: 100 * metrics.f1_score(y, p, average="macro"),
    "auc": lambda y, p, q: 100 * metrics.roc_auc_score(y, q[:, 1]),
    "log_loss": lambda y, p, q: metrics.log_loss(y, q),
    "r2": lambda y, p, q: 100 * metrics.r2_score(y, p),
    "rmse": lambda y, p, q: metrics.root_mean_squared_error(y, p),
    "mae": lambda y, p, q: metrics.mean_absolute_error(y, p),
}


@pytest.mark.parametrize("metric", METRICS)
def test_every_point_is_scikit_learns_metric_of_the_first_members(metric: str) -> None:
    of_numbers = metric in ("r2", "rmse", "mae")
    data = numbers() if of_numbers else classes()

    def make(members: int) -> Any:
        kind = HistGradientBoostingRegressor if of_numbers else HistGradientBoostingClassifier
        return kind(max_iter=members, random_state=0)

    epochs = list(curve(make(9), data, metric=metric, epochs=3))
    for members, epoch in zip((3, 6, 9), epochs, strict=True):
        fitted = make(members).fit(data.train.features, data.train.targets)
        for part, score in (
            (data.val, epoch.val_score_pct),
            (data.test, epoch.test_score_pct),
            (data.train, epoch.train_score_pct),
        ):
            probabilities = None if of_numbers else fitted.predict_proba(part.features)
            assert score == pytest.approx(THEIRS[metric](part.targets, fitted.predict(part.features), probabilities), rel=1e-12)


def test_f1_counts_the_class_that_is_named() -> None:
    data = classes(names=("no", "yes", "-"))
    fitted = LogisticRegression().fit(data.train.features, data.train.targets)
    for positive in ("no", "yes"):
        (epoch,) = curve(LogisticRegression(), data, metric="f1", positive=positive)
        theirs = metrics.f1_score(data.val.targets, fitted.predict(data.val.features), pos_label=positive)
        assert epoch.val_score_pct == pytest.approx(100 * theirs)


def test_a_class_that_nothing_is_predicted_to_be_scores_zero_without_a_warning() -> None:
    data = classes()
    (epoch,) = curve(SVC(C=1e-9), data, metric="f1")
    assert epoch.val_score_pct == 0.0


UNSEEN = Split(Part([[1.0], [2.0]], ["a", "b"]), Part([[1.0], [2.0]], ["a", "c"]), Part([[1.0], [2.0]], ["a", "b"]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: curve(SVC(), classes(names=("no", "yes", "-")), metric="f1"), "classes are 'no', 'yes': give the one that f1 counts, as"),
        (lambda: curve(SVC(), classes(), metric="f1", positive="yes"), "positive='yes' is none of them; give one, as in positive=1"),
        (lambda: curve(SVC(), classes(3), metric="f1"), "f1 needs the same two classes .* try f1_macro"),
        (lambda: curve(SVC(), classes(), metric="auc", positive=1), "positive=1 is for metric f1 alone"),
        (lambda: curve(LogisticRegression(), UNSEEN, metric="log_loss"), "a class that train lacks, and val has 'c'"),
        (lambda: list(curve(SGDClassifier(), classes(), metric="log_loss")), "SGDClassifier has none of predict_proba, which log_loss"),
    ],
)  # fmt: skip
def test_data_that_do_not_allow_a_metric_are_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        call()


Rmse = sklearn(lambda config, seed: RandomForestRegressor(5), numbers, metric="rmse")
F1 = sklearn(lambda config, seed: SVC(), classes, metric="f1")
MINIMIZE = Direction.MINIMIZE


@pytest.mark.parametrize(
    ("target", "objective", "words"),
    [
        ("Rmse", Objective("rmse", MINIMIZE, "mg/dl", 0.5), None),
        ("Rmse", Objective("error of the dose", MINIMIZE, "", 0.5), None),
        (
            "Rmse",
            Objective(),
            r"its metric is rmse, and its YAML makes it a percentage to maximize; write metric: \{name: rmse, dir",
        ),
        ("Rmse", Objective("rmse", unit="mg/dl"), "makes it a number in mg/dl to maximize"),
        ("Rmse", Objective("mae", MINIMIZE, "mg/dl"), r"its metric is rmse, and its YAML says metric: \{name: mae"),
        ("F1", Objective(), None),
        ("F1", Objective("F1"), None),
        ("F1", Objective("f1", unit=""), r"a number without a unit to maximize; write metric: \{name: f1\}, as it is a percentage"),
        ("F1", Objective("f1", MINIMIZE), "makes it a percentage to minimize"),
    ],
)
def test_a_yaml_that_says_something_else_of_the_scores_is_one_line(target: str, objective: Objective, words: str | None) -> None:
    spec = TaskSpec("mine", f"{__name__}.{target}", SPACE, CARD, objective=objective)
    if words is None:
        assert build_task(spec).space is SPACE
        return
    with pytest.raises(SettingsError, match=f"task 'mine': .*{words}"):
        build_task(spec)


def test_a_frame_with_words_and_gaps_is_scored_by_f1() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"plan": rng.choice(np.array(["basic", "plus", None], dtype=object), 300), "age": rng.integers(18, 80, 300).astype(float)}
    )
    frame.loc[rng.random(300) < 0.2, "age"] = np.nan
    leaves = pd.Series(np.where((frame["plan"] == "basic") & (rng.random(300) < 0.8), "yes", "no"), index=frame.index)

    def make(members: int = 12) -> Any:
        words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False))
        columns = make_column_transformer((words, ["plan"]), (SimpleImputer(), ["age"]))
        return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=members, random_state=0))

    data = split(frame, leaves, stratify=True)
    epochs = list(curve(make(), data, metric="f1", positive="yes", epochs=4))
    for members, epoch in zip((3, 6, 9, 12), epochs, strict=True):
        fitted = make(members).fit(data.train.features, data.train.targets)
        theirs = metrics.f1_score(data.val.targets, fitted.predict(data.val.features), pos_label="yes", zero_division=0.0)
        assert epoch.val_score_pct == pytest.approx(100 * theirs)
    assert epochs[-1].val_score_pct > 50
