"""Each change alters one block, as that block itself would write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.errors import SettingsError
from harness.optimizers.agent.context import Context
from harness.probe.asking import context_with
from harness.probe.changes import ALL, CHANGES, Change, changes_named
from harness.tcs import ALL_BLOCKS, BLOCKS
from harness.testing.trajectories import SPACE, config, ok, trajectory
from harness.trial import Trajectory

BUDGET = 20


def rising(best: float) -> Sequence[float]:
    return [best - 8, best - 4, best - 1, best - 0.2, best - 0.1, best, best, best]


PAST = trajectory(
    (config(), ok(rising(70.0), rising(71.0))),
    (config(learning_rate=0.1), ok(rising(80.0), rising(81.0))),
    (config(learning_rate=0.01, optimizer="sgd"), ok(rising(60.0), rising(61.0))),
    (config(layers=4), ok(rising(75.0), rising(76.0))),
)
WITH_A_FAILURE = trajectory(
    *((trial.config, trial.outcome) for trial in PAST), (config(batch_size=128), None), (config(layers=3), ok(rising(65.0)))
)


def sections(change: Change | None, past: Trajectory) -> dict[str, str]:
    """Return the text of each section."""
    text = context_with(Context("tcs", tuple(BLOCKS)), change).text(SPACE, past, budget=BUDGET, seed=0)
    return dict(zip(BLOCKS, text.split("\n\n"), strict=True))


@pytest.mark.parametrize("past", [PAST, WITH_A_FAILURE], ids=["all scored", "one failed"])
@pytest.mark.parametrize("key", CHANGES)
def test_a_change_alters_the_text_of_its_block_and_of_no_other(key: str, past: Trajectory) -> None:
    change, plain = CHANGES[key], sections(None, past)
    if key == "changes.sign" and past is WITH_A_FAILURE:
        assert change.make(SPACE, past, BUDGET) is None  # one of the last two has no score
        return
    changed = sections(change, past)
    different = {name for name in plain if plain[name] != changed[name]}
    assert different == {change.block} if change.block != ALL else {"status", "parameters", "curves"} <= different


def test_every_block_has_a_change() -> None:
    assert {change.block for change in CHANGES.values()} == {*BLOCKS, ALL}
    assert all(key == change.key for key, change in CHANGES.items())


@pytest.mark.parametrize(
    ("key", "trial", "favours", "line"),
    [
        ("status.best", 3, True, "incumbent: trial 3, score 80; no improvement in 1 trial since"),
        ("last_trial.outcome", 4, True, "trial: 4, ranks 1 of 4 scored"),
        ("last_trial.verdict", 4, False, "verdict: overfitting: validation loss 50% above its minimum while training got no worse"),
        ("curves.scores", 3, True, "3 | 80 | 6/8 | 0 | +1 | plateau, incumbent"),
        ("failures.best", 2, False, "failures: 1 of 4 trials"),
        ("changes.sign", 3, True, None),
        ("phase.mode", 2, True, "phase: exploit: neither stagnation nor thin evidence: build on the incumbent"),
    ],
)
def test_a_change_says_which_trial_it_speaks_for_and_the_block_says_it(
    key: str, trial: int, favours: bool, line: str | None
) -> None:
    edit = CHANGES[key].make(SPACE, PAST, BUDGET)
    assert edit is not None
    assert (edit.trial, edit.favours) == (trial, favours)
    text = sections(CHANGES[key], PAST)[CHANGES[key].block]
    if line is not None:
        assert line in text.splitlines(), text


def test_the_last_gain_turns_its_sign() -> None:
    plain, changed = (sections(change, PAST)["changes"].splitlines()[2] for change in (None, CHANGES["changes.sign"]))
    assert " | +15" in plain
    assert " | -15" in changed


def test_the_other_way_round() -> None:
    best_last = Trajectory(PAST.trials[:2])
    edit = CHANGES["last_trial.outcome"].make(SPACE, best_last, BUDGET)
    assert edit is not None
    assert not edit.favours
    exploring = CHANGES["phase.mode"].make(SPACE, PAST, 5)
    assert exploring is not None
    assert not exploring.favours
    overfit = replace(PAST.trials[3], outcome=ok([60.0, 70.0, 75.0, 72.0, 70.0, 68.0, 66.0, 65.0], [60.0, *[99.0] * 7]))
    healed = CHANGES["last_trial.verdict"].make(SPACE, Trajectory((*PAST.trials[:3], overfit)), BUDGET)
    assert healed is not None
    assert healed.favours


@pytest.mark.parametrize(
    "past", [trajectory(), trajectory((config(), 50.0)), trajectory((config(), None), (config(layers=1), None))]
)
def test_a_state_without_the_fact_has_no_edit(past: Trajectory) -> None:
    exchanges = [change for key, change in CHANGES.items() if key not in ("failures.best", "phase.mode")]
    assert [change.make(SPACE, past, BUDGET) for change in exchanges] == [None] * len(exchanges)


def test_names_of_changes() -> None:
    assert [change.key for change in changes_named(["last_trial"], ALL_BLOCKS)] == ["last_trial.outcome", "last_trial.verdict"]
    assert [change.key for change in changes_named([], ["phase"])] == ["phase.mode", "all.scores"]
    with pytest.raises(SettingsError, match=r"--changes stauts: there is no such change; did you mean 'status'\?"):
        changes_named(["stauts"], ALL_BLOCKS)
    with pytest.raises(SettingsError, match=r"the arm's summary has no such block; it has phase"):
        changes_named(["status"], ["phase"])
