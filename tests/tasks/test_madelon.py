"""The tabular classification task, its network and its data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from harness.tasks.common.metrics import Parts, auc_pct
from harness.tasks.core.madelon import network, schedule_of, smoothed_loss, table
from harness.testing.contracts.task import TaskContract, task_of

PARTS = Parts(700, 3000, 5000)


class TestMadelon(TaskContract):
    name = "madelon"
    window = (87.0, 96.0)
    diverges = {"optimizer": "sgd", "learning_rate": 10.0, "num_layers": 6, "activation": "leaky_relu", "init_gain": 5.0}  # noqa: RUF012


def test_no_straight_line_solves_it() -> None:
    rows = table(PARTS)
    features, labels = rows.inputs[0].numpy(), rows.targets.numpy()
    train, val, _ = PARTS.slices()
    linear = LogisticRegression(C=0.1).fit(features[train], labels[train])
    assert auc_pct(linear.decision_function(features[val]), labels[val]) < 75


def test_the_first_five_features_hold_all_there_is_to_know() -> None:
    rows = table(PARTS)
    signs, labels = (rows.inputs[0][:, :5] > 0).long().numpy(), rows.targets.numpy()
    corner = signs @ (1 << np.arange(5))
    majority = np.array([labels[corner == c].mean() > 0.5 for c in range(32)])
    assert majority.sum() == 16
    assert (majority[corner] == labels).mean() > 0.97


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"schedule": "constant"}, [1.0, 1.0, 1.0]),
        ({"schedule": "cosine"}, [1.0, 0.5, 0.0]),
        ({"schedule": "exponential", "final_rate": 0.01}, [1.0, 0.1, 0.01]),
    ],
)
def test_schedules_fall_as_their_names_say(config: dict[str, float | int | str | bool], expected: list[float]) -> None:
    assert [schedule_of(config)(done) for done in (0.0, 0.5, 1.0)] == pytest.approx(expected)


def test_smoothing_leaves_the_loss_alone_at_zero_and_ignores_the_label_at_one() -> None:
    logits, targets = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 1.0])
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(smoothed_loss(logits, targets, 0.0), plain)
    torch.testing.assert_close(smoothed_loss(logits, targets, 1.0), smoothed_loss(logits, 1 - targets, 1.0))


def test_gain_and_skips_change_the_network_as_they_say() -> None:
    config = {**task_of("madelon").space.default(), "dropout": 0.0, "num_layers": 3, "hidden_size": 8}
    features = table(PARTS).inputs[0][:16]

    def output(**changes: float | bool) -> torch.Tensor:
        torch.manual_seed(0)
        made = network({**config, **changes}).eval()
        return torch.as_tensor(made(features).detach())

    with torch.random.fork_rng(devices=[]):
        assert output().shape == (16,)
        assert output(init_gain=5.0).var() > 10 * output().var()
        assert not torch.allclose(output(skip_connections=True), output())
