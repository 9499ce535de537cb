from __future__ import annotations

from tcs.made import SPACE, config, epochs, failed, ok, trajectory

from harness.tcs.last_trial import LastTrial, last_trial
from harness.tcs.section import Detail, Phrase
from harness.tcs.verdict import Verdict
from harness.trial import Epoch, Outcome, Status


def facts(found: LastTrial) -> dict[str, str]:
    return {key: cell.text if isinstance(cell, Phrase) else str(cell) for key, cell in found.view(Detail()).facts}


def test_it_ranks_the_last_trial_among_the_scored_ones() -> None:
    found = last_trial(SPACE, trajectory((config(), 80.0), (config(), None), (config(), 90.0), (config(layers=4), 80.0)), 10)
    assert (found.number, found.rank, found.scored) == (4, 3, 3)
    assert found.config == config(layers=4)


def test_a_failed_trial_keeps_its_partial_curve_and_its_cause() -> None:
    found = last_trial(SPACE, trajectory((config(), failed("val_loss is nan at epoch 4", val=[20.0, 40.0, 30.0]))), 10)
    shown = facts(found)
    assert shown["trial"] == "1, failed (diverged: val_loss is nan at epoch 4)"
    assert shown["validation_score"] == "best 40 at epoch 2 of 3, first 20, final 30"
    assert shown["verdict"].startswith("diverged: ")


def test_it_says_slope_with_interval_noise_and_gap() -> None:
    val = [50.0 + i + (0.2 if i % 2 else 0.0) for i in range(15)]
    shown = facts(last_trial(SPACE, trajectory((config(), ok(val, [v + 4 for v in val]))), 10))
    assert shown["tail"].startswith("epochs 11-15: slope +1 per epoch (95% +0.8 to +1.2), noise 0.14")
    assert shown["gap"] == "training 66, +4 over validation"
    assert shown["verdict"] == "still improving: at this slope +4 in 4 more epochs"


def test_what_the_log_lacks_is_said_and_what_it_has_is_used() -> None:
    rows = tuple(Epoch(60.0 + n, number=n) for n in range(1, 21) if n % 5)
    found = last_trial(SPACE, trajectory((config(), Outcome.of_curve(rows, 1.0))), 10)
    assert facts(found)["log"] == "3 of 19 epochs missing"
    assert found.judgement is not None
    assert found.judgement.verdict is Verdict.STILL_IMPROVING


def test_a_long_error_is_cut_to_a_printable_phrase() -> None:
    found = last_trial(SPACE, trajectory((config(), failed("Traceback\n\x1b[31m" + "x" * 10_000, Status.CRASHED))), 10)
    assert found.error is not None
    assert len(found.error) <= 80
    assert found.error.startswith("Traceback ?[31mxxx")


def test_underfitting_is_judged_by_the_best_of_the_other_trials() -> None:
    flat = ok([60.0] * 12, [61.0] * 12)
    assert _verdict(trajectory((config(), flat))) is Verdict.PLATEAU
    assert _verdict(trajectory((config(), 80.0), (config(), flat))) is Verdict.UNDERFITTING
    assert epochs([1.0])[0].number == 1


def _verdict(trials: object) -> Verdict:
    judgement = last_trial(SPACE, trials, 10).judgement  # type: ignore[arg-type]  # a Trajectory
    assert judgement is not None
    return judgement.verdict
