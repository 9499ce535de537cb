"""The sequential rule, against formulas, cases counted by hand, and simulated races."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.report.analysis.race import (
    ERROR,
    FIRST_LOOK,
    PROMISED,
    Dropped,
    chance,
    level,
    paired,
    replay,
    seeds_to_decide,
    spent,
)
from scripts.advise_error import ARMS, BEST, CASES, errors, race, wilson

NAN = math.nan


def test_all_looks_together_spend_the_error_and_no_more() -> None:
    shares = [spent(look) for look in range(1, 10_001)]
    assert sum(shares) == pytest.approx(ERROR, rel=1e-3)
    assert sum(shares) < ERROR < PROMISED
    assert spent(1) == pytest.approx(ERROR / 5)


def test_a_comparison_gets_its_share_of_a_look_and_nothing_before_the_first() -> None:
    assert level(FIRST_LOOK - 1, 4) == 0.0
    assert level(FIRST_LOOK, 4) == spent(1) / 3
    assert level(FIRST_LOOK + 2, 1) == spent(3)


def test_without_skewness_the_chance_is_that_of_student_s_t() -> None:
    differences = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert float(chance(differences)) == pytest.approx(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue)
    many = np.array([differences, -differences, differences * 1e200])
    assert chance(many)[0] == pytest.approx(chance(many)[2])
    assert chance(many)[1] == pytest.approx(1 - chance(many)[0])


def test_a_tail_on_the_method_s_side_makes_it_more_careful_and_one_on_the_leader_s_does_not() -> None:
    tail = np.array([1.0, 1.1, 1.2, 1.0, 1.1, 0.2])
    p = stats.ttest_1samp(tail, 0.0, alternative="greater").pvalue
    assert float(chance(tail)) > 2 * p
    other = 2 * tail.mean() - tail
    assert float(chance(other)) == pytest.approx(stats.ttest_1samp(other, 0.0, alternative="greater").pvalue)


@pytest.mark.parametrize("differences", [[0.0] * 6, [2.5] * 6, [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]])
def test_differences_without_spread_decide_nothing(differences: list[float]) -> None:
    assert float(chance(np.array(differences))) == 1.0
    assert replay({"a": differences, "b": [0.0] * len(differences)}).dropped == {}


def test_a_method_far_behind_is_dropped_at_the_first_look_and_a_near_one_stays() -> None:
    scores = {
        "good": [90.1, 90.9, 89.7, 90.4, 90.2],
        "near": [90.6, 90.1, 89.9, 90.3, 89.8],
        "bad": [60.3, 61.2, 59.9, 60.1, 61.0],
    }
    standing = replay(scores)
    assert (standing.seeds, standing.alive, standing.dropped) == (5, ("good", "near"), {"bad": Dropped(5, "good")})
    assert replay({name: row[:4] for name, row in scores.items()}).dropped == {}


def test_the_race_goes_as_far_as_every_method_in_it_and_waits_for_no_dropped_one() -> None:
    scores = {"a": [9.0, 9.1, 9.3, 9.1, 9.2, 9.0, 9.1], "b": [9.1, 9.0, 9.2, 9.2, 9.1, 9.1], "c": [1.0, 1.1, 1.4, 1.2, 1.3]}
    standing = replay(scores)
    assert (standing.seeds, set(standing.alive), [*standing.dropped]) == (6, {"a", "b"}, ["c"])
    assert replay({}).leader == ""
    assert replay({"a": [], "b": [1.0]}).seeds == 0


def test_a_race_that_is_prolonged_never_takes_back_what_it_dropped() -> None:
    rng = np.random.default_rng(3)
    scores = {f"m{n}": (rng.standard_normal(14) - n).tolist() for n in range(5)}
    before: dict[str, Dropped] = {}
    for seeds in range(1, 15):
        now = dict(replay({name: row[:seeds] for name, row in scores.items()}).dropped)
        assert before.items() <= now.items()
        before = now
    assert before


def test_a_method_without_some_of_its_scores_leads_none_that_has_all_and_is_compared_on_the_seeds_of_both() -> None:
    scores = {"often": [99.0, NAN, 99.0, 99.2, 99.1, 98.9], "always": [90.0, 90.2, 90.1, 89.9, 90.3, 90.1]}
    standing = replay(scores)
    assert standing.leader == "always"
    assert standing.dropped == {}
    assert len(paired(scores, "always", "often", 6)) == 5


def test_so_many_seeds_of_the_same_effect_pass_the_level_and_fewer_do_not_with_that_power() -> None:
    differences = np.array([0.6, -0.2, 1.0, 0.3, 0.1, -0.4, 0.9])
    effect = differences.mean() / differences.std(ddof=1)
    seeds = int(seeds_to_decide(differences, 4))

    def power(count: int) -> float:
        needed = stats.t.ppf(1 - level(count, 4), count - 1)
        return float(stats.nct.sf(needed, count - 1, effect * math.sqrt(count)))

    assert power(seeds) == pytest.approx(0.8, abs=0.05)
    assert power(seeds - 5) < power(seeds)


def test_the_number_of_seeds_is_withheld_without_pairs_or_spread_and_infinite_without_a_difference() -> None:
    assert math.isnan(seeds_to_decide(np.array([1.0, 2.0, 1.5, 1.2]), 3))
    assert math.isnan(seeds_to_decide(np.ones(8), 3))
    assert math.isinf(seeds_to_decide(np.array([1.0, -1.0, 1.0, -1.0, 0.0]), 3))


def test_in_small_the_best_method_is_not_dropped_more_often_than_promised() -> None:
    for name in ("normal", "best skewed, exponential", "rounded to 1 sd"):
        lost, _ = errors(CASES[name], (4, 12), 150)
        assert wilson(lost, 150)[0] <= PROMISED


def test_the_simulation_sees_a_best_method_that_is_dropped() -> None:
    lost, _ = errors(lambda rng, shape: rng.standard_normal(shape) - 8.0 * (np.arange(shape[0]) == 0)[:, None], (3, 10), 20)
    assert lost == 20
    assert BEST in race(CASES["normal"], np.random.default_rng(0), (3, 4)).alive


@pytest.mark.full
@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("name", CASES)
def test_the_best_method_is_dropped_in_at_most_five_races_of_a_hundred(name: str, arms: int) -> None:
    lost, _ = errors(CASES[name], (arms, 20), 1000)
    assert wilson(lost, 1000)[0] <= PROMISED, lost
    assert lost <= 1.3 * PROMISED * 1000
