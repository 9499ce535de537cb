"""The small formulas give what the papers say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.report.analysis.intervals import Array, Resampling, seed_interval
from harness.report.analysis.statistics import holm, rank_biserial, seeds_needed, smallest_p

HOW = Resampling(resamples=1000)
SPREADS = (0.3, 0.5, 1.0, 1.0, 2.0, 3.0)


def strata(*rows: list[float]) -> list[Array]:
    return [np.array(row) for row in rows]


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


def test_no_number_of_seeds_follows_from_pairs_that_are_all_alike() -> None:
    assert math.isnan(seeds_needed(strata([1.0, 1.0], [2.0, 2.0]), 1.0, HOW, 0.8))


def test_a_test_of_signs_can_reach_no_less_than_two_of_all_their_combinations() -> None:
    assert [smallest_p(pairs) for pairs in (0, 1, 5)] == [1.0, 1.0, 0.0625]
