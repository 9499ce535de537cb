from __future__ import annotations

from harness.tcs.analysis.verdict import Verdict
from harness.tcs.blocks.curves import Curves, curves
from harness.tcs.view.section import Detail
from harness.testing.trajectories import SPACE, config, ok, trajectory


def of(*scores: float | None) -> Curves:
    return curves(SPACE, trajectory(*[(config(), score) for score in scores]), 100)


def test_each_trial_but_the_last_has_a_line() -> None:
    found = of(50.0, None, 60.0, 55.0)
    assert [line.trial for line in found.lines] == [1, 2, 3]
    assert [line.score_pct for line in found.lines] == [50.0, None, 60.0]
    assert [line.incumbent for line in found.lines] == [False, False, True]
    assert found.folded is None


def test_a_line_holds_best_epoch_fall_gap_and_verdict() -> None:
    val = [40.0, 60.0, 80.0, 79.0, 79.0, 79.0, 79.0, 79.0, 79.0]
    found = curves(SPACE, trajectory((config(), ok(val, [v + 15 for v in val])), (config(), 50.0)), 10)
    rows = found.view(Detail()).tables[0].rows
    assert rows == ((1, 80.0, "3/9", 1.0, "+15", "overfitting, incumbent"),)


def test_old_trials_are_folded_into_counts_and_the_incumbent_keeps_its_line() -> None:
    scores: list[float | None] = [50.0 + i % 7 for i in range(100)]
    scores[4], scores[10] = 99.0, None
    found = of(*scores)
    assert len(found.lines) == 12
    assert [line.trial for line in found.lines] == [5, *range(89, 100)]
    assert found.folded is not None
    assert (found.folded.trials, found.folded.failed) == (87, 1)
    assert dict(found.folded.verdicts) == {Verdict.TOO_SHORT: 86, Verdict.DIVERGED: 1}
    text = found.view(Detail()).facts[0][1]
    assert text == "87 more, 1 failed, median score 53, best 56; verdicts: too few epochs to judge 86, diverged 1"


def test_with_less_detail_fewer_lines_are_shown_and_the_rest_is_counted() -> None:
    table = of(*[50.0] * 11).view(Detail(curves=4)).tables[0]
    assert [row[0] for row in table.rows] == [7, 8, 9, 10]
    assert table.more == 6


def test_what_decides_a_verdict_is_not_rounded_away() -> None:
    def row(val: float, train: float) -> tuple[object, ...]:
        return (
            curves(SPACE, trajectory((config(), ok([val] * 6, [train] * 6)), (config(), 50.0)), 10).view(Detail()).tables[0].rows[0]
        )

    assert [row(80.0, train)[4] for train in (80.0, 80.3, 84.9, 85.0, 89.6, 90.0)] == ["0", "+0.3", "+4.9", "+5", "+9.6", "+10"]
    fall = [80.0, 80.0, 80.0, 80.0, 80.0, 79.97]
    assert curves(SPACE, trajectory((config(), ok(fall)), (config(), 50.0)), 10).view(Detail()).tables[0].rows[0][3] == 0.03


def test_scores_that_differ_are_written_apart_and_equal_ones_alike() -> None:
    rows = of(90.04, 90.01, 90.04, 99.96, 20.0, 50.0).view(Detail()).tables[0].rows
    assert [row[1] for row in rows] == [90.04, 90.01, 90.04, 99.96, 20.0]


def test_the_median_of_one_or_two_folded_trials_is_not_shown() -> None:
    text = of(*[50.0 + n for n in range(15)]).view(Detail()).facts[0][1]
    assert text == "2 more, 0 failed, best 51; verdicts: too few epochs to judge 2"


def test_scores_that_lie_close_get_a_second_decimal() -> None:
    assert of(97.14, 97.18, 97.15, 97.0).view(Detail()).tables[0].rows[0][1] == 97.14
    assert of(27.14, 57.18, 97.15, 30.0).view(Detail()).tables[0].rows[0][1] == 27.1
