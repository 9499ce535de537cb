"""Water potability and the trees on it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from harness.space import Config
from harness.tasks.full.water_potability import boosting, table
from harness.testing.contracts.task import TaskContract, default_curve, task_of
from harness.training.trainer import InProcess

pytestmark = pytest.mark.usefixtures("mirror")


class TestWaterPotability(TaskContract):
    name = "water_potability"
    window = (66.0, 80.0)
    smaller = (("epochs", 4), ("stages", 12))
    deterministic = True
    random_configs = 3


def test_the_default_learns_more_than_which_values_are_missing() -> None:
    # No score is published for this altered copy. That a value is missing tells most: how much, a logistic regression on the gaps says.
    data = table()
    gaps = LogisticRegression().fit(np.isnan(data.train.features), data.train.targets)
    reference = 100 * roc_auc_score(data.val.targets, gaps.decision_function(np.isnan(data.val.features)))
    task = task_of("water_potability")
    score = InProcess(task).train(task.space.default(), seed=0).val_score_pct
    assert score is not None
    assert reference > 60.0
    assert reference < score < 82.0


def test_the_table_is_the_registered_copy() -> None:
    data = table()
    parts = (data.train, data.val, data.test)
    assert [len(part.targets) for part in parts] == [1965, 655, 656]
    assert sum(int(part.targets.sum()) for part in parts) == 556
    for part in parts:
        assert abs(float(part.targets.mean()) - 556 / 3276) < 0.002
    gaps = sum(np.isnan(part.features).sum(axis=0) for part in parts)
    assert gaps.tolist() == [491, 0, 0, 0, 781, 0, 0, 162, 0]


def test_an_epoch_is_an_equal_stretch_of_stages() -> None:
    data, smaller = table(), TestWaterPotability.smaller
    whole = boosting(task_of("water_potability", smaller).space.default(), 12, 0).fit(data.train.features, data.train.targets)
    stages = list(whole[-1].staged_predict_proba(whole[:-1].transform(data.val.features)))
    expected = [100 * roc_auc_score(data.val.targets, stages[end - 1][:, 1]) for end in (3, 6, 9, 12)]
    assert [epoch.val_score_pct for epoch in default_curve("water_potability", 0, smaller)] == pytest.approx(expected)


def test_gaps_are_filled_as_the_configuration_says() -> None:
    config: Config = task_of("water_potability").space.default()
    features = table().train.features
    widths = {
        choice: boosting({**config, "missing_values": choice}, 3, 0)[:-1].fit_transform(features)
        for choice in ("native", "median", "flag")
    }
    assert np.isnan(widths["native"]).any()
    assert not np.isnan(widths["median"]).any()
    assert [found.shape[1] for found in widths.values()] == [9, 9, 12]
