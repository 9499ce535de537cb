from __future__ import annotations

import pytest
from tcs.made import SPACE, config, failed, ok, trajectory

from harness.tcs.section import Detail, Phrase
from harness.tcs.status import SearchStatus, Trend, status


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
    assert found.runner_up is not None
    assert (found.runner_up.trial, found.runner_up.behind_pct) == (2, 0.0)


@pytest.mark.parametrize(
    ("scores", "trend"),
    [
        ((50.0, 60.0), Trend.UNKNOWN),
        ((50.0, 60.0, 60.3, 60.0, 60.2, 61.0), Trend.RISING),
        ((50.0, 60.0, 61.0, 61.0, 61.2, 60.0), Trend.SLOWING),
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


def test_many_improvements_are_folded_and_marked() -> None:
    found = of(*[50.0 + i for i in range(20)], budget=30)
    assert len(found.improvements) == 20
    assert ".. 65 (trial 16), 66 (trial 17)" in facts(found)["trend"]


def test_seconds_are_not_part_of_a_summary() -> None:
    # Two machines take different times: the same records must give the same text.
    slow = trajectory((config(), failed("timeout")), (config(), 50.0))
    text = repr(status(SPACE, slow, 10).view(Detail()))
    assert "second" not in text
