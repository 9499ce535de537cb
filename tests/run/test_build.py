from __future__ import annotations

from dataclasses import replace

import pytest
from support.commands import CONF

from harness.config.settings import task_spec
from harness.errors import SettingsError
from harness.importing import load_target
from harness.training.build import build_task

SPEC = task_spec(CONF / "task" / "faulty.yaml")


def test_a_task_gets_its_space_card_and_parameters() -> None:
    task = build_task(SPEC)
    assert task.space.names == ("x",)
    assert task.card.title == "goes wrong on order"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("support.faulty.Fautly", "'support.faulty' has no 'Fautly'; did you mean 'Faulty'?"),
        ("support.nothing.Faulty", "cannot import 'support.nothing'"),
        ("Faulty", "cannot import ''"),
        ("", "cannot import ''"),
        ("support.faulty.ACTIONS", "has no 'ACTIONS'"),
    ],
)
def test_a_target_that_is_not_there_is_told_with_the_nearest_name(target: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_target(target)
    assert words in str(refused.value)


def test_parameters_that_a_task_does_not_take_are_the_user_s_mistake() -> None:
    with pytest.raises(SettingsError, match=r"task 'faulty' cannot be built from its settings: .* unexpected keyword"):
        build_task(replace(SPEC, target="support.faulty._raise_text"))


def test_a_task_s_own_failure_goes_through_as_it_is() -> None:
    with pytest.raises(OSError, match="the data set is not there"):
        build_task(replace(SPEC, params={"constructor": "raise"}))
