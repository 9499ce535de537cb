from __future__ import annotations

from typing import Any

import pytest

from harness.space import Space
from harness.tcs.analysis.effects import Strength
from harness.tcs.blocks.failures import Failures, failures
from harness.tcs.view.section import Detail
from harness.testing.trajectories import SPACE, config, failed, trajectory
from harness.trial import Status, Trajectory


def of(trials: Trajectory) -> Failures:
    return failures(SPACE, trials, 30)


def test_without_failures_it_says_none() -> None:
    assert of(trajectory((config(), 50.0))).view(Detail()).facts == (("failures", "none"),)


def test_causes_that_differ_in_numbers_only_are_one_cause() -> None:
    errors = ["val_loss is nan at epoch 3", "val_loss is nan at epoch 11", "CUDA out of memory: 2.5 GiB"]
    found = of(trajectory(*[(config(), failed(error, Status.CRASHED if "CUDA" in error else Status.DIVERGED)) for error in errors]))
    assert [(c.ending, c.error, c.trials) for c in found.causes] == [
        (Status.DIVERGED, "val_loss is nan at epoch 11", (1, 2)),
        (Status.CRASHED, "CUDA out of memory: 2.5 GiB", (3,)),
    ]


def test_what_all_failed_ones_share_and_no_other_has_is_found() -> None:
    rates = [1e-4, 1e-3, 1e-2, 0.02, 0.3, 0.9, 0.5]
    found = of(
        trajectory(*[(config(learning_rate=r, layers=i % 5 + 1), None if r > 0.1 else 60.0 + i) for i, r in enumerate(rates)])
    )
    trait = found.traits[0]
    assert trait.text == "learning_rate >= 0.3"
    assert (trait.failed_with, trait.failed, trait.others_with, trait.others) == (3, 3, 0, 4)
    assert trait.p == pytest.approx(2 / 35)
    assert trait.strength is Strength.TOO_LITTLE  # 2/35 is the least that 3 of 7 can give, and it is above 0.05


def test_enough_failures_make_a_trait_evidence() -> None:
    pairs: list[Any] = [(config(learning_rate=10 ** (-5 + i / 2)), None if i >= 6 else 60.0 + i) for i in range(11)]
    trait = of(trajectory(*pairs)).traits[0]
    assert trait.p == pytest.approx(2 / 462)
    assert trait.strength is Strength.STRONG
    assert of(trajectory(*pairs)).view(Detail()).tables[1].rows[0] == (
        "learning_rate >= 0.01",
        "5 of 5",
        "0 of 6",
        "strong (p 0.004)",
    )


def test_a_low_end_that_fails_is_a_trait_too() -> None:
    pairs: list[Any] = [(config(layers=i % 5 + 1), None if i % 5 < 2 else 60.0 + i) for i in range(15)]
    assert of(trajectory(*pairs)).traits[0].text == "layers <= 2"


def test_a_choice_that_fails_is_a_trait() -> None:
    pairs: list[Any] = [(config(optimizer=("adam", "rmsprop", "sgd")[i % 3]), None if i % 3 == 2 else 60.0 + i) for i in range(12)]
    trait = of(trajectory(*pairs)).traits[0]
    assert (trait.text, trait.level, trait.others_with) == ("optimizer = sgd", "sgd", 0)
    assert trait.strength is Strength.STRONG


def test_failures_without_a_pattern_share_nothing() -> None:
    pairs: list[Any] = [(config(learning_rate=10 ** (-i % 5), layers=i % 5 + 1), None if i % 4 == 1 else 60.0) for i in range(20)]
    found = of(trajectory(*pairs))
    assert not [t for t in found.traits if t.strength.speaks]


def test_a_trait_is_not_taken_from_a_hyperparameter_that_most_failures_lack() -> None:
    pairs: list[Any] = [(config(learning_rate=1.0), None)] * 3 + [(config(optimizer="sgd", momentum=0.9), None)]
    pairs += [(config(optimizer="sgd", momentum=0.1), 60.0)] * 3
    assert "momentum" not in [t.hp.name for t in of(trajectory(*pairs)).traits]


def test_when_everything_fails_there_is_nothing_to_compare_with() -> None:
    found = of(trajectory((config(), None), (config(layers=4), None)))
    assert found.traits == ()
    assert ("shared_by_failures", "nothing to compare with: no trial has a score") in found.view(Detail()).facts


def test_an_error_whose_numbers_vary_names_the_trial_that_it_is_of() -> None:
    found = of(trajectory(*[(config(), failed(f"val_loss is nan at epoch {n}")) for n in (3, 11)], (config(), failed("OOM"))))
    rows = found.view(Detail()).tables[0].rows
    assert [row[1:] for row in rows] == [("val_loss is nan at epoch 11 (trial 2)", "1, 2"), ("OOM", "3")]


def test_a_threshold_is_written_so_that_it_holds_of_the_trials_that_it_counts() -> None:
    rates = [0.1, 0.2, 0.3001, 0.30049, 0.31, 0.4]
    trait = of(trajectory(*[(config(learning_rate=r), None if r >= 0.30049 else 60.0) for r in rates])).traits[0]
    assert trait.text == "learning_rate >= 0.3004"
    bound = float(trait.text.rpartition(" ")[2])
    assert (sum(r >= bound for r in rates), trait.failed_with, trait.others_with) == (3, 3, 0)


@pytest.mark.parametrize(
    ("levels", "bad", "text"),
    [([64, 32, 16, 8], 64, "a >= 64"), ([64, 32, 16, 8], 8, "a <= 8"), (["low", "mid", "top"], "top", "a from top")],
)
def test_levels_that_fall_or_have_names_have_traits_in_the_right_words(levels: list[Any], bad: Any, text: str) -> None:
    space = Space.from_mapping({"a": {"type": "ordinal", "levels": levels, "default": levels[0], "meaning": "m"}})
    pairs: list[Any] = [({"a": level}, None if level == bad else 60.0) for level in levels] * 3
    assert failures(space, trajectory(*pairs), 30).traits[0].text == text


def test_what_was_counted_where_it_was_active_says_so() -> None:
    pairs: list[Any] = [(config(optimizer="sgd", momentum=0.9 + i / 100), None) for i in range(3)] + [(config(), None)]
    pairs += [(config(optimizer="sgd", momentum=i / 10), 60.0 + i) for i in range(3)] + [(config(layers=3), 70.0)]
    rows = of(trajectory(*pairs)).view(Detail()).tables[1].rows
    assert [row[:3] for row in rows if str(row[0]).startswith("momentum")] == [
        ("momentum >= 0.9", "3 of 3 active", "0 of 3 active")
    ]
