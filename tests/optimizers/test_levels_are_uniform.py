"""Every arm draws its start-up trials uniformly over levels, on the space's scale: live and in a table."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from optimizers.test_arms import settings
from scipy.stats import chisquare

from harness.importing import load_target
from harness.space import Space
from harness.space.hyperparameter import Choice, Hyperparameter, Number, Value
from harness.tabular.grid import Grid
from harness.trial import Trajectory

ROOT = Path(__file__).resolve().parents[2]
ARMS = ("random", "sobol", "skopt_gp", "skopt_rf", "tpe", "optuna_gp", "cma_es")
SEEDS = 600
WHOLE = Space.from_mapping(
    {
        "layers": {"type": "int", "low": 1, "high": 3, "default": 2, "meaning": "m"},
        "units": {"type": "int", "low": 1, "high": 8, "scale": "log", "default": 2, "meaning": "m"},
        "batch": {"type": "ordinal", "levels": [8, 16, 32, 64, 128], "default": 32, "meaning": "m"},
        "rate": {"type": "float", "low": 0.001, "high": 1.0, "scale": "log", "default": 0.01, "meaning": "m"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a", "meaning": "m"},
        "flag": {"type": "bool", "default": True, "meaning": "m"},
    }
)
SPACES = {
    "live": WHOLE,
    "table": Grid.of(WHOLE, {"layers": 3, "units": 4, "batch": [8, 32, 128], "rate": 9, "kind": ["a", "c"]}).space,
}


@cache
def drawn(arm: str, space: str) -> list[dict[str, Value]]:
    spec = settings(arm)
    options = {"startup_trials": spec["startup_trials"]} if spec["startup_trials"] else {}
    made = load_target(spec["_target_"])
    return [dict(made(SPACES[space], seed, **options).propose(Trajectory()).config) for seed in range(SEEDS)]


def shares(hp: Hyperparameter) -> dict[Value, float]:
    """Return the probability of each level: equal, but on a log scale an integer owns what lies within half a step of it."""
    levels = (
        list(hp.choices) if isinstance(hp, Choice) else list(range(int(hp.low), int(hp.high) + 1)) if isinstance(hp, Number) else []
    )
    counts = Counter(hp.from_unit((k + 0.5) / 20_000) for k in range(20_000))
    return {level: counts[level] / 20_000 for level in levels}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("arm", ARMS)
def test_the_first_trials_of_an_arm_are_uniform_over_levels(arm: str, space: str) -> None:
    for hp in SPACES[space]:
        if isinstance(hp, Number) and not hp.integer:
            continue
        expected = shares(hp)
        counts = Counter(config[hp.name] for config in drawn(arm, space))
        assert chisquare([counts[v] for v in expected], [SEEDS * p for p in expected.values()]).pvalue > 1e-4, hp.name


def test_an_integers_levels_have_equal_shares_on_a_linear_scale() -> None:
    assert shares(WHOLE["layers"]) == pytest.approx({1: 1 / 3, 2: 1 / 3, 3: 1 / 3}, abs=1e-3)
