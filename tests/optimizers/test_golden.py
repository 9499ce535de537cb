"""What each method proposes after fixed trials, at the version that it carries.

`HARNESS_REMAKE_GOLDEN=1 python -m pytest tests/optimizers/test_golden.py` writes `golden.json` anew once the versions were raised. Another
version of a method's library may round differently; the libraries of the file are those of scripts/constraints.txt.
"""

from __future__ import annotations

import random
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from optimizers.test_arms import METHODS, built, settings
from support.golden import check_golden

from harness.importing import load_target
from harness.space import Space, Value
from harness.testing.contracts.optimizer import NASTY, a_trial
from harness.trial import Proposal, Trajectory

HERE = Path(__file__).parent
LIBRARIES = {
    "skopt": "scikit-optimize",
    **dict.fromkeys(("tpe", "optuna", "pibo", "rules_gp", "rules_pibo"), "optuna"),
    "cma_es": "cmaes",
    "sobol": "scipy",
}
ARMS = (
    *METHODS,
    "random",
    "sobol",
    "default_only",
    "skopt_gp",
    "skopt_rf",
    "tpe",
    "optuna_gp",
    "rules",
    "rules_anonymous",
    "rules_shuffled",
)
LEVELS = Space.from_mapping(
    {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log", "default": 1e-2, "meaning": "step size"},
        "batch_size": {"type": "ordinal", "levels": [8, 16, 32, 64], "default": 32, "meaning": "rows"},
        "layers": {"type": "int", "low": 1, "high": 5, "default": 2, "meaning": "depth"},
        "optimizer": {"type": "categorical", "choices": ["sgd", "adam"], "default": "adam", "meaning": "update rule"},
        "momentum": {
            "type": "float",
            "low": 0.0,
            "high": 0.99,
            "default": 0.9,
            "meaning": "momentum",
            "when": {"optimizer": "sgd"},
        },
    }
)


def told(space: Space, size: int) -> Trajectory:
    """Return trials of fixed configurations, the first and every fourth failed, with scores below and above 0."""
    trajectory = Trajectory()
    for number in range(1, size + 1):
        config = space.default() if number == 2 else space.sample(random.Random(number))
        score = None if number % 4 == 1 else round(60 - 70 * sum((u - 0.4) ** 2 for u in space.to_unit(config)), 1)
        trajectory = trajectory.then(a_trial(number, Proposal(config), score))
    return trajectory


def shortened(value: Value) -> Value:
    # Six digits: the last bits of a library's optimiser are not those of another processor.
    return float(f"{value:.6g}") if isinstance(value, float) else value


def proposals(arm: str) -> dict[str, Any]:
    found = {}
    for name, space in (("levels", LEVELS), ("nasty", NASTY)):
        for size in (0, 1, 4, 8):
            if arm == "default_only" and size:
                continue
            config = built(arm, space, 3).propose(told(space, size)).config
            found[f"{name}, after {size} trials"] = {key: shortened(value) for key, value in config.items()}
    return found


@pytest.mark.parametrize("arm", ARMS)
def test_a_method_proposes_what_its_version_proposes(arm: str) -> None:
    library = next((package for start, package in LIBRARIES.items() if arm.startswith(start)), None)
    if library and f"{library}=={version(library)}" not in (HERE.parents[1] / "scripts" / "constraints.txt").read_text():
        pytest.skip(f"the golden proposals are of the {library} that scripts/constraints.txt pins")
    made = load_target(settings(arm)["_target_"])
    (name, number), *_ = made.versions.items()
    # The summary's version is part of what the rules are: a new summary may mean new proposals.
    combined = 1_000 * number + made.versions.get("tcs", 0)
    check_golden(HERE / "golden" / f"{arm}.json", {name: combined}, {name: proposals(arm)})


def test_every_method_that_ships_carries_a_version_and_is_held_to_golden_proposals() -> None:
    files = sorted(path.stem for path in (HERE.parents[1] / "conf" / "optimizer").glob("*.yaml"))
    targets = {arm: settings(arm).get("_target_") for arm in files}
    # Methods that ask an LLM, and the controls of one, are held to theirs in folders of their own.
    asking = tuple(
        f"harness.optimizers.{name}."
        for name in ("agent", "published", "selector", "opro", "llambo", "hybrid.tcs_gp", "hybrid.llm_share")
    )
    classical = {arm: target for arm, target in targets.items() if target and not target.startswith(asking)}
    assert {targets[arm] for arm in ARMS} | {targets["smac_hpo"]} == set(classical.values())  # SMAC is an extra
    assert all(load_target(target).versions for target in classical.values())
