"""One case for each hidden rule."""

from __future__ import annotations

from typing import Any

import pytest
from support.published import CONFIG, DECAY, DEPTH, DROPOUT, RATE, SPACE, TREES

from harness.optimizers.published.dimension import Dimension, Kind, Setting
from harness.optimizers.published.pattern import (
    DEGRADING,
    HIGH,
    IMPROVING,
    INSUFFICIENT,
    LOW,
    MODERATE,
    STAGNANT,
    UNKNOWN,
    Pattern,
)
from harness.optimizers.published.rules import ROLES, apply_rules, rules_for

DROP = Dimension("dropout", Kind.FLOAT, 0.2, 0.0, 0.5)


def after(dimension: Dimension, value: Setting, trend: str, overfitting: str, **more: Any) -> Setting:
    config, _ = apply_rules({dimension.name: value}, [dimension], Pattern(trend, overfitting=overfitting), 3, **more)
    return config[dimension.name]


@pytest.mark.parametrize(
    ("dimension", "before", "trend", "overfitting", "expected"),
    [
        (RATE, 0.005, DEGRADING, UNKNOWN, 0.0034999999999999996),
        (RATE, 0.00012, DEGRADING, UNKNOWN, 1e-4),
        (RATE, 2e-5, DEGRADING, UNKNOWN, 1e-4),  # the floor raises smaller rates
        (Dimension("learning_rate", Kind.FLOAT, 1e-5, 1e-6, 5e-5), 4e-5, DEGRADING, UNKNOWN, 1e-4),  # and ignores the range
        (RATE, 0.01, STAGNANT, UNKNOWN, 0.012),
        (RATE, 0.09, STAGNANT, UNKNOWN, 0.1),
        (RATE, 0.01, IMPROVING, HIGH, 0.01),
        (DROPOUT, 0.25, IMPROVING, HIGH, 0.325),
        (DROPOUT, 0.45, IMPROVING, HIGH, 0.5),
        (DROPOUT, 0.0, IMPROVING, HIGH, 0.0),
        (DROPOUT, 0.25, IMPROVING, LOW, 0.25),
        (DECAY, 0.0004, IMPROVING, HIGH, 0.0006000000000000001),
        (DECAY, 0.09, IMPROVING, HIGH, 0.1),
        (DECAY, 0.001, IMPROVING, LOW, 0.0008),
        (DECAY, 1e-6, IMPROVING, LOW, 1e-6),
        (Dimension("weight_decay", Kind.FLOAT, 0.0, 0.0, 0.1), 0.0, IMPROVING, LOW, 0.0),
        (DEPTH, 7, IMPROVING, HIGH, 6),
        (DEPTH, 2, IMPROVING, HIGH, 2),
        (Dimension("max_depth", Kind.INTEGER, 1, 0, 5), 1, IMPROVING, HIGH, 1),
        (DEPTH, 7, IMPROVING, LOW, 8),
        (DEPTH, 12, IMPROVING, LOW, 12),
        (TREES, 161, IMPROVING, HIGH, 128),
        (TREES, 50, IMPROVING, HIGH, 50),
        (TREES, 51, IMPROVING, HIGH, 40),
        (TREES, 100, IMPROVING, LOW, 125),
        (TREES, 390, IMPROVING, LOW, 400),
    ],
)
def test_every_rule(dimension: Dimension, before: Setting, trend: str, overfitting: str, expected: Setting) -> None:
    assert after(dimension, before, trend, overfitting) == expected


@pytest.mark.parametrize("trend", [IMPROVING, INSUFFICIENT])
@pytest.mark.parametrize("overfitting", [MODERATE, UNKNOWN])
def test_other_states_change_nothing(trend: str, overfitting: str) -> None:
    assert apply_rules(CONFIG, SPACE, Pattern(trend, overfitting=overfitting), 3) == (CONFIG, ())


@pytest.mark.parametrize(("number", "acts"), [(1, False), (2, False), (3, True), (10, True)])
def test_they_are_active_from_the_third_trial_on(number: int, acts: bool) -> None:
    _, changes = apply_rules(CONFIG, SPACE, Pattern(DEGRADING, overfitting=HIGH), number)
    assert bool(changes) is acts


def test_the_trend_and_the_overfitting_act_together() -> None:
    _, changes = apply_rules(CONFIG, SPACE, Pattern(DEGRADING, overfitting=HIGH), 3)
    assert [change.name for change in changes] == ["learning_rate", "dropout_rate", "weight_decay", "max_depth", "n_estimators"]


def test_names_must_match_exactly_but_for_those_that_count_as_one() -> None:
    assert after(DROP, 0.2, IMPROVING, HIGH) == 0.2
    assert after(DROP, 0.2, IMPROVING, HIGH, roles=ROLES) == 0.26
    assert after(Dimension("lr", Kind.FLOAT, 0.2, 0.0, 0.5), 0.2, DEGRADING, HIGH, roles=ROLES) == 0.2
    assert after(Dimension("word_dropout", Kind.FLOAT, 0.2, 0.0, 0.5), 0.2, IMPROVING, HIGH, roles=ROLES) == 0.26


def test_the_rules_that_can_act_are_listed() -> None:
    assert rules_for([RATE, DROP], ROLES) == {
        "learning_rate": ["degrading: x 0.7, at least 0.0001", "stagnant: x 1.2"],
        "dropout": ["HIGH: x 1.3"],
    }
    assert rules_for([RATE, DROP], ROLES, overfitting=False) == {
        "learning_rate": ["degrading: x 0.7, at least 0.0001", "stagnant: x 1.2"]
    }
