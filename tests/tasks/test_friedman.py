"""The tabular regression task and its data."""

from __future__ import annotations

import numpy as np

from harness.tasks.common.metrics import Parts, r2_pct
from harness.tasks.core.friedman import CONTAMINATED, boosting, table
from harness.testing.contracts.task import TaskContract, task_of

PARTS = Parts(250, 2000, 4000)


class TestFriedman(TaskContract):
    name = "friedman"
    window = (58.0, 72.0)
    diverges = {"learning_rate": 5.0}  # noqa: RUF012


def formula(x: np.ndarray) -> np.ndarray:
    return np.asarray(10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4])


def test_targets_are_the_formula_and_noise() -> None:
    features, targets = table(PARTS)
    noise = targets - formula(features)
    assert 0.95 < noise[PARTS.train :].std() < 1.05
    assert abs(noise[PARTS.train :].mean()) < 0.05


def test_gross_errors_are_in_the_training_part_alone() -> None:
    features, targets = table(PARTS)
    gross = np.abs(targets - formula(features)) > 5
    assert 0.5 * CONTAMINATED < gross[: PARTS.train].mean() <= CONTAMINATED
    assert not gross[PARTS.train :].any()


def test_adding_trees_in_steps_is_the_same_as_fitting_them_at_once() -> None:
    config = task_of("friedman").space.default()
    last = list(task_of("friedman").train(config, seed=5))[-1]
    features, targets = table(PARTS)
    train, val, _ = PARTS.slices()
    whole = boosting(config, seed=5).set_params(n_estimators=160, warm_start=False).fit(features[train], targets[train])
    assert abs(last.val_score_pct - r2_pct(whole.predict(features[val]), targets[val])) < 0.5
