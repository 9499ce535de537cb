from __future__ import annotations

import json
import random

import pytest

from harness.errors import Exhausted
from harness.optimizer import Optimizer
from harness.optimizers.local_search import SMALLEST_STEP, LocalSearch, neighbour
from harness.space import Config, Space
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, a_trial, bumpy, configs, run
from harness.trial import Proposal, Trajectory

GRID = Space.from_mapping(
    {
        "layers": {"type": "int", "low": 1, "high": 3, "default": 2, "meaning": "m"},
        "kind": {"type": "categorical", "choices": ["a", "b"], "default": "a", "meaning": "m"},
        "extra": {"type": "bool", "default": False, "meaning": "m", "when": {"kind": "b"}},
    }
)


class TestLocalSearch(OptimizerContract):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return LocalSearch(space, seed)


def changed(before: Config, after: Config) -> set[str]:
    return {name for name in before.keys() & after.keys() if json.dumps(before[name]) != json.dumps(after[name])}


def test_it_changes_one_or_two_hyperparameters_of_the_incumbent_and_a_newly_active_one_has_its_default() -> None:
    whole = run(LocalSearch(NASTY, 1), bumpy, 60)
    for place in range(1, 60):
        best = Trajectory(whole.trials[:place]).incumbent
        if best is None:
            continue
        after = whole[place].config
        assert 1 <= len(changed(best.config, after)) <= 2
        assert all(after[name] == NASTY[name].default for name in after.keys() - best.config.keys())


@pytest.mark.parametrize("name", NASTY.names)
def test_a_neighbour_is_another_value_and_an_ordered_level_moves_by_one(name: str) -> None:
    hp, rng = NASTY[name], random.Random(0)
    for _ in range(200):
        value = hp.sample(rng)
        moved = neighbour(hp, value, SMALLEST_STEP, rng)
        assert hp.problem(moved) is None
        assert json.dumps(moved) != json.dumps(value)
        if name == "batch_size":
            assert abs(hp.to_unit(moved) - hp.to_unit(value)) == pytest.approx(0.25)


def test_steps_shrink_while_nothing_gets_better() -> None:
    line = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m"}})

    def mean_step(misses: int) -> float:
        trials = [a_trial(1, Proposal({"x": 0.5}), 50.0)]
        trials += [a_trial(n, Proposal({"x": n / 1e6}), 1.0) for n in range(2, misses + 2)]
        found = [LocalSearch(line, seed).propose(Trajectory(tuple(trials))).config["x"] for seed in range(300)]
        return sum(abs(float(x) - 0.5) for x in found) / len(found)

    assert mean_step(0) > 1.6 * mean_step(3) > 2.2 * mean_step(30)


def test_a_whole_grid_is_tried_once_and_then_it_is_exhausted() -> None:
    whole = run(LocalSearch(GRID, 0), lambda number, proposal: float(number % 5), 50)
    assert len(set(configs(whole))) == len(whole) == 9
    with pytest.raises(Exhausted):
        LocalSearch(GRID, 0).propose(whole)
