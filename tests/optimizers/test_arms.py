"""The files of conf/optimizer, and what the modules that they name import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.importing import load_target
from harness.optimizer import ROLES
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY
from harness.trial import Trajectory

ROOT = Path(__file__).resolve().parents[2]
ARMS = {
    "random": 0,
    "sobol": 0,
    "skopt_gp": 3,
    "skopt_gp_startup10": 10,
    "tpe": 3,
    "tpe_startup10": 10,
    "optuna_gp": 3,
    "optuna_gp_startup5": 5,
    "skopt_gp_startup5": 5,
    "skopt_rf": 3,
    "default_only": 0,
}
# Arms of the suite `methods`: not in `classical`, so that older studies stay what they were.
METHODS = {"tpe_group": 3, "pibo": 3, "cma_es": 1, "local_search": 0, "rules_gp": 0, "rules_pibo": 0}
HEAVY = ("cmaes", "numpy", "scipy", "sklearn", "skopt", "optuna", "torch", "pandas", "hydra", "omegaconf")


def settings(arm: str) -> dict[str, Any]:
    """Return an arm's YAML with what it inherits from others, references left as they are."""
    loaded = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "optimizer" / f"{arm}.yaml"))
    assert isinstance(loaded, dict)
    own = {str(key): value for key, value in loaded.items() if key != "defaults"}
    bases = [settings(base) for base in loaded.get("defaults", []) if isinstance(base, str) and base != "_self_"]
    merged = OmegaConf.to_container(OmegaConf.merge(*bases, own)) if bases else own
    assert isinstance(merged, dict)
    return {str(key): value for key, value in merged.items()}


def options_of(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of an arm that asks no LLM, for a budget of 10."""
    options = {**spec["options"], **({"startup_trials": spec["startup_trials"]} if spec["startup_trials"] else {})}
    filled = {"budget": 10, "names": "anonymous" if options.get("names") == "anonymous" else "real"}
    return options | {key: filled[key] for key in filled.keys() & options.keys()}


def built(arm: str, space: Space, seed: int) -> Any:
    """Build an arm that asks no LLM."""
    spec = settings(arm)
    return load_target(spec["_target_"])(space, seed, **options_of(spec))


@pytest.mark.parametrize("arm", [*ARMS, *METHODS])
def test_every_classical_arm_builds_under_its_own_name_with_its_start_up_trials_stated(arm: str) -> None:
    spec = settings(arm)
    suite, startup = ("classical", ARMS[arm]) if arm in ARMS else ("methods", METHODS[arm])
    assert (spec["name"], spec["suite"], spec["startup_trials"]) == (arm, suite, startup)
    NASTY.check(built(arm, NASTY, 3).propose(Trajectory()).config)


@pytest.mark.parametrize("path", sorted((ROOT / "conf" / "optimizer").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_arm_says_what_it_is_to_the_report(path: Path) -> None:
    spec = settings(path.stem)
    assert spec["role"] in ROLES
    assert (spec["role"] == "llm") == ("context" in spec)


def test_the_name_of_an_arm_that_is_random_for_ten_trials_says_so() -> None:
    assert all(arm.endswith("startup10") for arm, startup in ARMS.items() if startup >= 10)


def test_no_library_is_imported_before_the_first_proposal_and_by_random_search_not_even_then() -> None:
    code = f"""
import importlib, sys
from harness.optimizers.random import Random
from harness.optimizers.default_only import DefaultOnly
from harness.space import Space
from harness.trial import Trajectory
space = Space.from_mapping({{"x": {{"type": "float", "low": 0, "high": 1, "default": 0, "meaning": "m"}}}})
for optimizer in (Random(space, 0), DefaultOnly(space, 0)):
    optimizer.propose(Trajectory())
for target, options in {[(spec["_target_"], options_of(spec)) for spec in map(settings, [*ARMS, *METHODS])]!r}:
    module, _, name = target.rpartition(".")
    getattr(importlib.import_module(module), name)(space, 0, **options)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
