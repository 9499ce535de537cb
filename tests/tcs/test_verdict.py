from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from harness.tcs.analysis.curve import read_curve
from harness.tcs.analysis.verdict import Judgement, Verdict, best_of_others, gain_ahead_pct, judge, rise_text
from harness.testing.trajectories import epochs, failed, ok
from harness.trial import Epoch, Outcome, Status

from harness.testing import trajectories as made  # isort: skip


def rising(low: float, high: float, pace: float, size: int = 30) -> list[float]:
    return [low + (high - low) * (1 - math.exp(-i / pace)) for i in range(size)]


def noisy(values: list[float], sigma: float, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [value + rng.gauss(0, sigma) for value in values]


GOOD = noisy(rising(20, 87, 4), 0.1)
CASES: list[tuple[str, Verdict, Callable[[], Judgement]]] = [
    ("the harness says so", Verdict.DIVERGED, lambda: judge(failed("train_loss is inf", val=GOOD[:8]))),
    ("a foreign log that ends in NaN", Verdict.DIVERGED, lambda: judge(foreign([*GOOD[:-1], math.nan]))),
    ("a collapse to chance that lasts", Verdict.DIVERGED, lambda: judge(ok([*GOOD[:15], *[10.0] * 15]))),
    ("noise of many points", Verdict.UNSTABLE, lambda: judge(ok(noisy(GOOD, 5)))),
    ("one deep fall late in training", Verdict.UNSTABLE, lambda: judge(ok([*GOOD[:18], 60.0, *GOOD[19:]]))),
    (
        "a wide gap and no more gain",
        Verdict.OVERFITTING,
        lambda: judge(ok(GOOD, [min(v + 0.6 * i, 99.0) for i, v in enumerate(GOOD)])),
    ),
    ("validation falls while training rises", Verdict.OVERFITTING, lambda: judge(peaked(90, 84))),
    ("validation loss rises while training loss falls", Verdict.OVERFITTING, lambda: judge(losses(rise=0.6, gap=6))),
    ("low on the training data, no other trial", Verdict.UNDERFITTING, lambda: judge(ok(flat(30), flat(31)))),
    ("below what another trial reaches", Verdict.UNDERFITTING, lambda: judge(ok(flat(70), flat(71)), best_other_pct=85)),
    ("a slope that would bring more", Verdict.STILL_IMPROVING, lambda: judge(ok(noisy(rising(20, 90, 40), 0.2)))),
    ("within reach of its best since early on", Verdict.PLATEAU, lambda: judge(ok(noisy(rising(20, 90, 1.5), 0.1)))),
    ("calm, flat, small gap, best late", Verdict.HEALTHY, lambda: judge(ok(GOOD, [v + 2 for v in GOOD]))),
    ("four epochs", Verdict.TOO_SHORT, lambda: judge(ok([50.0, 60.0, 70.0, 75.0]))),
    ("an empty log", Verdict.TOO_SHORT, lambda: judge(failed("out of memory", Status.CRASHED))),
    ("a timeout while rising", Verdict.STILL_IMPROVING, lambda: judge(failed("60 s", Status.TIMEOUT, rising(20, 90, 40)))),
]


def flat(level: float) -> list[float]:
    return noisy([level] * 30, 0.1)


def peaked(top: float, end: float) -> Outcome:
    val = [*rising(20, top, 2, 12), *(top + (end - top) * i / 18 for i in range(1, 19))]
    return ok(val, rising(20, 93, 4))


def losses(rise: float, gap: float) -> Outcome:
    loss = [1.0 - 0.06 * i for i in range(15)] + [0.16 * (1 + rise * i / 15) for i in range(15)]
    train_loss = [1.0 - 0.03 * i for i in range(30)]
    return ok(GOOD, [v + gap for v in GOOD], val_loss=loss, train_loss=train_loss)


def foreign(val: list[float]) -> Outcome:
    return Outcome(Status.OK, epochs(val), 1.0, max(v for v in val if math.isfinite(v)), None, 1)


@pytest.mark.parametrize(("what", "verdict", "made_judgement"), CASES, ids=[case[0] for case in CASES])
def test_a_hand_made_curve_gets_its_verdict(what: str, verdict: Verdict, made_judgement: Callable[[], Judgement]) -> None:
    judgement = made_judgement()
    assert judgement.verdict is verdict, judgement
    assert judgement.reason


def test_every_verdict_has_a_hand_made_curve() -> None:
    assert {verdict for _, verdict, _ in CASES} == set(Verdict)


def test_a_gap_below_its_threshold_is_not_overfitting() -> None:
    assert judge(ok(GOOD, [v + 9.5 for v in GOOD])).verdict is Verdict.HEALTHY
    assert judge(ok(GOOD, [v + 10.2 for v in GOOD])).verdict is Verdict.OVERFITTING


def test_a_validation_fall_together_with_training_is_not_overfitting() -> None:
    val = [*rising(20, 90, 2, 12), *(90 - 5 * i / 18 for i in range(1, 19))]
    assert judge(ok(val, [v + 1 for v in val])).verdict is not Verdict.OVERFITTING


def test_a_best_score_that_is_only_the_luckiest_of_many_noisy_ones_is_not_overfitting() -> None:
    val = noisy(rising(20, 87, 1), 1.5, seed=5)
    outcome = ok(val, [v + 2 for v in rising(20, 87, 1)])
    tail = read_curve(outcome.curve).tail
    assert tail is not None
    assert max(val) - tail.score_pct > 2
    assert judge(outcome).verdict is not Verdict.OVERFITTING


def test_a_rise_of_the_loss_without_a_gap_in_scores_is_not_overfitting() -> None:
    assert judge(losses(rise=0.6, gap=1)).verdict is Verdict.HEALTHY


def test_without_a_training_score_nothing_is_called_underfitting() -> None:
    assert judge(ok(flat(30)), best_other_pct=90).verdict is Verdict.PLATEAU


def test_missing_and_unusable_rows_leave_the_verdict() -> None:
    val = noisy(rising(20, 90, 40), 0.2)
    whole = epochs(val, [v + 1 for v in val])
    thinned = tuple(e for i, e in enumerate(whole) if i % 4 != 1)
    spoilt = tuple(
        Epoch(math.nan if i % 5 == 2 else e.val_score_pct, None, e.train_score_pct, math.inf if i == 3 else None, number=e.number)
        for i, e in enumerate(whole)
    )
    for curve in (thinned, spoilt):
        outcome = Outcome(Status.OK, curve, 1.0, 60.0, None, 1)
        assert judge(outcome).verdict is Verdict.STILL_IMPROVING


def test_a_bar_is_the_best_score_of_the_other_trials() -> None:
    trials = made.trajectory(*[(made.config(), score) for score in (50.0, None, 80.0, 70.0)]).trials
    assert best_of_others(trials) == [80.0, 80.0, 70.0, 80.0]
    assert best_of_others(trials[:1]) == [None]
    tied = made.trajectory((made.config(), 80.0), (made.config(), 80.0)).trials
    assert best_of_others(tied) == [80.0, 80.0]


def test_the_gain_ahead_is_zero_unless_the_slope_is_clear() -> None:
    noise = read_curve(epochs(noisy([50.0] * 30, 1.0, seed=3))).tail
    climb = read_curve(epochs([float(i) for i in range(30)])).tail
    assert noise is not None
    assert climb is not None
    assert gain_ahead_pct(noise) == 0.0
    assert gain_ahead_pct(climb) == pytest.approx(9.0)


def test_a_score_just_below_a_threshold_is_not_written_as_the_threshold() -> None:
    assert judge(ok([49.0] * 12, [49.96] * 12)).reason == "training score ends at 49.96, below 50"
    assert (
        judge(ok([84.0] * 12, [84.96] * 12), best_other_pct=90.0).reason
        == "training score 84.96, where another trial's validation has 90"
    )


@pytest.mark.parametrize(
    ("rise", "text"),
    [
        (0.0, "at its minimum"),
        (0.001, "<1% above its minimum"),
        (0.23, "23% above its minimum"),
        (1e9, "over 9900% above its minimum"),
    ],
)
def test_the_rise_of_a_loss_is_not_rounded_to_nothing(rise: float, text: str) -> None:
    assert rise_text(rise) == text
