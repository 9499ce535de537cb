from __future__ import annotations

import functools
from pathlib import Path

import pytest
from support.cells import cells_of


@functools.cache
def ids(*overrides: str) -> list[str]:
    return [cell.id for cell in cells_of(Path("runs"), *overrides)[0]]


SAME = [
    ("out=elsewhere",),
    ("study=other",),
    ("progress=off", "store.sync=cell"),
    ("tracking=wandb_offline",),
    ("seeds=[0]",),
    ("train_seed=0",),
    ("task.card.title=another",),
    ("optimizer.suite=own",),
    ("task.space.learning_rate.low=0.00001",),
]
OTHER = [
    ("seed=1",),
    ("train_seed=1",),
    ("budget=11",),
    ("start=default",),
    ("optimizer=sobol",),
    ("arm=mine",),
    ("task.name=mine",),
    ("task.version=2",),
    ("task.params.epochs=4",),
    ("task.space.learning_rate.high=5",),
    ("task.space.momentum.default=0.6",),
    ("limits.trial_seconds=5",),
    ("optimizer.startup_trials=1",),
]


@pytest.mark.parametrize("overrides", SAME)
def test_what_does_not_decide_the_result_does_not_change_the_cell(overrides: tuple[str, ...]) -> None:
    assert ids(*overrides) == ids()


@pytest.mark.parametrize("overrides", OTHER)
def test_what_decides_the_result_makes_another_cell(overrides: tuple[str, ...]) -> None:
    assert set(ids(*overrides)).isdisjoint(ids())


def test_an_id_is_a_promise_to_records_that_exist() -> None:
    # A change here makes every finished cell of every study look new: bump nothing by accident.
    assert ids() == ["9df529eaf559bfa4"]


def test_a_folder_is_named_for_people_and_carries_the_id() -> None:
    (cell,), _ = cells_of(Path("runs"), "start=default", "seed=7")
    assert cell.folder == f"toy/random+default/seed7-{cell.id[:8]}"
