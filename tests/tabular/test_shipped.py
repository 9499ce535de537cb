"""The tables that come with the harness."""

from __future__ import annotations

import statistics
from functools import cache
from pathlib import Path

import pytest

from harness.config.settings import task_spec
from harness.tabular.grid import Grid
from harness.tabular.header import find_table, grid_space
from harness.tabular.machine import signature
from harness.tabular.table import Table, read_table
from harness.tabular.verify import verify
from harness.training.build import build_task
from harness.training.trainer import InProcess

ROOT = Path(__file__).resolve().parents[2]
CORE = ("digits", "friedman", "graph", "madelon", "ratings", "text")
LARGEST_BYTES = 40_000_000


@cache
def table_of(name: str) -> Table:
    return read_table(find_table(task_spec(ROOT / "conf" / "task" / f"{name}.yaml"))[0])


def scores(table: Table, seed: int) -> list[float]:
    """Return the validation scores of a training seed, 0 for what failed."""
    return [table.outcome(number, seed).val_score_pct or 0.0 for number in range(table.header.configs)]


def test_they_are_small_together() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "tasks" / "tabular").glob("*.npz")) <= LARGEST_BYTES


@pytest.mark.parametrize("name", CORE)
def test_each_fits_the_settings_of_its_task_and_holds_the_whole_grid(name: str) -> None:
    table = table_of(name)
    assert len(table.header.subject.train_seeds) >= 3
    assert 1000 <= table.header.configs <= 2500
    assert len(table.numbers) == table.header.configs == table.arrays["status"].shape[1]
    assert not [error for error in table.header.errors if "process died" in error]


@pytest.mark.parametrize("name", CORE)
def test_tuning_pays_on_each_and_a_cell_of_random_draws_seldom_finds_the_best(name: str) -> None:
    for seed in table_of(name).header.subject.train_seeds:
        ordered = sorted(scores(table_of(name), seed))
        best, count = ordered[-1], len(ordered)
        assert best - statistics.median(ordered) > 10.0
        # Ten draws miss the best hundredth of a grid nine times in ten, and that must be worth something.
        assert best - ordered[int(0.93 * count)] > 0.5


@pytest.mark.parametrize("name", CORE)
def test_the_default_is_in_the_table_and_is_not_its_best(name: str) -> None:
    table = table_of(name)
    default = table.number(table.space.default())
    for seed, best in table.header.best_val_score_pct.items():
        assert best is not None
        assert (table.outcome(default, int(seed)).val_score_pct or 0.0) < best - 0.5


@pytest.mark.parametrize("name", CORE)
def test_entries_trained_again_are_equal_where_libraries_and_processor_are_the_same(name: str) -> None:
    table = table_of(name)
    here = signature()
    if others := [key for key in here if table.header.signature.get(key) != here[key]]:
        pytest.skip(f"the table was made with another {', '.join(others)}")
    task = task_spec(ROOT / "conf" / "task" / f"{name}.yaml")
    assert all(comparison.equal for comparison in verify(task, table, 2))


def test_a_live_default_is_what_the_table_holds_of_it_within_some_points() -> None:
    task = task_spec(ROOT / "conf" / "task" / "text.yaml")
    table, grid = table_of("text"), Grid(grid_space(task), task.space)
    config = grid.space.default()
    live = InProcess(build_task(task)).train(grid.complete(config), seed=0)
    assert live.val_score_pct == pytest.approx(table.outcome(table.number(config), 0).val_score_pct, abs=5.0)
