"""Every estimator of scikit-learn that can be measured: its curve ends in what `fit` at once gives, to the last bit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_limits

from harness.errors import SettingsError
from harness.tasks_from import Part, Split, curve, split
from harness.trial import measures_of

# What has no default: a small estimator for meta-estimators to hold.
HELD: dict[str, tuple[Any, Any]] = {
    "classifier": (LogisticRegression(), DecisionTreeClassifier(max_depth=3)),
    "regressor": (Ridge(), DecisionTreeRegressor(max_depth=3)),
}
NEEDED: dict[str, Callable[[str], Any]] = {
    "estimator": lambda kind: HELD[kind][1],
    "estimators": lambda kind: [("a", HELD[kind][0]), ("b", HELD[kind][1])],
    "param_grid": lambda kind: {"max_depth": [1, 3]},
    "param_distributions": lambda kind: {"max_depth": [1, 2, 3]},
}
SOLVERS = (
    "liblinear lbfgs newton-cg newton-cholesky sag saga sgd adam svd cholesky lsqr sparse_cg eigen highs highs-ds interior-point"
)
# Settings under which a way of training by parts has failed, or might: each is tried where an estimator has such a parameter.
AWKWARD: list[dict[str, Any]] = [
    {"early_stopping": True},
    {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 30},
    {"n_iter_no_change": 2},
    {"class_weight": "balanced"},
    {"oob_score": True, "bootstrap": True},
    {"warm_start": True},
    {"average": True},
    {"average": 10},
    {"tol": 0.5},
    {"tol": 0.0, "max_iter": 7},
    {"tol": None, "max_iter": 7},
    {"max_iter": 1},
    {"max_iter": 5},
    {"shuffle": False, "max_iter": 6},
    {"learning_rate": "adaptive", "max_iter": 20},
    {"solver": "sgd", "learning_rate": "adaptive", "max_iter": 20},
    {"solver": "liblinear", "dual": True},
    {"subsample": 0.5},
    {"max_features": 0.5},
    {"bootstrap_features": True, "max_features": 0.5},
    {"bootstrap": False, "max_samples": 0.5},
    {"probability": True},
    {"n_jobs": 2},
    {"selection": "random"},
    {"weights": "distance"},
    *({"solver": solver} for solver in SOLVERS.split()),
]


# They need several targets a row, one feature, other labels, or rows nearer to each other.
REFUSE = {
    *("ClassifierChain", "MultiOutputClassifier", "SelfTrainingClassifier", "RadiusNeighborsClassifier"),
    *("CCA", "IsotonicRegression", "MultiOutputRegressor", "PLSCanonical", "RadiusNeighborsRegressor", "RegressorChain"),
    *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
}
# The settings that have failed, and one estimator of each way of reading a curve: the rest is for the exhaustive check.
USUAL: list[tuple[str, dict[str, Any]]] = [
    ("LogisticRegression", {"solver": "liblinear"}),
    ("LogisticRegression", {"solver": "liblinear", "dual": True}),
    ("LogisticRegression", {"solver": "saga"}),
    ("LogisticRegression", {}),
    ("HuberRegressor", {}),
    ("HistGradientBoostingClassifier", {"early_stopping": True, "n_iter_no_change": 2, "max_features": 0.5}),
    ("HistGradientBoostingRegressor", {"max_features": 0.5}),
    ("GradientBoostingRegressor", {"n_iter_no_change": 2}),
    ("AdaBoostRegressor", {}),
    ("RandomForestClassifier", {"class_weight": "balanced", "oob_score": True, "n_estimators": 20}),
    ("BaggingClassifier", {"oob_score": True, "n_estimators": 20}),
    ("SGDClassifier", {"class_weight": "balanced"}),
    ("SGDClassifier", {"early_stopping": True}),
    ("SGDRegressor", {"average": True}),
    ("Perceptron", {"class_weight": "balanced"}),
    ("MLPClassifier", {"early_stopping": True}),
    ("MLPRegressor", {"solver": "sgd", "learning_rate": "adaptive"}),
    ("MLPRegressor", {"solver": "lbfgs"}),
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine make small fits slow."""
    with threadpool_limits(1):
        yield


def found(kind: str) -> dict[str, type]:
    return dict(all_estimators(kind))


KINDS = {name: kind for kind in HELD for name in found(kind)}


