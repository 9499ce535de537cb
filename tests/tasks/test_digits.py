"""The vision task, and the digits that it shares with the graph task."""

from __future__ import annotations

import numpy as np

from harness.tasks.common.data import balanced_order, digits
from harness.testing.contracts.task import TaskContract


class TestDigits(TaskContract):
    name = "digits"
    window = (75.0, 93.0)
    diverges = {"optimizer": "sgd", "learning_rate": 3.0, "momentum": 0.9, "batch_size": 8}  # noqa: RUF012


def test_each_part_holds_the_digits_in_equal_numbers() -> None:
    _, labels, parts = digits(300, 700)
    for part, tolerance in zip(parts.slices(), (0, 0, 10), strict=True):
        counts = np.bincount(labels[part])
        assert counts.max() - counts.min() <= tolerance


def test_each_image_is_in_exactly_one_part() -> None:
    labels = np.repeat(np.arange(3), [5, 2, 9])
    order = balanced_order(labels, seed=1)
    assert sorted(order) == list(range(16))
    assert sorted(labels[order][:3]) == [0, 1, 2]


def test_pixels_are_standardised() -> None:
    pixels, _, _ = digits(300, 700)
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [0.0, 1.0], atol=1e-9)
