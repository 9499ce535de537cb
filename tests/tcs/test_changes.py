from __future__ import annotations

from dataclasses import replace

from harness.space import Space
from harness.space.hyperparameter import Choice
from harness.tcs.blocks.changes import Changes, Role, changes_block
from harness.tcs.blocks.status import noise_text
from harness.tcs.view.section import Detail, Level
from harness.testing.trajectories import SPACE, config, ok, trajectory
from harness.trial import Trajectory


def of(trials: Trajectory) -> Changes:
    return changes_block(SPACE, trials, 20)


def rows(found: Changes, detail: Detail | None = None) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in found.view(detail or Detail()).tables[0].rows]


def test_the_last_trial_is_compared_with_the_previous_and_with_the_best_before_it() -> None:
    found = of(trajectory((config(), 90.0), (config(layers=5), 70.0), (config(layers=5, batch_size=64), 75.0)))
    assert [(c.later, c.earlier, c.role, c.gain_pct) for c in found.last] == [
        (3, 2, Role.PREVIOUS, 5.0),
        (3, 1, Role.INCUMBENT, -15.0),
    ]
    assert [[change.name for change in c.changed] for c in found.last] == [["batch_size"], ["layers", "batch_size"]]


def test_when_the_previous_is_the_best_there_is_one_comparison() -> None:
    found = of(trajectory((config(), 60.0), (config(layers=3), 90.0), (config(layers=4), 91.0)))
    assert [(c.earlier, c.role) for c in found.last] == [(2, Role.BOTH)]


def test_one_knob_contrasts_are_marked_and_earlier_ones_are_found() -> None:
    found = of(trajectory((config(), 60.0), (config(layers=3), 70.0), (config(layers=5, batch_size=16, learning_rate=0.1), 50.0)))
    assert [(c.later, c.earlier, c.one_knob) for c in found.one_knob] == [(2, 1, True)]
    assert rows(found)[-1] == ["2", "1", "layers 2 -> 3", "+10", "ONE KNOB"]
    assert not any(c.one_knob for c in found.last)
    assert rows(found)[0][-1] == "3 knobs mixed"


def test_a_choice_that_brings_its_own_hyperparameter_in_or_out_says_so_and_is_not_one_knob() -> None:
    adam, sgd = config(), config(optimizer="sgd", momentum=0.5)
    comes, goes = of(trajectory((adam, 60.0), (sgd, 70.0))), of(trajectory((sgd, 70.0), (adam, 60.0)))
    assert comes.last[0].changed[0].text == "optimizer adam -> sgd"
    assert not comes.last[0].one_knob
    assert [(b.name, b.comes) for b in comes.last[0].brought] == [("momentum", True)]
    assert [rows(found)[0][-1] for found in (comes, goes)] == ["ONE KNOB (+momentum)", "ONE KNOB (-momentum)"]


def test_a_change_without_dependants_stays_one_knob() -> None:
    found = of(trajectory((config(), 60.0), (config(optimizer="rmsprop"), 70.0)))
    assert found.last[0].one_knob
    assert rows(found)[0][-1] == "ONE KNOB"


def test_a_mixed_change_names_what_it_brought_and_counts_the_rest() -> None:
    children = {
        f"c{i}": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m", "when": {"a": "x"}} for i in range(5)
    }
    space = Space.from_mapping({"a": {"type": "categorical", "choices": ["x", "y"], "default": "x", "meaning": "m"}, **children})
    found = changes_block(space, trajectory(({"a": "y"}, 50.0), ({"a": "x", **dict.fromkeys(children, 0.5)}, 60.0)), 10)
    assert rows(found)[0][-1] == "ONE KNOB (+c0, +c1, +c2, 2 more)"


def test_an_equal_score_is_a_tie_and_no_gain_beyond_any_noise() -> None:
    flat = ok([70.0] * 12)
    for outcome in (flat, ok([70.0, 70.2] * 8), 70.0):
        found = of(trajectory((config(), outcome), (config(layers=3), outcome)))
        assert found.last[0].tie
        assert rows(found)[0][3:] == ["0", "ONE KNOB; a tie"]


def test_a_gain_as_large_as_the_noise_is_within_it() -> None:
    found = of(trajectory((config(), 60.0), (config(layers=3), 61.0))).last[0]
    assert replace(found, noise_pct=1.0).within_noise
    assert not replace(found, noise_pct=0.999).within_noise


