from __future__ import annotations

from contracts.optimizer import NASTY, a_trial

from harness.optimizers._replay import decode, encode, told_scores
from harness.trial import Proposal


def test_a_failed_trial_is_told_as_the_worst_score_before_it_and_as_0_before_any() -> None:
    scores = [None, 50.0, None, 70.0, 40.0, None, -1e300, None]
    trials = [a_trial(number, Proposal(NASTY.default()), score) for number, score in enumerate(scores, start=1)]
    assert told_scores(trials) == [0.0, 50.0, 50.0, 70.0, 40.0, 40.0, -1e9, -1e9]


def test_what_was_told_once_stays_true_when_the_trajectory_grows() -> None:
    scores = [None, 50.0, None, 10.0, None]
    trials = [a_trial(number, Proposal(NASTY.default()), score) for number, score in enumerate(scores, start=1)]
    assert all(told_scores(trials[:n]) == told_scores(trials)[:n] for n in range(6))


def test_a_library_sees_a_choice_by_its_index_and_gives_back_the_exact_value() -> None:
    for name in ("batch_size", "mode", "nesterov"):
        hp = NASTY[name]
        values = [hp.from_unit((i + 0.5) / 5) for i in range(5)]
        assert [(type(decode(hp, encode(hp, value))), decode(hp, encode(hp, value))) for value in values] == [
            (type(v), v) for v in values
        ]
    assert [encode(NASTY["mode"], value) for value in ("1", 1, True, 0.5, "none")] == [0, 1, 2, 3, 4]


def test_a_number_that_a_library_rounded_out_of_its_range_is_put_back_into_it() -> None:
    assert decode(NASTY["learning_rate"], 1.0000000000000002) == 1.0
    assert decode(NASTY["units"], 4097) == 4096