def made(name: str, **settings: Any) -> Any:
    """Return an estimator with few members and passes, every random state in it fixed."""
    kind = KINDS[name]
    cls = found(kind)[name]
    needed = [key for key, given in inspect.signature(cls).parameters.items() if given.default is given.empty]
    estimator = cls(**{key: NEEDED[key](kind) for key in needed if key in NEEDED})
    few = {} if name == "OrthogonalMatchingPursuitCV" else {"n_estimators": 6, "max_iter": 40}
    estimator.set_params(**{key: few[key] for key in few if key in estimator.get_params(deep=False)})
    estimator.set_params(**settings)
    states = [key for key, value in estimator.get_params().items() if value is None and key.endswith("random_state")]
    return estimator.set_params(**dict.fromkeys(states, 0))


def data(kind: str, count: int) -> Split:
    """Draw few, positive features (some estimators take no others), and words or positive numbers for targets."""
    if kind == "regressor":
        x, y = make_regression(120, 5, noise=20.0, random_state=0)
        return split(np.round(x - x.min(), 1), 0.1 + np.exp(y / 100))
    x, y = make_classification(120, 5, n_informative=4, n_redundant=1, n_classes=count, random_state=0)
    return split(np.round(x - x.min(), 1), np.array(["no", "yes", "maybe"], dtype=object)[y], stratify=True)


def measured(fitted: Any, part: Part, metric: str) -> tuple[float, float | None]:
    """Return the score and the loss that the owner of an estimator would measure."""
    x, y = part.features, part.targets
    if metric == "r2":
        return 100 * max(0.0, metrics.r2_score(y, fitted.predict(x))), metrics.mean_squared_error(y, fitted.predict(x))
    has = hasattr(fitted, "predict_proba")
    loss = metrics.log_loss(y, fitted.predict_proba(x), labels=fitted.classes_) if has else None
    if metric == "accuracy":
        return 100 * metrics.accuracy_score(y, fitted.predict(x)), loss
    return 100 * metrics.roc_auc_score(y, fitted.predict_proba(x)[:, 1] if has else fitted.decision_function(x)), loss


def expected(make: Callable[[], Any], parts: Split, metric: str) -> list[float | None] | Exception:
    """Fit at once and measure, in the order of MEASURES; return what was raised where an estimator refuses these data."""
    try:
        fitted = make().fit(parts.train.features, parts.train.targets)
        train, val, test = (measured(fitted, part, metric) for part in (parts.train, parts.val, parts.test))
    except Exception as refused:
        return refused
    return [*val, *train, test[0]]


def fits(make: Callable[[], Any], parts: Split, metric: str, tolerance: float) -> bool:
    """Compare the last point with `fit` at once, and return True; what `fit` refuses, the curve must refuse in the same way."""
    theirs = expected(make, parts, metric)
    try:
        *_, last = curve(make(), parts, metric=metric, epochs=4)
    except Exception as refused:
        if isinstance(theirs, Exception) and isinstance(refused, type(theirs) | SettingsError):
            return False
        raise
    if isinstance(theirs, Exception):
        assert last.non_finite(), theirs  # predictions that are not finite have no score
        return False
    for here, there in zip(measures_of(last), theirs, strict=True):
        assert here == (None if there is None else pytest.approx(there, rel=tolerance, abs=0.0))
    return True


def fits_somewhere(name: str, settings: dict[str, Any]) -> bool:
    tolerance = 1e-9 if "n_jobs" in settings else 0.0  # threads add up in an order of their own
    cases = [("r2", 0)] if KINDS[name] == "regressor" else [("accuracy", 3), ("auc", 2)]
    fitted = [fits(lambda: made(name, **settings), data(KINDS[name], count), metric, tolerance) for metric, count in cases]
    return any(fitted)


@pytest.mark.parametrize(("name", "settings"), USUAL)
@pytest.mark.filterwarnings("ignore")
def test_a_curve_ends_where_fit_does(name: str, settings: dict[str, Any]) -> None:
    assert fits_somewhere(name, settings)


@pytest.mark.full
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_every_curve_ends_where_fit_does(name: str) -> None:
    assert fits_somewhere(name, {}) or name in REFUSE
    given = made(name).get_params(deep=False).keys()
    for settings in AWKWARD:
        if settings.keys() <= given:
            fits_somewhere(name, settings)
