from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config.seeds import as_text, from_text


@pytest.mark.parametrize(
    ("seeds", "text"), [([0, 1, 2, 7, 9, 10], "0-2,7,9-10"), ([3, 2, 1], "3,2,1"), ([5], "5"), ([4, 5, 5], "4-5,5")]
)
def test_runs_of_seeds_are_written_by_their_ends(seeds: list[int], text: str) -> None:
    assert as_text(seeds) == text
    assert from_text(text) == seeds


@given(st.lists(st.integers(0, 50), min_size=1))
def test_any_seeds_read_back_in_their_order(seeds: list[int]) -> None:
    assert from_text(as_text(seeds)) == seeds


@pytest.mark.parametrize("text", ["", "x", "3-", "-3", "1,,2", "5-3", "1.5", "0-99999999999"])
def test_what_is_no_text_of_seeds_is_none(text: str) -> None:
    assert from_text(text) == []
