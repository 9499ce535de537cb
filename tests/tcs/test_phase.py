from __future__ import annotations

from typing import Any

import pytest
from tcs.made import SPACE, config, trajectory

from harness.tcs.phase import Mode, Phase, Rule, phase
from harness.tcs.section import Detail

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
    assert found.hints[0] == "learning_rate 0.0001..1"
    assert "batch_size = 16 or 64 or 128" in found.hints


def test_what_is_not_part_of_most_trials_is_aimed_at_last() -> None:
    found = phase(SPACE, trajectory((config(), 50.0), (config(layers=4), 60.0)), 10)
    assert found.targets[-1] == "momentum" or "momentum" not in found.targets


def test_to_exploit_is_to_follow_the_evidence_and_then_the_edges() -> None:
    pairs = [(config(learning_rate=10.0 ** -(5 - i / 2), layers=(2, 3, 2, 3, 1, 2, 2, 3)[i]), 50.0 + 4 * i) for i in range(8)]
    found = phase(SPACE, trajectory(*pairs), 10)
    assert found.mode is Mode.EXPLOIT
    assert found.targets == ("learning_rate", "layers")
    assert found.hints == ("learning_rate higher (strong, p <0.001)", "layers above 3")


def test_the_view_names_the_rule_and_the_counts() -> None:
    shown = {key: getattr(cell, "text", cell) for key, cell in of(50.0, 60.0).view(Detail()).facts}
    assert shown["phase"] == "explore: the first 30% of the budget"
    assert str(shown["counts"]).startswith("8 left, 0 since improvement; of 5 hyperparameters")
