"""One case for each form of a value in a reply, and for each that is not read."""

from __future__ import annotations

import pytest

from harness.optimizers.published.parsing import find, without_thinking

NAME = "learning_rate"


@pytest.mark.parametrize(
    ("text", "value", "form"),
    [
        ("learning_rate: 0.01", "0.01", "name: v"),
        ("learning_rate = 0.01", "0.01", "name = v"),
        ("learning_rate=0.01", "0.01", "name = v"),
        ("learning_rate 0.01", "0.01", "name v"),
        ("**learning_rate**: 0.01", "0.01", "**name**: v"),
        ("LEARNING_RATE: 1E-3", "1E-3", "name: v"),
        ("learning_rate:\n\n  0.01 and so on", "0.01", "name: v"),
        ("learning_rate=0.01,dropout=0.2", "0.01", "name = v"),
        ("learning_rate=0.01.", "0.01", "name = v"),
        ("learning_rate=0.01;", "0.01", "name = v"),
        ("learning_rate='0.01'.", "0.01", "name = v"),
        ('learning_rate: "0.01"', "0.01", "name: v"),
        ("my_learning_rate=0.3", "0.3", "name = v"),
        ("learning_rate=0,02", "0", "name = v"),
    ],
)
def test_every_form_is_read(text: str, value: str, form: str) -> None:
    found = find(text, NAME)
    assert found is not None
    assert (found.text, found.form) == (value, form)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("learning_rate: 0.5 is too high.\nlearning_rate=0.01", "0.5"),  # a colon in the reasoning beats the answer
        ("learning_rate=0.01. I would not say learning_rate: keep", "keep"),  # wherever it stands, and whatever it says
        ("learning_rate=0.5 failed, so learning_rate=0.01", "0.5"),  # of one form, the first
        ("the learning_rate of 0.5 is bad; learning_rate = 0.01", "0.01"),  # prose loses to a sign
        ("the learning_rate of 0.5 is bad", "of"),
        ("learning_rate 0.5, **learning_rate**: 0.01", "0.5"),
    ],
)
def test_the_first_form_that_matches_anywhere_wins_by_its_first_match(text: str, value: str) -> None:
    found = find(text, NAME)
    assert found is not None
    assert found.text == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("**learning_rate:** 0.01", "**"),
        ("learning_rate = `0.01`", "`0.01`"),
        ("learning_rate = [0.01]", "[0.01]"),
        ("learning_rate = 10%", "10%"),
        ("learning_rate == 0.01", "="),
        ("learning_rate -> 0.01", "->"),
        ("learning_rate → 0.01", "→"),
        ("learning_rate: about 0.01", "about"),
    ],
)
def test_what_no_number_can_be_read_from_is_kept_as_it_stands(text: str, value: str) -> None:
    found = find(text, NAME)
    assert found is not None
    assert found.text == value


@pytest.mark.parametrize("text", ['{"learning_rate": 0.01}', "`learning_rate`: 0.01", "the rate is 0.01", "", "learning_rate"])
def test_some_forms_are_not_found_at_all(text: str) -> None:
    assert find(text, NAME) is None


def test_a_name_inside_a_longer_one_is_found() -> None:
    found = find("attention_dropout=0.4, dropout=0.1", "dropout")
    assert found is not None
    assert found.text == "0.4"


def test_the_only_list_is_read_to_its_bracket() -> None:
    found = find("mlp_hidden_size=[256, 128, 64], dropout=0.1", "mlp_hidden_size")
    assert found is not None
    assert found.text == "[256, 128, 64]"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>a=1</think>\nb=2", "b=2"),
        ("a=1</think> b=2 </think> c=3", "b=2 </think> c=3"),
        ("<think>a=1", "<think>a=1"),
        ("<think>a</think>  ", ""),
    ],
)
def test_thinking_ends_at_its_first_end(text: str, rest: str) -> None:
    assert without_thinking(text) == rest
