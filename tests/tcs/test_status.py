from __future__ import annotations

from dataclasses import replace

import pytest

from harness.tcs.blocks.status import RunnerUp, SearchStatus, Trend, noise_text, status
from harness.tcs.view.section import Detail, Phrase
from harness.testing.trajectories import SPACE, config, failed, ok, trajectory


def of(*scores: float | None, budget: int = 10) -> SearchStatus:
    return status(SPACE, trajectory(*[(config(layers=i % 5 + 1), score) for i, score in enumerate(scores)]), budget)


def facts(found: SearchStatus) -> dict[str, str]:
    return {key: cell.text if isinstance(cell, Phrase) else str(cell) for key, cell in found.view(Detail()).facts}


def test_it_counts_trials_failures_and_what_is_left() -> None:
    found = of(50.0, None, 60.0, 55.0)
    assert (found.done, found.left, found.failed, found.trials_since_improvement) == (4, 6, 1, 1)
    assert found.incumbent is not None
    assert (found.incumbent.trial, found.incumbent.score_pct) == (3, 60.0)
    assert found.config == config(layers=3)


def test_the_first_of_two_equal_scores_is_the_incumbent() -> None:
    found = of(60.0, 60.0)
    assert found.incumbent is not None
    assert found.incumbent.trial == 1
    assert (found.shared, found.runner_up) == ((2,), None)
    assert facts(found)["incumbent"] == "trial 1, score 60, shared with trial 2; no improvement in 1 trial since"
    assert "runner_up" not in facts(found)


def test_the_runner_up_is_behind_all_that_share_the_lead() -> None:
    found = of(60.0, 59.999, 60.0, 60.0, 40.0)
    assert found.shared == (3, 4)
    assert facts(found)["incumbent"].startswith("trial 1, score 60, shared with trials 3 and 4; ")
    assert facts(found)["runner_up"] == "trial 2, 0.001 behind"


def test_scores_that_differ_are_written_apart() -> None:
    found = of(95.286, 95.2861, 95.289, 30.0)
    assert "95.286 (trial 1), 95.2861 (trial 2), 95.289 (trial 3)" in facts(found)["trend"]
    assert facts(found)["incumbent"].startswith("trial 3, score 95.289;")


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ((50.0,), "one; 0 of 1 failed"),
        ((50.0, None), "one; 1 of 2 failed"),
        ((50.0, 50.0, 50.0), "3, all equal; 0 of 3 failed"),
        ((50.0, 60.0), "two, worst 50; 0 of 2 failed"),
        ((50.0, 60.0, 60.0), "median 60, worst 50, 0 of 3 failed"),
        ((50.0, 60.01, 60.04), "median 60.01, worst 50, 0 of 3 failed"),
        ((60.04, 50.0, 60.04), "median 60.04, worst 50, 0 of 3 failed"),
    ],
)
def test_median_and_worst_are_not_those_of_nothing(scores: tuple[float | None, ...], text: str) -> None:
    assert facts(of(*scores))["all_scores"] == text


def test_a_flat_trend_names_the_failures_in_it() -> None:
    assert facts(of(50.0, 60.0, 61.0, 60.0, None, None))["trend"].startswith("flat")
    assert facts(of(50.0, 60.0, 61.0, 60.0, None, None))["trend"].endswith("; 0 in the last 2 trials, of which 2 failed")


def test_a_gain_just_below_the_threshold_is_not_rounded_onto_it() -> None:
    assert (
        facts(of(50.0, 50.0, 50.0, 50.0, 50.0, 50.4999))["trend"]
        == "slow: 50 (trial 1), 50.5 (trial 6); +0.4999 in the last 2 trials"
    )


@pytest.mark.parametrize(
    ("scores", "trend"),
    [
        ((50.0, 60.0), Trend.UNKNOWN),
        ((50.0, 60.0, 60.3, 60.0, 60.2, 61.0), Trend.RISING),
        ((50.0, 60.0, 61.0, 61.0, 61.2, 60.0), Trend.SLOW),
        ((50.0, 60.0, 61.0, 60.0, 60.0, 60.0), Trend.FLAT),
        ((None, None, None, 60.0), Trend.UNKNOWN),
    ],
)
def test_the_trend_is_what_the_last_third_of_the_trials_brought(scores: tuple[float | None, ...], trend: Trend) -> None:
    assert of(*scores).trend is trend


def test_when_all_trials_failed_it_says_so() -> None:
    found = of(None, None)
    assert found.incumbent is None
    assert found.config is None
    assert facts(found)["incumbent"] == "none: all 2 trials failed"


def test_a_lead_is_held_against_the_noise_of_the_two_curves() -> None:
    calm, wild = [70.0] * 12, [70.0, 74.0] * 6
    near = status(SPACE, trajectory((config(), ok(wild)), (config(layers=3), ok([v + 1 for v in wild]))), 10)
    clear = status(SPACE, trajectory((config(), ok(calm)), (config(layers=3), ok([v + 1 for v in calm]))), 10)
    assert near.runner_up is not None
    assert near.runner_up.within_noise
    assert "within epoch noise 4" in facts(near)["runner_up"]
    assert clear.runner_up is not None
    assert not clear.runner_up.within_noise


def test_a_lead_as_large_as_the_noise_is_within_it() -> None:
    second = RunnerUp(trial=2, score_pct=60.0, behind_pct=1.25, noise_pct=1.25)
    assert second.within_noise
    assert noise_text(1.25, 1.25) == "within epoch noise 1.25"
    assert not replace(second, noise_pct=1.24).within_noise


def test_many_improvements_are_folded_and_marked() -> None:
    found = of(*[50.0 + i for i in range(20)], budget=30)
    assert len(found.improvements) == 20
    assert ".. 65 (trial 16), 66 (trial 17)" in facts(found)["trend"]


def test_seconds_are_not_part_of_a_summary() -> None:
    # Two machines take different times: the same records must give the same text.
    slow = trajectory((config(), failed("timeout")), (config(), 50.0))
    text = repr(status(SPACE, slow, 10).view(Detail()))
    assert "second" not in text
