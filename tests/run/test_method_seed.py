"""What a method draws depends on the task, and on nothing else that two arms of a pair differ in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.cells import cells_of

from harness.cell import Cell
from harness.optimizers.random import Random
from harness.space import Space
from harness.trial import Trajectory

UNIT = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m"}})


def cell_of(*overrides: str) -> Cell:
    (cell,), _ = cells_of(Path("runs"), *overrides)
    return cell


@pytest.mark.parametrize("arm", ["start=default", "optimizer=rules", "budget=7", "task.version=3", "limits.trial_seconds=9"])
def test_arms_of_a_task_and_seed_share_the_key_of_their_draws(arm: str) -> None:
    assert cell_of(arm).method_seed == cell_of().method_seed


def test_the_training_seed_is_the_cells_own() -> None:
    assert cell_of("seed=5").train_seed == 5


@pytest.mark.full
def test_first_draws_of_one_seed_are_not_correlated_over_tasks() -> None:
    draws = np.array(
        [
            [
                Random(UNIT, cell_of(f"task.name={task}", f"seed={seed}").method_seed).propose(Trajectory()).config["x"]
                for seed in range(60)
            ]
            for task in ("digits", "text", "graph")
        ],
        dtype=float,
    )
    off_diagonal = np.corrcoef(draws)[np.triu_indices(3, 1)]
    assert np.abs(off_diagonal).max() < 0.35  # 60 pairs: chance alone stays below it 99 times in 100; shared draws give 1
