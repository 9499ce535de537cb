"""Ranges at the ends of what integers and floats hold: a method proposes members of the space, or one line says why it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from harness.config.settings import conf_dir
from harness.errors import SettingsError
from harness.importing import load_target
from harness.optimizers.skopt_rf import SkoptRF
from harness.space import Space
from harness.tabular.grid import Grid
from harness.tcs import render, summarize
from harness.trial import Epoch, Outcome, Trajectory, Trial

RANGES: dict[str, dict[str, Any]] = {
    "63 bits": {"type": "int", "low": 0, "high": 2**63 - 1, "default": 2**62 + 1},
    "63 bits, log": {"type": "int", "low": 1, "high": 2**63 - 1, "scale": "log", "default": 2**53 + 1},
    "63 bits, signed": {"type": "int", "low": -(2**62), "high": 2**62 - 1, "default": -(2**53) - 1},
    "31 bits": {"type": "int", "low": 0, "high": 2**31 - 1, "default": 7},
    "below zero": {"type": "int", "low": -10, "high": -1, "default": -5},
    "two values": {"type": "int", "low": 0, "high": 1, "default": 0},
    "tiny": {"type": "float", "low": 1e-30, "high": 1e-20, "scale": "log", "default": 1e-25},
    "large": {"type": "float", "low": 1e30, "high": 1e38, "default": 1e38},
}
METHODS = {
    "random": ("random.Random", {}),
    "sobol": ("sobol.Sobol", {}),
    "rules": ("rules.policy.Rules", {"budget": 6}),
    "tpe": ("tpe.TPE", {"startup_trials": 3}),
    "optuna_gp": ("optuna_gp.OptunaGP", {"startup_trials": 3}),
    "skopt_gp": ("skopt_gp.SkoptGP", {"startup_trials": 3}),
    "skopt_rf": ("skopt_rf.SkoptRF", {"startup_trials": 3}),
}


def space_of(entry: dict[str, Any]) -> Space:
    other = {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "m"}
    return Space.from_mapping({"x": {**entry, "meaning": "m"}, "y": other})


@pytest.mark.parametrize("entry", RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_proposes_members_of_odd_ranges(method: str, entry: dict[str, Any]) -> None:
    space = space_of(entry)
    target, options = METHODS[method]
    optimizer = load_target(f"harness.optimizers.{target}")(space, 0, **options)
    trajectory = Trajectory()
    for number in range(1, 7):
        proposal = optimizer.propose(trajectory)
        assert space.problems(proposal.config) == ()
        assert type(proposal.config["x"]) is (int if entry["type"] == "int" else float)
        outcome = Outcome.of_curve((Epoch(val_score_pct=50.0 + 7 * (number % 3), number=1),), 0.1)
        trajectory = Trajectory((*trajectory, Trial(number, proposal, outcome, 0.0)))
    assert "incumbent: trial 2" in render(summarize(space, trajectory, 10))


def test_every_method_of_the_classical_suite_is_among_them() -> None:
    texts = [path.read_text() for path in (conf_dir() / "optimizer").glob("*.yaml")]
    learning = {text.split("_target_:")[1].split()[0] for text in texts if "suite: classical" in text}
    assert learning - {f"harness.optimizers.{target}" for target, _ in METHODS.values()} <= {
        "harness.optimizers.default_only.DefaultOnly"
    }


@pytest.mark.parametrize("entry", RANGES.values(), ids=RANGES)
def test_a_table_has_levels_from_end_to_end_of_odd_ranges(entry: dict[str, Any]) -> None:
    grid = Grid.of(space_of(entry), {"x": 3})
    levels = {config["x"] for config in grid.configs}
    assert levels >= {entry["default"]}
    assert len(levels & {entry["low"], entry["high"]}) >= 1
    assert all(space_of(entry).problems({"x": level, "y": 0.5}) == () for level in levels)


def test_an_integer_keeps_its_last_digit() -> None:
    hp = space_of(RANGES["63 bits"])["x"]
    assert hp.problem(2**63 - 1) is None
    assert hp.problem(2**63) == "x: 9223372036854775808 is above the maximum 9223372036854775807"
    assert hp.default == 2**62 + 1
    assert Space.from_mapping(space_of(RANGES["63 bits"]).to_mapping()) == space_of(RANGES["63 bits"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"high": 2**63}, "integers have 63 bits"),
        ({"low": -(2**63) - 1}, "integers have 63 bits"),
        ({"low": -(2**62), "high": 2**62}, "from low to high at most 9223372036854775807"),
        ({"type": "float", "low": -1.7e308, "high": 1.7e308}, "further than the largest float"),
    ],
)
def test_a_range_that_no_method_can_search_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match="hyperparameter 'x'") as refused:
        space_of({**RANGES["31 bits"], **change})
    assert words in str(refused.value)


def test_what_the_forest_cannot_hold_is_refused_before_the_first_trial() -> None:
    space = space_of({"type": "float", "low": 1e300, "high": 1.7e308, "default": 1e308})
    with pytest.raises(SettingsError, match=r"hyperparameter 'x': the forest of skopt_rf takes numbers up to 3\.4e\+38"):
        SkoptRF(space, 0, startup_trials=3)


UNDERFLOW: dict[str, Any] = {"type": "float", "low": 1e-300, "high": 1e-290, "scale": "log", "default": 1e-295}


@pytest.mark.parametrize("method", METHODS)
def test_a_log_range_next_to_0_works_or_is_refused_before_the_first_trial(method: str) -> None:
    if not method.startswith("skopt"):
        test_every_method_proposes_members_of_odd_ranges(method, UNDERFLOW)
        return
    target, options = METHODS[method]
    with pytest.raises(SettingsError, match=f"hyperparameter 'x': {method} takes no log range as close to 0"):
        load_target(f"harness.optimizers.{target}")(space_of(UNDERFLOW), 0, **options)
