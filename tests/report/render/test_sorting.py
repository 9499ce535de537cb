"""The number by which a reader sorts a cell."""

from __future__ import annotations

import math

import pytest

from harness.report.render.document import Text
from harness.report.render.sorting import sort_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("93.5 ± 1.7", 93.5),
        ("−14.95", -14.95),
        ("+2.65 [+1.94, +3.42]", 2.65),
        ("[−0.5, +1.5]", 0.5),
        ("[0.250, 0.750]", 0.5),
        ("22 %", 22),
        ("52.7 (160/180)", 52.7),
        ("0.013 *", 0.013),
        ("~71.8", 71.8),
        ("1,797", 1797),
        ("over 10,000", 10000),
        ("< 0.001", 0.001),
        ("2.174e-06", 2.174e-06),
        ("2, in 2 of 6 tasks", 2),
        ("30/30", 30),
        ("–", None),
        ("", None),
        ("decided", None),
        ("too few", None),
        ("5x", None),
    ],
)
def test_the_first_number_of_a_text_counts(text: str, value: float | None) -> None:
    assert sort_value(Text(text)) == value


def test_a_cell_knows_its_number_in_full() -> None:
    assert sort_value(Text("93.5", value=93.5149)) == 93.5149
    assert sort_value(Text("[+1.94, +3.42]", value=2.65)) == 2.65


def test_what_shows_no_number_has_none() -> None:
    assert sort_value(Text("–", value=2.65)) is None
    assert sort_value(Text("no score", value=math.nan)) is None
