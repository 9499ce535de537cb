"""Bands that draw tasks hold the truth as often as the page says, and an interval without one task is that of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from harness.report.analysis.intervals import LEAST_SEEDS, Array, Resampling, SeedIntervals, seed_interval, task_band
from harness.report.analysis.over_tasks import COVERED, COVERED_UNLIKE

Shape: TypeAlias = tuple[int, int]
Draw: TypeAlias = Callable[[np.random.Generator, Shape], Array]
STUDIES = 2000
# Their means, and how they are drawn.
KINDS: dict[str, tuple[float, Draw]] = {
    "normal": (0.0, lambda rng, shape: rng.standard_normal(shape)),
    "exponential": (1.0, lambda rng, shape: rng.exponential(size=shape)),
    "0 or 1": (0.5, lambda rng, shape: (rng.random(shape) < 0.5).astype(float)),
    "near 0 or 1": (5 / 7, lambda rng, shape: rng.beta(0.5, 0.2, shape)),
}


def covered(truth: float, draw: Draw, tasks: int) -> float:
    """Return how often in 100 the band of so many drawn tasks holds the truth."""
    low, high = task_band(draw(np.random.default_rng(tasks), (tasks, STUDIES)), Resampling(resamples=1000))
    # The mean of ten values of 0.1 is 0.1 but for rounding.
    return 100 * float(np.mean((low <= truth + 1e-12) & (truth - 1e-12 <= high)))


@pytest.mark.parametrize("tasks", list(COVERED))
def test_the_band_holds_the_truth_as_often_as_the_page_says(tasks: int) -> None:
    found = [covered(truth, draw, tasks) for truth, draw in KINDS.values()]
    least, most = COVERED[tasks]
    # Two standard errors of a share of 2,000 studies are at most 1.4, and the resamples are shared by all.
    assert [min(found), max(found)] == pytest.approx([least, most], abs=2.0)


@pytest.mark.parametrize("tasks", list(COVERED_UNLIKE))
def test_where_one_task_in_ten_is_unlike_the_others_it_does_so_as_rarely_as_the_page_says(tasks: int) -> None:
    found = covered(0.9, lambda rng, shape: (rng.random(shape) < 0.9).astype(float), tasks)
    assert found == pytest.approx(COVERED_UNLIKE[tasks], abs=2.5)


def test_a_band_lies_between_the_tasks_and_has_no_width_where_they_are_alike() -> None:
    values = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.7]])
    low, high = task_band(values, Resampling(resamples=500))
    assert (low[0], high[0]) == (1.0, 1.0)
    assert 0.0 <= low[1] < values[:, 1].mean() < high[1] <= 0.7


def test_an_interval_without_a_stratum_is_that_of_the_others() -> None:
    rng = np.random.default_rng(3)
    strata = [level + rng.standard_normal(size) for level, size in ((0.0, 6), (3.0, 8), (-1.0, 6), (0.5, 9))]
    how = Resampling(resamples=20_000)
    intervals = SeedIntervals(strata, how)
    assert intervals.without() == seed_interval(strata, how)
    for place in range(4):
        found, expected = intervals.without(place), seed_interval([v for n, v in enumerate(strata) if n != place], how)
        assert found.value == pytest.approx(expected.value)
        # The strata after the missing one have other draws.
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.03)
    # Without the last one, the draws are the same too.
    assert (intervals.without(3).low, intervals.without(3).high) == pytest.approx(
        (seed_interval(strata[:3], how).low, seed_interval(strata[:3], how).high), rel=1e-9
    )


def test_the_stratum_with_nearly_all_the_spread_can_be_left_out() -> None:
    rng = np.random.default_rng(4)
    small = [rng.standard_normal(LEAST_SEEDS + 1) for _ in range(3)]
    large = 1e12 * rng.standard_normal(LEAST_SEEDS + 1)
    how = Resampling(resamples=5000)
    found, expected = SeedIntervals([*small, large], how).without(3), seed_interval(small, how)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_a_stratum_of_one_value_can_be_left_out_and_forbids_the_interval_of_all() -> None:
    rng = np.random.default_rng(5)
    strata = [rng.standard_normal(8), np.array([2.0]), rng.standard_normal(8)]
    intervals = SeedIntervals(strata, Resampling(resamples=500))
    assert "one seed" in intervals.without().why
    assert intervals.without(1).low < intervals.without(1).value < intervals.without(1).high
