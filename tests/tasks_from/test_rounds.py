"""XGBoost and LightGBM: each point of a curve is what a fit with fewer rounds gives, and the last is the plain fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from harness.tasks_from import Split, curve, split

Make = Callable[[int], Any]


def xgb(name: str, **more: Any) -> Make:
    library = pytest.importorskip("xgboost", reason="pip install -e '.[boosting]'")
    return lambda rounds: getattr(library, name)(n_estimators=rounds, max_depth=3, n_jobs=1, random_state=0, **more)


def lgbm(name: str, **more: Any) -> Make:
    library = pytest.importorskip("lightgbm", reason="pip install -e '.[boosting]'")
    return lambda rounds: getattr(library, name)(n_estimators=rounds, num_leaves=7, n_jobs=1, random_state=0, verbose=-1, **more)


MADE: dict[str, tuple[Callable[[str], Make], str]] = {"XGBoost": (xgb, "XGB"), "LightGBM": (lgbm, "LGBM")}
SAMPLED: dict[str, Any] = {"subsample": 0.7, "colsample_bytree": 0.7, "learning_rate": 0.3}


def classes(count: int) -> Split:
    x, y = make_classification(300, 6, n_informative=5, n_redundant=0, n_classes=count, flip_y=0.1, random_state=0)
    return split(x, y, stratify=True)


@pytest.mark.parametrize("library", MADE)
@pytest.mark.parametrize("count", [2, 3])
def test_each_point_of_a_classifier_is_a_fit_with_fewer_rounds(library: str, count: int) -> None:
    of, prefix = MADE[library]
    make, data = of(f"{prefix}Classifier", **SAMPLED), classes(count)
    with threadpool_limits(1):
        epochs = list(curve(make(12), data, epochs=4))
        for rounds, epoch in zip((3, 6, 9, 12), epochs, strict=True):
            fitted = make(rounds).fit(data.train.features, data.train.targets)
            assert epoch.val_score_pct == pytest.approx(100 * fitted.score(data.val.features, data.val.targets))
            for part, loss in ((data.val, epoch.val_loss), (data.train, epoch.train_loss)):
                assert loss == pytest.approx(log_loss(part.targets, fitted.predict_proba(part.features)), rel=1e-6)
    assert epochs[-1].train_loss is not None
    assert epochs[0].train_loss is not None
    assert epochs[-1].train_loss < epochs[0].train_loss


@pytest.mark.parametrize("library", MADE)
@pytest.mark.parametrize("objective", ["squared", "poisson"])
def test_each_point_of_a_regressor_is_a_fit_with_fewer_rounds_in_a_pipeline_too(library: str, objective: str) -> None:
    of, prefix = MADE[library]
    more = {"objective": {"XGBoost": "count:poisson", "LightGBM": "poisson"}[library]} if objective == "poisson" else {}
    make = of(f"{prefix}Regressor", **SAMPLED, **more)
    x, y = make_regression(200, 5, noise=10.0, random_state=0)
    data = split(x, np.round(np.exp(y / 200), 1))
    with threadpool_limits(1):
        epochs = list(
            curve(make_pipeline(StandardScaler().set_output(transform="pandas"), make(10)), data, metric="rmse", epochs=5)
        )
        for rounds, epoch in zip((2, 4, 6, 8, 10), epochs, strict=True):
            fitted = make_pipeline(StandardScaler().set_output(transform="pandas"), make(rounds)).fit(
                data.train.features, data.train.targets
            )
            theirs = root_mean_squared_error(data.test.targets, fitted.predict(data.test.features))
            assert epoch.test_score_pct == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("library", MADE)
def test_the_last_point_is_the_plain_fit_to_the_last_bit(library: str) -> None:
    of, prefix = MADE[library]
    make, data = of(f"{prefix}Classifier", **SAMPLED), classes(3)
    with threadpool_limits(1):
        *_, last = curve(make(12), data, epochs=4)
        fitted = make(12).fit(data.train.features, data.train.targets)
        assert last.val_loss == log_loss(data.val.targets, fitted.predict_proba(data.val.features))


@pytest.mark.parametrize("more", [{}, {"reg_sqrt": True}, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}])
def test_the_sum_of_lightgbms_trees_is_used_only_where_it_is_the_prediction(more: dict[str, Any]) -> None:
    make = lgbm("LGBMRegressor", **more)
    x, y = make_regression(200, 5, random_state=0)
    data = split(x, y - y.min())
    with threadpool_limits(1):
        epochs = list(curve(make(8), data, metric="rmse", epochs=4))
        for rounds, epoch in zip((2, 4, 6, 8), epochs, strict=True):
            fitted = make(rounds).fit(data.train.features, data.train.targets)
            theirs = root_mean_squared_error(data.val.targets, fitted.predict(data.val.features))
            assert epoch.val_score_pct == pytest.approx(theirs, rel=1e-6)


def test_a_booster_without_rounds_to_cut_has_one_point_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    linear = xgb("XGBRegressor", booster="gblinear", updater="coord_descent")(5).set_params(max_depth=None)
    epochs = list(curve(linear, split(*make_regression(100, 3, random_state=0)), metric="rmse", epochs=5))
    assert len(epochs) == 1
    assert "its curve has one point" in capsys.readouterr().err
