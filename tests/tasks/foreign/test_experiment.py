"""The study on tasks of others: what it runs."""

from __future__ import annotations

import yaml

from harness.config.settings import conf_dir


def test_every_arm_is_tried_with_and_without_the_default_first() -> None:
    experiment = yaml.safe_load((conf_dir() / "experiment" / "foreign.yaml").read_text())
    params = experiment["hydra"]["sweeper"]["params"]
    arms = params["optimizer"].split(",")
    plain = [arm for arm in arms if not arm.endswith("+default")]
    assert {*plain} == {"random", "sobol", "tpe", "rules", "skopt_rf", "optuna_gp"}
    assert sorted(arms) == sorted([*plain, *(f"{arm}+default" for arm in plain)])
    assert (params["task"], experiment["seeds"]) == ("foreign", 5)
    assert {"override /hydra/launcher": "joblib"} in experiment["defaults"]