def test_curves_without_noise_are_no_yardstick() -> None:
    found = of(trajectory((config(), ok([70.0] * 12)), (config(layers=3), ok([70.001] * 12))))
    assert rows(found)[0][3:] == ["+0.001", "ONE KNOB; no epoch noise seen"]


def test_noise_is_written_on_the_side_of_the_gain_on_which_it_is() -> None:
    assert noise_text(1.78, 1.77) == "beyond epoch noise 1.77"
    assert noise_text(-0.0301, 0.03) == "beyond epoch noise 0.03"
    assert noise_text(0.04, 0.041) == "within epoch noise 0.041"


def test_two_values_that_differ_have_different_texts() -> None:
    found = of(trajectory((config(learning_rate=2.31e-5), 60.0), (config(learning_rate=2.33e-5), 61.0)))
    assert found.last[0].changed[0].text == "learning_rate 2.31e-5 -> 2.33e-5"


def test_different_values_have_different_texts_over_all_lines() -> None:
    rates = (2.311e-5, 2.314e-5, 2.316e-5)
    found = of(trajectory(*[(config(learning_rate=rate), 60.0 + i) for i, rate in enumerate(rates)]))
    assert [row[2].removeprefix("learning_rate ") for row in rows(found)] == [
        "2.314e-5 -> 2.32e-5",
        "2.311e-5 -> 2.32e-5",
        "2.311e-5 -> 2.314e-5",
    ]


def test_a_gain_is_held_against_the_noise_of_the_curves() -> None:
    wild, calm = [70.0, 76.0] * 8, [70.0, 70.1] * 8
    noisy = of(trajectory((config(), ok(wild)), (config(layers=3), ok([v + 1 for v in wild]))))
    clear = of(trajectory((config(), ok(calm)), (config(layers=3), ok([v + 1 for v in calm]))))
    assert noisy.last[0].within_noise
    assert not clear.last[0].within_noise
    assert rows(noisy)[0][-1].startswith("ONE KNOB; within epoch noise")
    assert rows(clear)[0][-1].startswith("ONE KNOB; beyond epoch noise")


def test_a_change_that_breaks_training_is_named_as_such() -> None:
    found = of(trajectory((config(), 80.0), (config(learning_rate=1.0), None)))
    assert found.last[0].gain_pct is None
    assert rows(found)[0][2:4] == ["learning_rate 0.001 -> 1", "80 -> diverged"]


def test_a_repeat_is_named_as_such() -> None:
    found = of(trajectory((config(), 80.0), (config(), 81.0)))
    assert rows(found)[0][2:] == ["nothing: the same configuration", "+1", "repeat"]


def test_the_largest_steps_stand_first_and_more_than_a_few_are_counted() -> None:
    first, last = (
        config(optimizer="sgd", momentum=0.9),
        config(optimizer="sgd", momentum=0.85, learning_rate=1.0, batch_size=64, layers=5),
    )
    found = of(trajectory((first, 50.0), (last, 60.0)))
    assert [change.name for change in found.last[0].changed] == ["learning_rate", "layers", "batch_size", "momentum"]
    assert (
        rows(found, Detail(Level.MORE))[0][2]
        == "learning_rate 0.001 -> 1; layers 2 -> 5; batch_size 32 -> 64; momentum 0.9 -> 0.85"
    )
    for level in (Level.LESS, Level.LEAST):
        assert rows(found, Detail(level))[0][2:5:2] == ["None", "4 knobs mixed"]


def test_true_and_one_are_two_choices() -> None:
    space = Space(
        (
            Choice(name="a", default=1, meaning="m", choices=(True, 1, "x")),
            Choice(name="b", default="x", meaning="m", choices=("x", "y")),
        )
    )
    found = changes_block(
        space, trajectory(({"a": True, "b": "x"}, 50.0), ({"a": 1, "b": "x"}, 60.0), ({"a": "x", "b": "y"}, 40.0)), 10
    )
    assert [(c.later, c.earlier, c.changed[0].text) for c in found.one_knob] == [(2, 1, "a true -> 1")]


def test_with_all_earlier_trials_failed_only_the_previous_is_compared() -> None:
    found = of(trajectory((config(), None), (config(layers=3), 60.0)))
    assert [(c.role, c.outcome) for c in found.last] == [(Role.PREVIOUS, "diverged -> 60")]
