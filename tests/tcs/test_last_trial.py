from __future__ import annotations

import pytest

from harness.tcs.analysis.verdict import Verdict
from harness.tcs.blocks.last_trial import LastTrial, last_trial
from harness.tcs.view.section import Detail, Phrase
from harness.testing.trajectories import SPACE, config, epochs, failed, ok, trajectory
from harness.trial import Epoch, Outcome, Status


def facts(found: LastTrial) -> dict[str, str]:
    return {key: cell.text if isinstance(cell, Phrase) else str(cell) for key, cell in found.view(Detail()).facts}


def test_it_ranks_the_last_trial_among_the_scored_ones() -> None:
    found = last_trial(SPACE, trajectory((config(), 80.0), (config(), None), (config(), 90.0), (config(layers=4), 80.0)), 10)
    assert (found.number, found.rank, found.tied, found.scored) == (4, 2, (1,), 3)
    assert found.config == config(layers=4)


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ((70.0,), "1, the only one scored"),
        ((None, 70.0), "2, the only one scored"),
        ((70.0, 80.0), "2, ranks 1 of 2 scored"),
        ((80.0, 70.0, 90.0, 70.0, 70.0), "5, ranks 3-5 of 5 scored, tied with trials 2 and 4"),
        ((80.0, 70.0, 80.0), "3, ranks 1-2 of 3 scored, tied with trial 1"),
        ((80.0, 80.0, None, 80.0), "4, ranks 1-3 of 3 scored, all equal"),
    ],
)
def test_a_rank_tells_ties(scores: tuple[float | None, ...], text: str) -> None:
    assert facts(last_trial(SPACE, trajectory(*[(config(), score) for score in scores]), 10))["trial"] == text


@pytest.mark.parametrize(
    ("val", "text"),
    [
        ([70.0], "best 70 at epoch 1 of 1, the only score"),
        ([70.0] * 4, "70 at every epoch of 4"),
        ([70.0, 70.001], "best 70.001 at epoch 2 of 2, first 70, final 70.001"),
        ([99.0, 99.996], "best 99.996 at epoch 2 of 2, first 99, final 99.996"),
        ([0.0, 0.001], "best 0.001 at epoch 2 of 2, first 0, final 0.001"),
    ],
)
def test_equal_epochs_read_equal_and_others_apart(val: list[float], text: str) -> None:
    assert facts(last_trial(SPACE, trajectory((config(), ok(val))), 10))["validation_score"] == text


def test_what_is_not_zero_is_not_written_as_zero() -> None:
    shown = facts(
        last_trial(SPACE, trajectory((config(), ok([50 + 0.003 * i for i in range(12)], [50 + 0.0035 * i for i in range(12)]))), 10)
    )
    assert "slope +0.003 per epoch (95% +0.003 to +0.003), noise 0" in shown["tail"]
    assert shown["gap"].endswith(", +0.005 over validation")


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
