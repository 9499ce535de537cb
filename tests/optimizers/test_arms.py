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
HEAVY = ("numpy", "scipy", "sklearn", "skopt", "optuna", "torch", "pandas", "hydra", "omegaconf")


def settings(arm: str) -> dict[str, Any]:
    """Return an arm's YAML with what it inherits from others, references left as they are."""
    loaded = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "optimizer" / f"{arm}.yaml"))
    assert isinstance(loaded, dict)
    own = {str(key): value for key, value in loaded.items() if key != "defaults"}
    bases = [settings(base) for base in loaded.get("defaults", []) if isinstance(base, str) and base != "_self_"]
    merged = OmegaConf.to_container(OmegaConf.merge(*bases, own)) if bases else own
    assert isinstance(merged, dict)
    return {str(key): value for key, value in merged.items()}


@pytest.mark.parametrize("arm", ARMS)
def test_every_classical_arm_builds_under_its_own_name_with_its_start_up_trials_stated(arm: str) -> None:
    spec = settings(arm)
    assert (spec["name"], spec["suite"], spec["startup_trials"]) == (arm, "classical", ARMS[arm])
    options = {"startup_trials": ARMS[arm]} if ARMS[arm] else {}
    optimizer = load_target(spec["_target_"])(NASTY, 0, **options, **spec["options"])
    NASTY.check(optimizer.propose(Trajectory()).config)


@pytest.mark.parametrize("path", sorted((ROOT / "conf" / "optimizer").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_arm_says_what_it_is_to_the_report(path: Path) -> None:
    spec = settings(path.stem)
    assert spec["role"] in ROLES
    assert (spec["role"] == "llm") == ("context" in spec)


def test_the_name_of_an_arm_that_is_random_for_ten_trials_says_so() -> None:
    assert all(arm.endswith("startup10") for arm, startup in ARMS.items() if startup >= 10)


def test_no_library_is_imported_before_the_first_proposal_and_by_random_search_not_even_then() -> None:
    targets = sorted({tuple(settings(arm)["_target_"].rsplit(".", 1)) for arm in ARMS})
    code = f"""
import importlib, sys
from harness.space import Space
from harness.trial import Trajectory
space = Space.from_mapping({{"x": {{"type": "float", "low": 0, "high": 1, "default": 0, "meaning": "m"}}}})
for module, name in {targets!r}:
    made = getattr(importlib.import_module(module), name)
    options = {{"startup_trials": 3}} if name in ("SkoptGP", "SkoptRF", "TPE", "OptunaGP") else {{}}
    optimizer = made(space, 0, **options)
    if name in ("Random", "DefaultOnly"):
        optimizer.propose(Trajectory())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
