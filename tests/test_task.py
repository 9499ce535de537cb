from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import Config, Epoch, HarnessError, NeedsData, Readiness, SettingsError, TaskCard, tasks_from
from harness.task import prepare_task, task_readiness
from harness.tasks.full.sst2_encoder import Sst2Encoder
from harness.tasks.full.water_potability import WaterPotability

CARD = {"title": "t", "domain": "d", "data": "x\n  y", "model": "m", "metric": "percent", "epochs": "10"}


def test_a_card_s_fields_are_one_line_each() -> None:
    card = TaskCard.from_mapping(CARD)
    assert (card.data, card.source) == ("x y", "")


def test_a_field_that_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(SettingsError, match="'metric' is missing"):
        TaskCard.from_mapping({**CARD, "metric": ""})
    with pytest.raises(SettingsError, match="unknown field 'titel'; did you mean 'title'"):
        TaskCard.from_mapping({**CARD, "titel": "t"})


class Far:
    """Data that must be fetched."""

    @staticmethod
    def ready(params: Mapping[str, Any]) -> Readiness:
        here = Path(params["file"]).exists()
        return Readiness("data", here, "all here" if here else "not here", "" if here else "make data")

    @staticmethod
    def prepare(params: Mapping[str, Any]) -> None:
        if "offline" in params:
            raise HarnessError("no connection")
        Path(params["file"]).write_text("rows")


@tasks_from.loop
def looped(config: Config, seed: int) -> Iterator[Epoch]:
    """Need nothing."""
    yield Epoch(val_score_pct=1.0)


@tasks_from.loop
def looped_far(config: Config, seed: int) -> Iterator[Epoch]:
    """Need what Far needs."""
    yield Epoch(val_score_pct=1.0)


vars(looped_far).update(ready=Far.ready, prepare=Far.prepare)


class Wrong:
    """Answer with a text."""

    @staticmethod
    def ready(params: Mapping[str, Any]) -> str:
        return "yes"


def target(made: Any) -> str:
    return f"{__name__}.{made}"


@pytest.mark.parametrize("name", ["Far", "looped_far"])
def test_a_class_or_a_function_is_ready_once_its_data_are_fetched(name: str, tmp_path: Path) -> None:
    params = {"file": str(tmp_path / "rows")}
    assert task_readiness(target(name), params) == Readiness("data", False, "not here", "make data")
    prepare_task(target(name), params)
    assert task_readiness(target(name), params).ready
    with pytest.raises(HarnessError, match="no connection"):
        prepare_task(target(name), {**params, "offline": True})


@pytest.mark.parametrize("path", [target("looped"), "harness.tasks.toy.Toy"])
def test_a_task_without_data_of_its_own_is_ready_and_has_nothing_to_fetch(path: str) -> None:
    assert task_readiness(path, {}) == Readiness("task", True, "data included")
    with pytest.raises(SettingsError, match=r"its YAML names data, and .* has no prepare\(params\) to fetch them"):
        prepare_task(path, {})


def test_a_readiness_of_another_type_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"Wrong: ready\(params\) must return a Readiness, not str"):
        task_readiness(target("Wrong"), {})


def test_the_tasks_on_public_data_hold_to_the_contract_by_their_types() -> None:
    public: tuple[NeedsData, ...] = (WaterPotability, Sst2Encoder)
    assert all(callable(task.prepare) and callable(task.ready) for task in public)
