"""Traces of cells, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from report.conftest import in_memory

from harness.report.analysis.arms import arms_of
from harness.report.analysis.frames import frames_of, rows_by
from harness.report.analysis.options import Options
from harness.report.render.document import Fold, Verbatim, interval, number
from harness.report.sections.trace import SHOWN_CHARACTERS, capped, changes, trace_section, typical_cells
from harness.space import Config
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm
from harness.trial import Trial


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


def test_every_arm_has_a_trace_and_the_page_says_how_its_cell_was_chosen() -> None:
    arms = [*(SyntheticArm(f"random{place}") for place in range(9)), llm_arm("tcs", "m", "tcs")]
    data = in_memory(SyntheticStudy(arms, ("a",), range(2)), [("random3", "a", 0), ("random3", "a", 1)])
    section = trace_section(data, arms_of(data), (), Options().traces)
    lead, *folds = section.items
    assert isinstance(lead, str)
    assert "the arm's median" in lead
    assert "Without a trace: random3 (no done cell)." in lead
    assert len(folds) == 9
    assert all(isinstance(fold, Fold) for fold in folds)
    few = trace_section(data, arms_of(data), (), 2).items
    assert len(few) == 3
    assert "(no done cell, or beyond report.traces)" in str(few[0])


def test_only_the_first_and_the_last_prompt_of_a_cell_are_whole() -> None:
    data = in_memory(SyntheticStudy([llm_arm("tcs", "m", "tcs")], ("a",), (0,)))
    long = "what it was shown " * 200

    def prompted(trial: Trial) -> Trial:
        return replace(trial, proposal=replace(trial.proposal, note={"context": long}))

    (cell,) = data.cells
    data = replace(data, cells=(replace(cell, trials=tuple(map(prompted, cell.trials))),))

    def shown(asked: Sequence[str]) -> list[bool]:
        (fold,) = trace_section(data, arms_of(data), asked, 1).items[1:]
        assert isinstance(fold, Fold)
        return [
            item.text == long
            for inner in fold.items
            if isinstance(inner, Fold)
            for item in inner.items
            if isinstance(item, Verbatim)
        ]

    assert shown(()) == [True, *[False] * 8, True]
    assert shown(("a/tcs/0",)) == [True] * 10


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
