"""Intervals cover at their nominal rate, and the small formulas give what the papers say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from harness.report.intervals import (
    Array,
    Resampling,
    mean_over_strata,
    probability_of_improvement,
    seed_interval,
    task_interval,
)
from harness.report.statistics import holm, rank_biserial, seeds_needed, smallest_p

HOW = Resampling(resamples=1000)
SPREADS = (0.3, 0.5, 1.0, 1.0, 2.0, 3.0)


def strata(*rows: list[float]) -> list[Array]:
    return [np.array(row) for row in rows]


def normal(rng: np.random.Generator, size: int) -> Array:
    return rng.standard_normal(size)


def skewed(rng: np.random.Generator, size: int) -> Array:
    """Mean 0, a long tail to the left: now and then a seed goes badly wrong."""
    return 1.0 - rng.exponential(size=size)


def seed_coverage(
    draw: Callable[[np.random.Generator, int], Array], seeds: int, spreads: tuple[float, ...], repeats: int = 600
) -> float:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(repeats):
        found = seed_interval([spread * draw(rng, seeds) for spread in spreads], HOW)
        hits += found.low <= 0.0 <= found.high
    return hits / repeats


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_intervals_over_seeds_cover_at_their_nominal_rate(seeds: int) -> None:
    assert 0.925 <= seed_coverage(normal, seeds, SPREADS) <= 0.975


def test_intervals_over_seeds_cover_nearly_at_their_rate_when_seeds_go_wrong_now_and_then() -> None:
    assert 0.92 <= seed_coverage(skewed, 10, SPREADS) <= 0.98


def test_the_interval_of_a_single_task_covers_too() -> None:
    assert 0.925 <= seed_coverage(normal, 10, (1.0,)) <= 0.975


def test_a_plain_percentile_bootstrap_would_not_have_covered() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        values = [spread * normal(rng, 5) for spread in SPREADS]
        means = np.mean([v[rng.integers(0, 5, (1000, 5))].mean(axis=1) for v in values], axis=0)
        low, high = np.quantile(means, [0.025, 0.975])
        hits += low <= 0.0 <= high
    assert hits / 400 < 0.92


def test_intervals_over_tasks_cover_at_their_nominal_rate() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(500):
        found = task_interval([rng.standard_normal() + rng.standard_normal(5) for _ in SPREADS], HOW)
        hits += found.low <= 0.0 <= found.high
    assert 0.92 <= hits / 500 <= 0.975


def test_few_seeds_of_one_task_give_students_interval() -> None:
    values = np.array([1.0, 2.0, 4.0])
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = seed_interval([values], HOW)
    assert found.method == "t"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_same_data_give_the_same_interval_again() -> None:
    values = [np.random.default_rng(3).standard_normal(8) for _ in range(4)]
    assert seed_interval(values, HOW) == seed_interval([v.copy() for v in values], HOW)
    assert seed_interval(values, HOW).method == "bootstrap-t"


def test_what_has_no_spread_has_an_interval_of_no_width() -> None:
    found = seed_interval(strata([1.0, 1.0], [3.0, 3.0]), HOW)
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_one_seed_has_a_value_and_no_interval() -> None:
    found = seed_interval(strata([1.0], [3.0]), HOW)
    assert found.value == 2.0
    assert math.isnan(found.low)
    assert found.method == "none"


def test_two_tasks_have_no_interval_for_other_tasks() -> None:
    assert math.isnan(task_interval(strata([1.0, 2.0], [3.0, 5.0]), HOW).low)


def test_nothing_to_estimate_is_no_number() -> None:
    assert math.isnan(seed_interval([], HOW).value)
    assert math.isnan(mean_over_strata([]))


def test_tasks_count_alike_however_many_seeds_they_have() -> None:
    assert mean_over_strata(strata([0.0, 0.0, 0.0, 0.0], [2.0])) == 1.0


def test_probability_of_improvement_counts_ties_half_and_tasks_alike() -> None:
    found = probability_of_improvement(strata([1.0, 2.0, 0.0, -1.0], [5.0, 5.0]), HOW)
    assert found.value == pytest.approx((2.5 / 4 + 1.0) / 2)
    assert found.low <= found.value <= found.high


def test_rank_biserial_is_the_difference_of_the_rank_shares() -> None:
    # Kerby 2014: ranks 1..4, unfavourable rank 1 of 10 in all: 9/10 - 1/10.
    assert rank_biserial(np.array([-1.0, 2.0, 3.0, 4.0])) == pytest.approx(0.8)
    assert rank_biserial(np.array([0.0, 0.0])) == 0.0


def test_holm_steps_down() -> None:
    # The smallest times 4, the next times 3, ..., never less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested() -> None:
    adjusted = holm([0.02, math.nan, 0.5])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.5)


def test_wilcoxon_of_nothing_but_ties_is_one_and_of_nothing_is_none() -> None:
    assert wilcoxon_p(np.zeros(5)) == 1.0
    assert math.isnan(wilcoxon_p(np.empty(0)))


@pytest.mark.parametrize("pairs", [3, 5, 8])
def test_no_p_is_below_what_the_number_of_pairs_can_reach(pairs: int) -> None:
    values = np.arange(1.0, pairs + 1)
    assert wilcoxon_p(values) == pytest.approx(smallest_p(pairs))


def test_the_seeds_asked_for_give_the_power_asked_for() -> None:
    rng = np.random.default_rng(4)
    pilot = [rng.standard_normal(2000) * spread for spread in SPREADS]
    seeds = int(seeds_needed(pilot, 0.4, HOW, power=0.8))
    decided = 0
    for _ in range(300):
        found = seed_interval([0.4 + spread * rng.standard_normal(seeds) for spread in SPREADS], HOW)
        decided += found.low > 0.0
    assert 0.74 <= decided / 300 <= 0.87


def test_no_number_of_seeds_decides_what_lies_on_the_margin() -> None:
    assert seeds_needed(strata([1.0, 2.0]), 0.0, HOW, 0.8) == math.inf
    assert math.isnan(seeds_needed(strata([1.0]), 1.0, HOW, 0.8))
