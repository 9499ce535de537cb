"""The command in a user's own project, whose names and habits are not the harness's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import records, run

YAML = """name: {name}
suite: own
_target_: {target}
card: {{title: {name}, domain: test, data: none, model: none, metric: percent, epochs: "1"}}
space:
  x: {{type: float, low: 0.0, high: 1.0, default: 0.5, meaning: the only one}}
"""
LOOP = """import os
from harness import Epoch, tasks_from


@tasks_from.loop
def Mine(config, seed):
    {body}
"""
QUIET = ("optimizer=random", "budget=2", "tracking=off")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a package `tasks` and with configuration groups that the harness has too."""
    for name, text in {
        "tasks/__init__.py": "",
        "tasks/mine.py": LOOP.format(body='yield Epoch(val_score_pct=50 + config["x"])'),
        "wanders.py": LOOP.format(body='os.makedirs("work", exist_ok=True); os.chdir("work"); yield Epoch(val_score_pct=50)'),
        "lost.py": LOOP.format(body='os.makedirs("work", exist_ok=True); os.chdir("work"); yield Epoch(open("data.csv"))'),
        "conf/task/mine.yaml": YAML.format(name="mine", target="tasks.mine.Mine"),
        "conf/task/wanders.yaml": YAML.format(name="wanders", target="wanders.Mine"),
        "conf/task/lost.yaml": YAML.format(name="lost", target="lost.Mine"),
        "conf/optimizer/adam.yaml": "_target_: torch.optim.Adam\nlr: 1.0e-3\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("task", ["mine", "toy", "mine,toy"])
def test_a_package_tasks_and_a_group_optimizer_of_the_user_s_own_are_no_obstacle(project: Path, task: str) -> None:
    ran = run((f"task={task}", *QUIET, "-m"), project)
    assert ran.returncode == 0, ran.stderr
    found = records(project / "runs" / "main")
    assert sorted(name.partition("/")[0] for name in found) == sorted(task.split(","))
    assert all(row["status"] == "ok" for rows in found.values() for row in rows)


@pytest.mark.parametrize("more", [(), ("seeds=2",), ("limits.trial_seconds=30",)], ids=["one", "two", "in a child"])
def test_a_training_that_changes_the_folder_leaves_the_records_where_they_belong(project: Path, more: tuple[str, ...]) -> None:
    ran = run(("task=wanders", *QUIET, *more), project)
    assert ran.returncode == 0, ran.stderr
    assert "  records: runs/main/wanders/random/seed0-" in ran.stderr
    assert len(list(project.glob("runs/main/wanders/random/*/summary.json"))) == (2 if more == ("seeds=2",) else 1)
    assert sorted(path.name for path in project.rglob("runs")) == ["runs"]
    assert len(list(project.rglob("work"))) == 1


@pytest.mark.parametrize("more", [(), ("limits.trial_seconds=30",)], ids=["here", "in a child"])
def test_a_training_that_changes_the_folder_and_fails_is_placed_all_the_same(project: Path, more: tuple[str, ...]) -> None:
    ran = run(("task=lost", *QUIET, *more), project)
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert ": all 2 trials failed: FileNotFoundError: [Errno 2] No such file or directory: 'data.csv' (lost.py:7); see " in last
    failure = json.loads((project / last.rpartition("; see ")[2]).read_text())
    assert 'yield Epoch(open("data.csv"))' in failure["traceback"]


def test_from_elsewhere_the_folder_that_is_named_brings_its_code_and_the_names_of_its_settings(
    project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ran = run(("--config-dir", "../conf", "task=wanders", *QUIET), elsewhere)
    assert ran.returncode == 0, ran.stderr
    assert "no test score came" in ran.stderr
    assert "test: none" in ran.stderr
    misspelt = run(("--config-dir", "../conf", "task=wanders", "task.space.x.hihg=3"), elsewhere)
    assert misspelt.returncode == 2
    assert "did you mean 'task.space.x.high'?" in misspelt.stderr
