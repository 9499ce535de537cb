from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import Config, Epoch, HarnessError, NeedsData, Readiness, Reference, Scale, SettingsError, TaskCard, tasks_from
from harness.task import TaskSpec, prepare_task, task_readiness
from harness.tasks.full.sst2_encoder import Sst2Encoder
from harness.tasks.full.water_potability import WaterPotability
from harness.trial import Direction, Objective

CARD = {"title": "t", "domain": "d", "data": "x\n  y", "model": "m", "metric": "percent", "epochs": "10"}


def test_a_card_s_fields_are_one_line_each() -> None:
    card = TaskCard.from_mapping(CARD)
    assert (card.data, card.source) == ("x y", "")


def test_a_field_that_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(SettingsError, match="'metric' is missing"):
        TaskCard.from_mapping({**CARD, "metric": ""})
    with pytest.raises(SettingsError, match="unknown field 'titel'; did you mean 'title'"):
        TaskCard.from_mapping({**CARD, "titel": "t"})


def test_a_reference_is_read_in_the_task_s_unit_and_kept_in_points() -> None:
    rmse = Objective("rmse", Direction.MINIMIZE, "mg/dl", margin=0.9)
    given = {"val": {"median": 30.0, "best": 10.0}, "test": {"median": 40.0, "best": 20.0}, "source": "a\n  grid"}
    reference = Reference.from_mapping(given, rmse)
    assert reference == Reference(Scale(-30.0, -10.0), Scale(-40.0, -20.0), "a grid")
    assert [reference.val.normalised(rmse.points(score)) for score in (30.0, 10.0, 20.0, 50.0)] == [0.0, 1.0, 0.5, -1.0]
    # As a manifest holds it.
    assert Reference.from_mapping(reference.to_mapping()) == reference
    untested = Objective("rmse", Direction.MINIMIZE, "mg/dl", 0.9, test=False)
    assert Reference.from_mapping(given, untested).to_mapping()["test"] is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"val": {"median": 1.0, "best": 2.0}}, r"^reference: needs val: .* and source: where they are from$"),
        ({"source": "s"}, r"^reference: needs val: "),
        ({"vaal": {}, "source": "s"}, r"^reference: unknown field 'vaal'; did you mean 'val'\?$"),
        ({"val": {"median": 2.0, "best": 1.0}, "source": "s"}, r"^reference: val=.*the best must be better$"),
        ({"val": {"median": 2.0, "best": float("inf")}, "source": "s"}, r"^reference: val="),
        ({"val": {"median": 2.0}, "source": "s"}, r"^reference: val="),
        ({"val": 3, "source": "s"}, r"^reference: val=3: give "),
    ],
)
def test_a_reference_that_makes_no_sense_is_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Reference.from_mapping(given)


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


@pytest.mark.parametrize("name", ["rmse", "val_loss", "Log loss", "mean absolute error", "RMSE"])
def test_an_error_without_a_direction_is_not_maximised_without_a_word(name: str) -> None:
    entries = {"name": "mine", "_target_": "a.B", "card": CARD}
    space = {"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "x"}}
    metric = {"name": name, "unit": "kWh", "margin": 0.5}
    given: dict[str, Any] = {**entries, "space": space, "metric": metric}
    with pytest.raises(SettingsError, match="add direction: minimize"):
        TaskSpec.from_mapping(given)
    for direction in ("minimize", "maximize"):
        spec = TaskSpec.from_mapping({**given, "metric": {**metric, "direction": direction}})
        assert str(spec.objective.direction) == direction
