from __future__ import annotations

import math
import random

import pytest

from harness.tcs.analysis.curve import Tail, read_curve
from harness.tcs.blocks.last_trial import log_text
from harness.testing.trajectories import epochs
from harness.trial import Epoch


def tail_of(val: list[float], train: list[float] | None = None) -> Tail:
    tail = read_curve(epochs(val, train)).tail
    assert tail is not None
    return tail


def test_best_first_and_final_score_with_their_epochs() -> None:
    curve = read_curve(epochs([10.0, 40.0, 70.0, 70.0, 65.0]))
    assert (curve.first_pct, curve.best_pct, curve.best_epoch, curve.final_pct) == (10.0, 70.0, 3, 65.0)


def test_the_tail_is_the_last_third_and_at_least_five_rows() -> None:
    assert (tail_of([50.0] * 30).first_epoch, tail_of([50.0] * 30).last_epoch) == (21, 30)
    assert tail_of([50.0] * 6).first_epoch == 2
    assert read_curve(epochs([50.0] * 4)).tail is None


def test_the_interval_of_every_tail_is_bounded_when_its_scores_differ() -> None:
    for size in range(5, 60):
        slope = tail_of([float(i) for i in range(size)]).slope
        assert slope.low is not None
        assert slope.high is not None


def test_the_slope_is_per_epoch_also_where_epochs_are_missing() -> None:
    rows = tuple(Epoch(2.0 * n, number=n) for n in range(1, 40, 3))
    tail = read_curve(rows).tail
    assert tail is not None
    assert tail.slope.per_epoch == pytest.approx(2.0)


def test_the_noise_is_free_of_the_trend() -> None:
    assert tail_of([3.0 * i for i in range(30)]).noise_pct == pytest.approx(0.0, abs=1e-9)
    rng = random.Random(0)
    steady = [tail_of([2 * i + rng.gauss(0, 1.5) for i in range(120)]).noise_pct for _ in range(30)]
    assert sum(steady) / len(steady) == pytest.approx(1.5, rel=0.1)


def test_a_long_tail_is_averaged_and_keeps_its_slope() -> None:
    tail = tail_of([0.1 * i + (i % 2) for i in range(300)])
    assert tail.slope.points <= 20
    assert tail.slope.per_epoch == pytest.approx(0.1, abs=0.005)


def test_the_gap_is_training_minus_validation() -> None:
    tail = tail_of([70.0] * 12, [82.0] * 12)
    assert (tail.gap_pct, tail.train_score_pct) == (12.0, 82.0)
    assert tail_of([70.0] * 12).gap_pct is None


def test_missing_epochs_and_unusable_values_are_counted_and_said() -> None:
    rows = [Epoch(50.0 + n, 1.0, None, math.inf if n == 4 else 1.0, number=n) for n in range(1, 13) if n not in (3, 7)]
    rows[1] = Epoch(math.nan, 1.0, number=2)
    curve = read_curve(rows)
    assert (curve.log.rows, curve.log.last_epoch, curve.log.missing) == (10, 12, 2)
    assert (curve.log.unscored, curve.log.non_finite) == (1, 2)
    assert log_text(curve.log) == "2 of 12 epochs missing; 1 of 10 rows without a usable score; 2 values NaN or infinite"


def test_epochs_before_the_first_row_are_missing_too() -> None:
    assert read_curve([Epoch(50.0, number=n) for n in (3, 4, 5)]).log.missing == 2


def test_a_complete_log_needs_no_word() -> None:
    assert log_text(read_curve(epochs([50.0] * 5)).log) == ""


def test_an_empty_log_is_said() -> None:
    curve = read_curve(())
    assert curve.best_pct is None
    assert log_text(curve.log) == "empty: no epoch was logged"


@pytest.mark.parametrize("numbers", [(0, 0, 0, 0), (4, 3, 2, 1), (1, 2, 2, 3)])
def test_epoch_numbers_that_do_not_increase_are_replaced_by_the_count(numbers: tuple[int, ...]) -> None:
    curve = read_curve([Epoch(float(i), number=n) for i, n in enumerate(numbers)])
    assert curve.best_epoch == 4
    assert not curve.log.numbered
    assert "rows are counted" in log_text(curve.log)


def test_huge_values_stay_finite() -> None:
    rows = [Epoch((-1) ** i * -1e308 if i else 3.0, 1e308, -1e308, 1e300, number=i + 1) for i in range(9)]
    tail = read_curve(rows).tail
    assert tail is not None
    assert all(math.isfinite(v) for v in (tail.slope.per_epoch, tail.noise_pct, tail.gap_pct or 0.0, tail.loss_rise or 0.0))
