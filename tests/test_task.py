from __future__ import annotations

import pytest

from harness.errors import SettingsError
from harness.task import TaskCard

CARD = {"title": "t", "domain": "d", "data": "x\n  y", "model": "m", "metric": "percent", "epochs": "10"}


def test_a_card_s_fields_are_one_line_each() -> None:
    card = TaskCard.from_mapping(CARD)
    assert (card.data, card.source) == ("x y", "")


def test_a_field_that_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(SettingsError, match="'metric' is missing"):
        TaskCard.from_mapping({**CARD, "metric": ""})
    with pytest.raises(SettingsError, match="unknown field 'titel'; did you mean 'title'"):
        TaskCard.from_mapping({**CARD, "titel": "t"})
