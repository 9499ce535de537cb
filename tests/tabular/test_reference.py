"""The reference of a table."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from harness.config.settings import task_spec
from harness.space import Space
from harness.tabular.grid import enumerate_configs, key_of
from harness.tabular.header import find_table
from harness.tabular.reference import probabilities, reference_of, scale_of
from harness.tabular.table import Table, read_table

ROOT = Path(__file__).resolve().parents[2]


def table_of(name: str) -> Table:
    return read_table(find_table(task_spec(ROOT / "conf" / "task" / f"{name}.yaml"))[0])


@pytest.mark.parametrize("name", ["digits", "ratings", "graph"])
def test_it_is_the_best_of_the_grid_and_the_median_of_random_trials(name: str) -> None:
    table = table_of(name)
    reference = reference_of(table)
    assert reference
    assert reference.test
    bests = [best for best in table.header.best_val_score_pct.values() if best is not None]
    assert reference.val.best == max(bests)
    # Random search itself, on the recorded trainings.
    rng, seeds = random.Random(7), table.header.subject.train_seeds
    drawn = [table.outcome(table.number(table.space.sample(rng)), rng.choice(list(seeds))) for _ in range(4000)]
    for scale, scores in (
        (reference.val, [o.val_score_pct for o in drawn]),
        (reference.test, [o.test_score_pct for o in drawn]),
    ):
        low, high = np.quantile([-np.inf if score is None else score for score in scores], [0.46, 0.54], method="nearest")
        assert low <= scale.median <= high
    assert reference.to_mapping()["source"] == reference.source


def test_a_configuration_with_fewer_hyperparameters_is_more_likely() -> None:
    space = Space.from_mapping(
        {
            "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "default": "sgd", "meaning": "rule"},
            "momentum": {
                "type": "ordinal",
                "levels": [0.0, 0.5, 0.9],
                "default": 0.0,
                "meaning": "m",
                "when": {"optimizer": "sgd"},
            },
        }
    )
    likely = dict(zip(map(key_of, enumerate_configs(space)), probabilities(space).tolist(), strict=True))
    assert likely[("optimizer", "adam"),] == 0.5
    assert sorted(likely.values()) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 0.5])


def test_a_failure_counts_as_the_worst_and_a_median_failure_gives_none() -> None:
    even = np.ones((1, 4))
    found = scale_of(np.array([[-np.inf, 3.0, 1.0, 2.0]]), even)
    assert found
    assert (found.median, found.best) == (1.0, 3.0)
    assert scale_of(np.array([[-np.inf, -np.inf, -np.inf, 2.0]]), even) is None
    assert scale_of(np.array([[2.0, 2.0, 2.0, 2.0]]), even) is None
    weighted = scale_of(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1.0, 1.0, 1.0, 5.0]]))
    assert weighted is None  # the best is the median: nothing to normalise by
