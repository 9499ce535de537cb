from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from scipy import stats

from harness.tcs.analysis.rank_tests import Association, fisher, kendall, theil_sen


def found(x: list[float], y: list[float]) -> Association:
    association = kendall(x, y)
    assert association is not None
    return association


def score_of(x: tuple[float, ...], y: tuple[float, ...]) -> int:
    pairs = itertools.combinations(zip(x, y, strict=True), 2)
    return sum(((a > c) - (a < c)) * ((b > d) - (b < d)) for (a, b), (c, d) in pairs)


def enumerated_p(x: list[float], y: list[float]) -> tuple[float, float]:
    """Return the two-sided p and the smallest possible one, over all permutations."""
    scores = [abs(score_of(tuple(x), order)) for order in itertools.permutations(y)]
    seen = abs(score_of(tuple(x), tuple(y)))
    return sum(s >= seen for s in scores) / len(scores), scores.count(max(scores)) / len(scores)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("size", [2, 3, 4, 7, 20, 45])
def test_the_slope_and_its_interval_are_those_of_scipy(size: int, seed: int) -> None:
    rng = random.Random(seed)
    x = sorted(rng.sample(range(1, 200), size))
    y = [rng.choice([0.0, 1.0, 2.0]) if seed % 3 == 0 else 0.1 * a + rng.gauss(0, 3) for a in x]
    mine, theirs = theil_sen(x, y), stats.theilslopes(y, x, alpha=0.95)
    assert mine.per_epoch == pytest.approx(theirs.slope, abs=1e-12)
    assert mine.points == size
    # SciPy clamps an interval that is unbounded with so few points; here it is said to be unbounded.
    for end, other in ((mine.low, theirs.low_slope), (mine.high, theirs.high_slope)):
        assert end is None or end == pytest.approx(other, abs=1e-12)
    if size >= 7:
        assert mine.low is not None
        assert mine.high is not None


def test_the_interval_covers_the_true_slope_about_95_times_in_a_hundred() -> None:
    rng = random.Random(1)
    inside = 0
    for _ in range(400):
        x = list(range(20))
        slope = theil_sen(x, [0.3 * a + rng.gauss(0, 1) for a in x])
        assert slope.low is not None
        assert slope.high is not None
        inside += slope.low <= 0.3 <= slope.high
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize("seed", range(20))
def test_tau_is_that_of_scipy(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randint(3, 60)
    x = [float(rng.randint(0, 6)) for _ in range(size)]
    y = [rng.choice([rng.random(), 0.5]) for _ in range(size)]
    theirs = stats.kendalltau(x, y)
    mine = kendall(x, y)
    if mine is None:
        assert math.isnan(theirs.statistic)
    else:
        assert mine.tau == pytest.approx(theirs.statistic, abs=1e-12)


@pytest.mark.parametrize("size", [3, 5, 8, 12, 25, 30])
def test_without_ties_p_is_scipys_exact_one(size: int) -> None:
    rng = random.Random(size)
    x, y = list(range(size)), [rng.random() + 0.03 * i for i in range(size)]
    mine = found([float(a) for a in x], y)
    assert mine.exact
    assert mine.p == pytest.approx(stats.kendalltau(x, y, method="exact").pvalue, rel=1e-9)
    assert mine.least_p == pytest.approx(2 / math.factorial(size), rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_with_ties_in_one_variable_p_is_that_of_all_permutations(seed: int) -> None:
    rng = random.Random(seed)
    x = [float(rng.randint(0, 2)) for _ in range(5)] + [0.0, 1.0]
    y = rng.sample([float(i) for i in range(7)], 7)
    for mine in (found(x, y), found(y, x)):
        assert mine.exact
        assert (mine.p, mine.least_p) == pytest.approx(enumerated_p(x, y), rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_with_ties_in_both_and_two_groups_p_is_that_of_all_permutations(seed: int) -> None:
    rng = random.Random(seed)
    x = [0.0, 1.0, *(float(rng.randint(0, 1)) for _ in range(5))]
    y = [float(rng.randint(0, 3)) for _ in range(5)] + [0.0, 3.0]
    for mine in (found(x, y), found(y, x)):
        assert mine.exact
        assert (mine.p, mine.least_p) == pytest.approx(enumerated_p(x, y), rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_with_ties_in_both_otherwise_p_is_near_that_of_all_permutations_and_says_that_it_is_not_exact(seed: int) -> None:
    rng = random.Random(seed)
    x = [0.0, 1.0, 2.0, *(float(rng.randint(0, 2)) for _ in range(4))]
    y = [0.0, 1.0, 2.0, *(float(rng.randint(0, 4)) for _ in range(4))]
    if len(set(y)) == 7:
        y[0] = y[1]
    mine = found(x, y)
    assert not mine.exact
    assert mine.p == pytest.approx(enumerated_p(x, y)[0], abs=0.12)


def test_for_many_trials_p_is_near_scipys_approximation() -> None:
    rng = random.Random(4)
    x = [float(rng.randint(0, 9)) for _ in range(300)]
    y = [0.02 * a + rng.random() for a in x]
    mine = found(x, y)
    assert not mine.exact
    assert mine.p == pytest.approx(stats.kendalltau(x, y, method="asymptotic").pvalue, rel=0.05)


def test_two_groups_without_ties_are_the_mann_whitney_test() -> None:
    failed, others = [7.0, 8.5, 6.5], [1.0, 2.0, 3.0, 6.0, 7.5]
    mine = found([*failed, *others], [1.0] * 3 + [0.0] * 5)
    assert mine.p == pytest.approx(stats.mannwhitneyu(failed, others, method="exact").pvalue, rel=1e-9)


def test_a_constant_has_no_association() -> None:
    assert kendall([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert kendall([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]) is None
    assert kendall([1.0], [5.0]) is None
    assert kendall([], []) is None


@pytest.mark.parametrize("table", [(3, 4, 2, 10), (5, 3, 3, 9), (1, 1, 0, 8), (6, 5, 1, 11), (4, 4, 4, 8)])
def test_fishers_p_is_that_of_scipy(table: tuple[int, int, int, int]) -> None:
    having, failed, both, total = table
    counts = [[both, having - both], [failed - both, total - having - failed + both]]
    assert fisher(having, failed, both, total) == pytest.approx(stats.fisher_exact(np.array(counts)).pvalue, rel=1e-9)
