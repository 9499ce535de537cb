"""Traces of cells, and numbers as text."""

from __future__ import annotations

import math

from report.conftest import in_memory

from harness.report.analysis.arms import arms_of
from harness.report.analysis.frames import frames_of, rows_by
from harness.report.render.document import interval, number
from harness.report.sections.trace import SHOWN_CHARACTERS, capped, changes, typical_cells
from harness.space import Config
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm


def test_what_changed_is_said_in_names() -> None:
    before: Config = {"lr": 0.001, "optimizer": "sgd", "momentum": 0.9}
    after: Config = {"lr": 0.0032, "optimizer": "adam", "beta": 0.5}
    assert changes(before, after) == "lr 0.001 → 0.0032, optimizer sgd → adam, momentum dropped, beta now 0.5"
    assert changes(after, dict(after)) == "nothing: an exact repeat"
    assert changes({}, after) == "lr 0.0032, optimizer adam, beta 0.5"


def test_a_reply_of_megabytes_is_cut_in_the_middle_and_says_so() -> None:
    text = capped("a" * 1_000_000 + "z" * 1_000_000)
    assert len(text) < SHOWN_CHARACTERS + 100
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert "1,988,000 characters are left out" in text
    assert capped("short") == "short"


def test_llm_arms_come_first_and_by_their_median_seed() -> None:
    data = in_memory(
        SyntheticStudy([SyntheticArm("random"), llm_arm("raw", "m", "raw"), llm_arm("tcs", "m", "tcs")], ("a", "b"), range(3))
    )
    chosen = typical_cells(data, arms_of(data))
    assert [c.arm for c in chosen] == ["tcs", "raw", "random"]
    scores = sorted(rows_by(frames_of(data).cells, "arm", "task", "seed")["tcs", "a", seed]["test"] for seed in range(3))
    assert rows_by(frames_of(data).cells, "arm", "task", "seed")["tcs", "a", chosen[0].seed]["test"] == scores[1]


def test_numbers_are_written_with_a_real_minus_and_no_negative_zero() -> None:
    assert [number(v, 1, sign=True) for v in (-0.04, 1.25, -2.0, None, math.nan, math.inf)] == [
        "+0.0",
        "+1.2",
        "−2.0",
        "–",
        "–",
        "–",
    ]
    assert number(-0.04) == "0.0"
    assert interval(-1.0, 2.0) == "[−1.00, +2.00]"
    assert interval(math.nan, 1.0) == "–"
