"""Position bias: counted by hand, and its test against the exact distribution."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from report.sections.test_sections import OPTIONS, cell, study

from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Table
from harness.report.sections.positions import p_uniform, positions_frame
from harness.report.study_data import CellData


def answered(order: list[int], answer: Any, logprobs: list[Any] | None = None) -> dict[str, Any]:
    return {"order": order, "answer": answer, **({} if logprobs is None else {"logprobs": logprobs})}


def selector(*questions: Any) -> CellData:
    made = cell([50.0 + place for place in range(len(questions))], arm="select_tcs_m")
    notes = [{"select": {"questions": question}} for question in questions]
    trials = tuple(replace(t, proposal=replace(t.proposal, note=n, source="llm")) for t, n in zip(made.trials, notes, strict=True))
    return replace(made, trials=trials)


def test_the_preferred_place_is_the_likeliest_one_else_the_answer_and_its_rank_is_that_before_the_rotation() -> None:
    data = study(
        selector(
            [answered([2, 3, 1], 1), answered([3, 1, 2], 1, [-2.0, -0.5, None])],
            [answered([1, 2, 3], None), answered([1, 2, 3], 9), "damaged"],
            "damaged",
        )
    )
    frame = positions_frame(data)
    assert frame[["trial", "candidates", "place", "rank"]].to_numpy().tolist() == [[1, 3, 1, 2], [1, 3, 2, 1]]


def test_the_section_is_there_where_selectors_ran_and_nowhere_else() -> None:
    ran = study(selector(*([[answered([1, 2, 3], 1)]] * 8)), cell([60.0] * 8))
    tables = {item.key: item for item in build_report(find(ran, OPTIONS)).items() if isinstance(item, Table)}
    (shown,) = tables["positions"].rows
    assert [text.text for text in shown[1:]] == ["8", "100 %", "0 %", "0 %", "<0.001", "100 %"]
    assert tables["positions"].data["place_1"].tolist() == [8]
    without = build_report(find(study(cell([60.0])), OPTIONS))
    assert "positions" not in [section.key for section in without.sections]


def test_the_test_agrees_with_the_exact_distribution() -> None:
    counts, places = [4, 1, 1], 3
    drawn = Counter(
        tuple(places_.count(place) for place in range(places)) for places_ in itertools.product(range(places), repeat=sum(counts))
    )
    uneven = sum(count**2 for count in counts)
    exact = sum(ways for found, ways in drawn.items() if sum(c**2 for c in found) >= uneven) / places ** sum(counts)
    assert p_uniform(counts) == pytest.approx(exact, abs=0.02)
    assert p_uniform([2, 2, 2]) == 1.0
