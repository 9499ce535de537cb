"""Intervals hold the truth as often as they say, and there is none where the differences do not allow one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.report.analysis.frames import rows_by
from harness.report.analysis.intervals import (
    LEAST_DIFFERING,
    Array,
    Resampling,
    differing,
    is_few,
    mean_over_strata,
    no_spread,
    probability_of_improvement,
    seed_interval,
    task_interval,
)
from harness.report.sections.simulated import REPEATED, coverage_table, coverage_words, simulated
from scripts.interval_coverage import REAL, cases, real_differences, simulate, simulate_others

HOW = Resampling(resamples=1000)
SEEDS = np.random.default_rng(8)
# Of 95 in 100, with 100 repeats: two standard errors less is 90.6.
REPEATS, LEAST = 100, 91.0


def strata(*rows: list[float]) -> list[Array]:
    return [np.array(row) for row in rows]


def spread(tasks: int = 4, seeds: int = 8) -> list[Array]:
    return list(np.random.default_rng(3).standard_normal((tasks, seeds)))


# Coverage


@pytest.mark.parametrize(
    ("differences", "tasks", "seeds"),
    [("mostly ties", 6, 10), ("real: start", 6, 10), ("real: live", 6, 3)],
)
def test_intervals_over_seeds_hold_the_truth(differences: str, tasks: int, seeds: int) -> None:
    found = simulate(differences, tasks, seeds, REPEATS)
    assert found["covered"] >= LEAST
    assert found["false_pass"] <= 6.0
    assert found["better"] >= 93.0


@pytest.mark.parametrize("effects", ["normal", "equal"])
def test_intervals_over_tasks_hold_the_truth_whether_or_not_the_tasks_differ(effects: str) -> None:
    assert simulate_others(effects, 6, 5, REPEATS)["covered"] >= LEAST


def test_a_percentile_bootstrap_or_draws_that_repeat_over_tasks_would_not() -> None:
    assert simulate("normal", 6, 3, REPEATS)["percentile"] < LEAST
    assert simulate(REPEATED, 6, 10, REPEATS)["covered"] < LEAST


def test_the_pairs_of_recorded_trainings_tie_as_those_of_studies_do() -> None:
    ties = [float(np.mean(values == 0.0)) for values in real_differences(shared=True)]
    assert len(ties) == 6
    assert np.mean(ties) > 0.6


def test_every_case_that_was_measured_is_covered_or_said_to_be_short_on_the_page() -> None:
    measured = simulated()
    said = measured["few"] | (measured["differences"] == REPEATED)
    assert measured.loc[~said, "covered"].min() >= 93.0
    assert measured.loc[measured["differences"] != REPEATED, "better"].min() >= 93.0
    assert {"normal", "skewed", "mostly ties", "rare collapses", REPEATED, *REAL} <= set(measured["differences"])
    assert set(measured["seeds"]) >= {3, 5, 10, 30}


def test_the_page_states_the_worst_coverage_that_was_measured() -> None:
    measured = simulated()
    worst = measured[measured["differences"] == "rare collapses"]["covered"].min()
    assert f"{worst:.1f} with one task and 5 seeds" in " ".join(coverage_words())
    assert len(coverage_table().rows) == len(measured)


@pytest.mark.full
def test_the_figures_on_the_page_are_those_of_the_script() -> None:
    kept = rows_by(simulated(), "differences", "tasks", "seeds")
    for case in cases(300):
        before = kept.pop((case["differences"], case["tasks"], case["seeds"]))
        error = math.sqrt(before["covered"] * (100 - before["covered"]) * (1 / 300 + 1 / 1000)) + 0.5
        assert abs(case["covered"] - before["covered"]) < 4 * error or case["shown"] < 20.0, case
        assert bool(before["few"]) == case["few"]
    assert not kept


# Where there is none


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([[0.0] * 3] * 6, "all 18 pairs tie, which leaves no spread to judge by"),
        ([[1.0] * 30, [-2.0] * 30], "all 60 pairs of a task have the same difference, which leaves no spread to judge by"),
        ([[0.3 - 0.1, 0.2]], "all 2 pairs of a task have the same difference, which leaves no spread to judge by"),
        ([[0.0] * 9 + [5.0]] * 6, "only 6 of 60 pairs differ from the rest, too few to judge the spread by"),
        ([[0.0, 0.0, 5.0]], "only 1 of 3 pairs differ from the rest, too few to judge the spread by"),
        ([[1.0, 2.0], [3.0]], "one seed a task has no spread to judge by"),
        ([], "no task has a pair"),
        ([[1.7e308, -1.7e308, 0.0]], "the spread has no bounds"),
    ],
)
def test_pairs_that_hold_no_spread_have_no_interval_and_no_p(rows: list[list[float]], why: str) -> None:
    found = seed_interval(strata(*rows), HOW)
    assert (found.method, found.why) == ("none", why)
    assert all(math.isnan(number) for number in (found.low, found.high, found.p))


def test_enough_pairs_that_differ_make_an_interval_among_any_number_of_ties() -> None:
    tied = [np.concatenate([np.zeros(50), SEEDS.standard_normal(LEAST_DIFFERING)])]
    assert seed_interval(tied, HOW).method != "none"
    assert seed_interval(strata([0.0, 1.0, 3.0]), HOW).method == "t"


def test_values_that_differ_by_rounding_only_are_alike() -> None:
    assert differing(np.array([0.1 + 0.2, 0.3, 0.3, 5.0])) == 1
    assert differing(np.array([1.0, 2.0, 3.0])) == 3
    assert differing(np.array([1.0])) == 1
    assert differing(np.zeros(4)) == 0


@pytest.mark.parametrize("unit", [1e-200, 1e-6, 1.0, 1e12, 1e160, 1e300])
def test_an_interval_scales_with_its_values_however_large_or_small_they_are(unit: float) -> None:
    plain, scaled = seed_interval(spread(), HOW), seed_interval([unit * values for values in spread()], HOW)
    assert (scaled.low / unit, scaled.high / unit, scaled.p) == pytest.approx((plain.low, plain.high, plain.p))
    plain, scaled = task_interval(spread(6), HOW), task_interval([unit * values for values in spread(6)], HOW)
    assert (scaled.low / unit, scaled.high / unit) == pytest.approx((plain.low, plain.high))


def test_tasks_that_all_tie_have_no_interval_for_others() -> None:
    assert task_interval(strata(*[[0.0] * 5] * 6), HOW).why == "all 30 pairs tie, which leaves no spread to judge by"
    one_moves = [*strata(*[[0.0] * 30] * 5), SEEDS.standard_normal(30)]
    assert "1 of 6" in task_interval(one_moves, HOW).why
    assert task_interval(strata([1.0, 2.0], [3.0, 5.0]), HOW).why == "it takes 3 tasks"


# What they are


def test_the_interval_is_the_wider_of_students_and_the_bootstraps() -> None:
    values = spread(6, 10)
    found = seed_interval(values, HOW)
    parts = np.array([v.var(ddof=1) / len(v) for v in values])
    half = float(stats.t.ppf(0.975, parts.sum() ** 2 / (parts**2 / 9).sum())) * math.sqrt(parts.sum()) / 6
    assert found.method == "wider"
    assert found.low <= found.value - half + 1e-12
    assert found.high >= found.value + half - 1e-12


@pytest.mark.parametrize("seeds", [3, 12])
def test_p_is_below_a_level_just_where_the_interval_of_that_level_leaves_zero_out(seeds: int) -> None:
    rng = np.random.default_rng(6)
    for _ in range(40):
        values = list(rng.standard_normal((4, seeds)) + rng.uniform(0.0, 1.0))
        for confidence in (0.8, 0.95, 0.99):
            found = seed_interval(values, Resampling(confidence, 2000))
            assert (found.low > 0.0 or found.high < 0.0) == (found.p < 1 - confidence)


def test_p_is_of_the_average_over_tasks_and_not_of_how_many_pairs_gain() -> None:
    rng, rejected = np.random.default_rng(5), 0
    centres = np.array([1.0, 1.0, 1.0, 1.0, 1.0, -5.0])[:, None]
    for _ in range(100):
        rejected += seed_interval(list(centres + 0.5 * rng.standard_normal((6, 10))), HOW).p < 0.05
    assert rejected <= 12


def test_the_same_data_give_the_same_interval_again() -> None:
    assert seed_interval(spread(), HOW) == seed_interval(spread(), HOW)


def test_tasks_with_unequal_numbers_of_seeds_count_alike() -> None:
    values = [*spread(2, 5), *spread(2, 30)]
    found = seed_interval(values, HOW)
    assert found.value == pytest.approx(np.mean([v.mean() for v in values]))
    assert found.low < found.value < found.high
    assert task_interval([*values, *spread(2, 7)], HOW).method == "wider"


def test_nothing_to_estimate_is_no_number() -> None:
    for found in (seed_interval([], HOW), task_interval([], HOW), probability_of_improvement([], HOW)):
        assert math.isnan(found.value)
        assert found.why
    assert math.isnan(mean_over_strata([]))
    assert is_few([])


@pytest.mark.parametrize(("wins", "expected"), [(0, (0.0, 0.1853)), (18, (0.8147, 1.0)), (9, (0.2602, 0.7398))])
def test_the_interval_of_the_chance_to_be_better_is_clopper_and_pearsons(wins: int, expected: tuple[float, float]) -> None:
    signs: Any = np.array([1.0] * wins + [-1.0] * (18 - wins)).reshape(3, 6).T
    found = probability_of_improvement(list(signs), HOW)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-4)


def test_few_are_fewer_than_ten_seeds_a_task_or_a_hundred_pairs() -> None:
    assert is_few([np.zeros(9)] * 20)
    assert is_few([np.zeros(30)] * 3)
    assert not is_few([np.zeros(10)] * 10)
    assert no_spread(spread()) == ""


def test_few_seeds_of_one_task_give_students_interval() -> None:
    values = np.array([1.0, 2.0, 4.0])
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = seed_interval([values], HOW)
    assert found.method == "t"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_tasks_count_alike_however_many_seeds_they_have() -> None:
    assert mean_over_strata(strata([0.0, 0.0, 0.0, 0.0], [2.0])) == 1.0


def test_probability_of_improvement_counts_ties_half_and_tasks_alike() -> None:
    found = probability_of_improvement(strata([1.0, 2.0, 0.0, -1.0], [5.0, 5.0]), HOW)
    assert found.value == pytest.approx((2.5 / 4 + 1.0) / 2)
    assert found.low <= found.value <= found.high
