"""Tasks of a user's own whose scores are no percentages, or have no test score: from the command to the records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.sweeps import in_full_but

from harness.config.settings import task_spec
from harness.errors import SettingsError
from harness.trial import PERCENT, Direction, Objective

CODE = """
from harness import Epoch, tasks_from

@tasks_from.loop
def Rmse(config, seed):
    for epoch in range(4):
        value = 154.0 + 400.0 * (config["x"] - 0.3) ** 2 + 8.0 / (epoch + 1)
        yield Epoch(val_score_pct=value, test_score_pct=value + 1.0)

@tasks_from.loop
def Share(config, seed):
    yield Epoch(val_score_pct=0.9 - (config["x"] - 0.3) ** 2)
"""
CARD = {"title": "t", "domain": "d", "data": "d", "model": "m", "metric": "m", "epochs": "4"}
SPACE = {"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.9, "meaning": "x"}}
METRIC = {"name": "rmse", "direction": "minimize", "unit": "mg/dl", "margin": 0.5}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "units.py").write_text(CODE)
    tasks: dict[str, dict[str, Any]] = {"rmse": {"metric": METRIC}, "share": {}, "silent": {"test": "none"}}
    for name, more in tasks.items():
        spec = {"name": name, "_target_": f"units.{'Rmse' if name == 'rmse' else 'Share'}", "card": CARD, "space": SPACE, **more}
        (tmp_path / "conf" / "task").mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / "task" / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def summaries(home: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(home.glob("runs/main/*/*/*/summary.json"))]


@pytest.mark.parametrize(
    "optimizer", in_full_but(lambda name: name != "optuna_gp", ["random", "tpe", "optuna_gp", "skopt_gp", "rules"])
)
def test_an_error_above_100_is_minimised(home: Path, cli: Callable[..., Any], optimizer: str) -> None:
    ran = cli("task=rmse", f"optimizer={optimizer}", "budget=8", "tracking=off", "progress=off")
    assert ran.status == 0, ran.err
    (summary,) = summaries(home)
    (path,) = home.glob("runs/main/rmse/*/*/trials.jsonl")
    scores = [json.loads(line)["val_score_pct"] for line in path.read_text().splitlines()]
    assert summary["val_score_pct"] == min(scores) < 200.0
    assert summary["test_score_pct"] == summary["val_score_pct"] + 1.0
    if optimizer != "random":
        assert summary["val_score_pct"] < 165.0  # near the lowest value, 156, and not near the highest


def test_in_a_child_the_outcome_is_the_same(home: Path, cli: Callable[..., Any]) -> None:
    for more in ((), ("limits.trial_seconds=60", "arm=limited")):
        assert cli("task=rmse", "budget=3", "tracking=off", "progress=off", *more).status == 0
    here, there = summaries(home)
    assert here["val_score_pct"] == there["val_score_pct"]


def test_shares_under_a_percentage_are_one_warning(home: Path, cli: Callable[..., Any]) -> None:
    ran = cli("task=share", "budget=3", "seeds=2", "tracking=off", "progress=off")
    assert ran.status == 0
    assert ran.err.count("if they are shares, multiply them by 100") == 1
    # One configuration again and again may just be bad.
    alone = cli("task=share", "optimizer=default_only", "budget=3", "tracking=off", "progress=off")
    assert (alone.status, alone.err.count("shares")) == (0, 0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"metric": {"name": "rmse", "unit": "mg/dl"}},
            "metric: margin is missing: give the difference in mg/dl that matters, e.g. margin: 0.5",
        ),
        ({"metric": {"direction": "minimise"}}, "metric: direction=minimise; did you mean 'minimize'?"),
        ({"metric": {"unit": "s", "margin": 0}}, "metric: margin=0: give a number above 0, in s"),
        ({"metric": {"unti": "s"}}, "metric: unknown field 'unti'; did you mean 'unit'?"),
        ({"test": "no"}, "test: 'no': give none for a task without a test score, or leave it out"),
    ],
)
def test_a_metric_that_makes_no_sense_is_one_line(home: Path, more: dict[str, Any], words: str) -> None:
    path = home / "conf" / "task" / "odd.yaml"
    path.write_text(yaml.safe_dump({"name": "odd", "_target_": "units.Rmse", "card": CARD, "space": SPACE, **more}))
    with pytest.raises(SettingsError) as refused:
        task_spec(path)
    assert str(refused.value) == f"task 'odd': {words}"


def test_a_number_without_a_unit_is_no_percentage(home: Path, cli: Callable[..., Any]) -> None:
    path = home / "conf" / "task" / "share.yaml"
    metric = {"name": "log loss", "direction": "minimize", "unit": "", "margin": 0.02}
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "metric": metric}))
    assert task_spec(path).objective == Objective("log loss", Direction.MINIMIZE, "", 0.02)
    ran = cli("task=share", "budget=3", "tracking=off", "progress=off")
    assert (ran.status, ran.err) == (0, "")  # and so no warning of shares
    (summary,) = summaries(home)
    (trials,) = home.glob("runs/main/share/*/*/trials.jsonl")
    assert summary["val_score_pct"] == min(json.loads(line)["val_score_pct"] for line in trials.read_text().splitlines())


def test_an_objective_is_read_back_as_it_was_written() -> None:
    for objective in (
        PERCENT,
        Objective("rmse", Direction.MINIMIZE, "mg/dl", 0.5),
        Objective("nll", Direction.MINIMIZE, "", 1.0, False),
    ):
        assert Objective.from_mapping(objective.to_mapping()) == objective
    assert Objective.from_mapping({"margin": None}) == PERCENT


def test_the_default_is_a_percentage_and_part_of_no_identity(home: Path) -> None:
    assert task_spec(home / "conf" / "task" / "share.yaml").objective == PERCENT
    assert task_spec(home / "conf" / "task" / "rmse.yaml").objective == Objective("rmse", Direction.MINIMIZE, "mg/dl", 0.5)
    assert not task_spec(home / "conf" / "task" / "silent.yaml").objective.test
