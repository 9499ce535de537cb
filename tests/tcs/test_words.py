from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcs.view.words import clean, clean_names, digits, p_text, points_text, signed, trials_text, value_text
from harness.tokens import estimate_tokens


@given(st.text(max_size=400), st.integers(8, 100))
def test_clean_text_is_printable_bounded_and_never_empty(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert cleaned.isprintable()
    assert 0 < len(cleaned.encode()) <= limit


def test_a_long_text_keeps_its_ends() -> None:
    assert clean("val_loss is nan after a very long story at epoch 17", 32) == "val_loss is nan afte..t epoch 17"


def test_a_message_of_megabytes_is_cut_at_once() -> None:
    assert clean("x\n" * 5_000_000 + "the end", 40).endswith("the end")


@given(st.lists(st.text(max_size=60), unique=True, max_size=20))
def test_short_names_are_distinct(names: list[str]) -> None:
    shown = clean_names(names)
    assert len(set(shown.values())) == len(names)
    assert all(len(name.encode()) <= 36 for name in shown.values())


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.00123456, "0.00123"), (1e-5, "1e-5"), (1.5e-7, "1.5e-7"), (2e6, "2e6"), (123456.0, "1.23e5"), (0.1, "0.1"), (-0.0, "-0")],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert digits(number) == text


def test_values_are_written_as_json_would() -> None:
    assert [value_text(v) for v in (True, 64, 999_999, 12_345_678, "relu", 0.25)] == [
        "true",
        "64",
        "999999",
        "1.23e7",
        "relu",
        "0.25",
    ]


def test_scores_have_no_trailing_zeros_and_differences_have_signs() -> None:
    assert [points_text(v) for v in (88.0, 88.1, 88.123, -1e12, 100.0, -0.001)] == ["88", "88.1", "88.12", "-1e12", "100", "0"]
    assert [signed(v) for v in (2.0, -2.5, 0.001)] == ["+2", "-2.5", "0"]
    assert points_text(100.0, 0) == "100"


def test_p_values_are_never_zero() -> None:
    assert [p_text(p) for p in (1e-9, 0.0042, 0.05, 1.0)] == ["<0.001", "0.004", "0.05", "1.00"]


def test_long_lists_of_trials_are_counted() -> None:
    assert trials_text(range(1, 4)) == "1, 2, 3"
    assert trials_text(range(1, 10), 3) == "1, 2, 3, .. (9 in all)"


def test_the_estimate_counts_digits_words_and_marks() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("score") == 2  # one word, and the margin rounded up
    assert estimate_tokens("0.00123") == 8  # seven, and the margin
    assert estimate_tokens("a 1") == 4


def test_the_estimate_is_never_below_a_fifth_of_the_characters_of_a_summary() -> None:
    text = "learning_rate | 0.0001:66.4 0.001:83.3 | best at high end, range goes on; unclear, p 0.66\n" * 20
    assert len(text) / 5 < estimate_tokens(text) <= len(text)


@given(st.text(alphabet=st.characters(min_codepoint=0x100), max_size=50))
def test_characters_outside_ascii_count_as_their_bytes(text: str) -> None:
    assert estimate_tokens(text) >= len(text.encode("utf-8", "replace"))


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_longer_text_never_has_fewer_tokens_by_more_than_what_a_joint_can_save(a: str, b: str) -> None:
    assert estimate_tokens(a + b) >= estimate_tokens(a) - 2
