from __future__ import annotations

from typing import Any

import pytest

from harness.tcs.blocks.phase import Mode, Phase, Rule, phase
from harness.tcs.view.section import Detail
from harness.testing.trajectories import SPACE, config, trajectory

WIDE = [1e-5, 1.0, 1e-3, 1e-2, 1e-4, 0.1]


def of(*scores: float | None, budget: int = 10, **spread: Any) -> Phase:
    pairs = [(config(learning_rate=WIDE[i % 6], layers=i % 5 + 1, **spread), score) for i, score in enumerate(scores)]
    return phase(SPACE, trajectory(*pairs), budget)


@pytest.mark.parametrize(
    ("scores", "budget", "mode", "rule"),
    [
        ((), 10, Mode.EXPLORE, Rule.NO_SCORE),
        ((None, None, None, None), 10, Mode.EXPLORE, Rule.NO_SCORE),
        ((50.0, 60.0), 10, Mode.EXPLORE, Rule.FIRST_TRIALS),
        ((50.0, 90.0, 60.0, 60.0, 60.0), 10, Mode.EXPLORE, Rule.STAGNATION),
        ((50.0,) * 3 + (60.0,) * 5, 10, Mode.EXPLOIT, Rule.LAST_TRIALS),
        ((50.0, 50.0, 60.0, 61.0), 5, Mode.EXPLOIT, Rule.LAST_TRIALS),
        ((50.0,) * 10, 10, Mode.FINISHED, Rule.NO_TRIAL_LEFT),
        ((50.0,) * 12, 10, Mode.FINISHED, Rule.NO_TRIAL_LEFT),
        ((50.0,), 1, Mode.FINISHED, Rule.NO_TRIAL_LEFT),
        ((), 1, Mode.EXPLORE, Rule.NO_SCORE),
        ((50.0, 80.0, 60.0, 70.0, 55.0, 90.0), 12, Mode.EXPLOIT, Rule.OTHERWISE),
    ],
)
def test_the_rule_decides(scores: tuple[float | None, ...], budget: int, mode: Mode, rule: Rule) -> None:
    found = of(*scores, budget=budget)
    assert (found.mode, found.rule) == (mode, rule)


def test_thin_evidence_means_to_explore() -> None:
    near = [(config(learning_rate=1e-3 * (1 + i / 50)), score) for i, score in enumerate((60.0, 66.0, 61.0, 65.0, 67.0, 62.0))]
    found = phase(SPACE, trajectory(*near), 12)
    assert (found.mode, found.rule) == (Mode.EXPLORE, Rule.THIN_EVIDENCE)
    assert found.effects == 0
    assert 2 * found.wide_gaps >= found.hyperparameters


def test_to_explore_is_to_aim_at_the_widest_gaps() -> None:
    found = phase(SPACE, trajectory((config(learning_rate=1e-5), 50.0), (config(learning_rate=1e-4, layers=5), 60.0)), 10)
    assert found.targets[0] == "learning_rate"
    assert found.hints[0] == "learning_rate above 0.0001"
    assert "batch_size = 16 or 64 or 128" in found.hints


def test_what_is_not_part_of_most_trials_is_aimed_at_last() -> None:
    found = phase(SPACE, trajectory((config(), 50.0), (config(layers=4), 60.0)), 10)
    assert found.targets[-1] == "momentum" or "momentum" not in found.targets


def test_nothing_was_tried_above_what_a_hint_calls_open() -> None:
    pairs = [(config(learning_rate=rate), 60.0 + n) for n, rate in enumerate((2.311e-5, 2.314e-5, 2.316e-5))]
    found = phase(SPACE, trajectory(*pairs), 10)
    assert found.hints[0] == "learning_rate above 2.4e-5"


def test_to_exploit_is_to_follow_the_evidence_and_then_the_edges() -> None:
    pairs = [(config(learning_rate=10.0 ** -(5 - i / 2), layers=(2, 1, 2, 1, 2, 1, 2, 3)[i]), 50.0 + 4 * i) for i in range(8)]
    found = phase(SPACE, trajectory(*pairs), 10)
    assert found.mode is Mode.EXPLOIT
    assert found.targets == ("learning_rate", "layers")
    assert found.hints == ("learning_rate higher (strong, p <0.001)", "layers above 3")


def test_an_edge_whose_score_was_had_elsewhere_is_no_lead() -> None:
    pairs = [(config(layers=(2, 1, 2, 1, 2, 1, 2, 3)[i]), (60.0, 62, 61, 63, 64, 90, 62, 90.0)[i]) for i in range(8)]
    found = phase(SPACE, trajectory(*pairs), 10)
    assert found.mode is Mode.EXPLOIT
    assert "layers above 3" not in found.hints


def test_a_lead_never_points_past_the_end_of_the_range_or_over_failures_without_a_word() -> None:
    ended = phase(SPACE, trajectory(*[(config(layers=i % 5 + 1), 50.0 + 8 * (i % 5) + i / 10) for i in range(10)]), 12)
    assert ended.hints[0] == "layers at 5, its end (strong, p <0.001)"
    rates: list[Any] = [(config(learning_rate=10.0 ** -(6 - i) * 10), 50.0 + i if i < 5 else None) for i in range(6)]
    failing = phase(SPACE, trajectory(*rates), 7)
    assert failing.hints[0] == "learning_rate higher, failed at 1 (moderate, p 0.02)"


@pytest.mark.parametrize(
    ("done", "budget", "text"),
    [(1, 2, "exploit: the last trial of the budget"), (1, 3, "explore: the second trial of the budget")],
)
def test_a_small_budget_is_not_shown_in_percent(done: int, budget: int, text: str) -> None:
    shown = {key: getattr(cell, "text", cell) for key, cell in of(*[50.0] * done, budget=budget).view(Detail()).facts}
    assert shown["phase"] == text


def test_without_a_score_there_is_no_improvement_to_count_from() -> None:
    found = of(None, None)
    assert found.trials_since_improvement is None
    assert "8 left, no score yet" in str(dict(found.view(Detail()).facts)["counts"])


def test_the_view_names_the_rule_and_the_counts() -> None:
    shown = {key: getattr(cell, "text", cell) for key, cell in of(50.0, 60.0).view(Detail()).facts}
    assert shown["phase"] == "explore: the first 30% of the budget"
    assert str(shown["counts"]).startswith("8 left, 0 since improvement; of 5 hyperparameters")
