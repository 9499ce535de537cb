"""Hypothesis strategies and short constructors for the values that a cell is made of."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st

from harness.trial import Epoch, Outcome, Proposal, Status, Trial

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.floats(-1e6, 100.0)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12)  # half surrogate pairs and control characters included
VALUES: st.SearchStrategy[Any] = st.floats(-1e9, 1e9) | st.integers(-(10**6), 10**6) | st.booleans() | st.text(max_size=5)


def epoch(score: float = 50.0, **measures: Any) -> Epoch:
    return Epoch(val_score_pct=score, **measures)


def trial(number: int, score: float | None = 50.0, **config: Any) -> Trial:
    """Return a trial of two epochs that reached `score`, or one that crashed when `score` is None."""
    if score is None:
        outcome = Outcome.failed(Status.CRASHED, "RuntimeError: gone", (), 0.1)
    else:
        curve = tuple(Epoch(val_score_pct=s, test_score_pct=s - 1, number=n) for n, s in enumerate((score - 1, score), start=1))
        outcome = Outcome.of_curve(curve, 0.1)
    return Trial(number, Proposal({"x": 0.5, **config}), outcome, 0.01)


@st.composite
def curves(draw: st.DrawFn, *, finite: bool = True) -> tuple[Epoch, ...]:
    """Draw a curve in which an optional measure is there throughout or not at all, as tasks yield them."""
    value = FINITE if finite else FINITE | st.sampled_from([float("nan"), float("inf"), float("-inf")])
    kept = draw(st.sets(st.sampled_from(["val_loss", "train_score_pct", "train_loss", "test_score_pct"])))
    numbers = sorted(draw(st.sets(st.integers(1, 50), min_size=1, max_size=5)))
    if draw(st.booleans()):
        numbers = list(range(1, len(numbers) + 1))
    scores = SCORES if finite else SCORES | st.just(float("nan"))
    return tuple(Epoch(val_score_pct=draw(scores), number=n, **{name: draw(value) for name in sorted(kept)}) for n in numbers)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    if draw(st.booleans()):
        return Outcome.of_curve(draw(curves()), draw(st.floats(0, 1e6)))
    status = draw(st.sampled_from([Status.CRASHED, Status.DIVERGED, Status.TIMEOUT]))
    return Outcome.failed(status, draw(TEXTS), draw(st.just(()) | curves(finite=False)), draw(st.floats(0, 1e6)))


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    source = draw(st.sampled_from(["optimizer", "default", "llm", "llm-retry-1", "llm-retry-12", "fallback"]))
    config = draw(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=4))
    note = draw(st.dictionaries(TEXTS, TEXTS | FINITE | st.lists(TEXTS, max_size=2), max_size=3))
    return Trial(draw(st.integers(1, 999)), Proposal(config, source, note), draw(outcomes()), draw(st.floats(0, 1e5)))
