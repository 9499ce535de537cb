"""The page on a task of one's own in tasks/README.md, executed as it stands, in a folder outside the project."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config.overrides import conf_dir, own_conf, with_own_conf

README = (Path(__file__).resolve().parents[1] / "tasks" / "README.md").read_text(encoding="utf-8")
PAGE = README[README.index("\n## Your own task\n") :]
FILES = dict(re.findall(r"`([\w/]+\.(?:py|yaml))`[^`\n]*:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


HAS_XGBOOST = importlib.util.find_spec("xgboost") is not None
NAMES = ["churn", "diabetes", "glucose", "moons", "svm", "trees"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page's files, and run its commands one after the other."""
    home = tmp_path_factory.mktemp("own")
    for name, text in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    for command in COMMANDS:
        python, *arguments = shlex.split(command if HAS_XGBOOST else command.replace(",trees", ""))
        assert python == "python"
        # Without W&B, which takes half of the time and has tests of its own.
        without = {**os.environ, "WANDB_MODE": "disabled"}
        done = subprocess.run([sys.executable, *arguments], cwd=home, env=without, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    return home


def summaries(folder: Path) -> dict[str, dict[str, object]]:
    found = sorted((folder / "runs" / "main").glob("*/*/*/summary.json"))
    return {f"{path.parts[-4]} {path.parts[-3]}": json.loads(path.read_text()) for path in found}


def test_the_page_has_an_example_of_each_kind_in_at_most_forty_lines() -> None:
    assert sorted(FILES) == sorted([*(f"{n}.py" for n in NAMES), *(f"conf/task/{n}.yaml" for n in NAMES), "train.py"])
    for name in NAMES:
        script = FILES["train.py"] if name == "glucose" else ""
        assert len((FILES[f"{name}.py"] + FILES[f"conf/task/{name}.yaml"] + script).splitlines()) <= 40, name


def test_its_commands_run_every_cell_that_they_name(folder: Path) -> None:
    expected = ["diabetes random", "diabetes random+default", "diabetes sobol", "moons random", "moons sobol"]
    later = ["churn random", "glucose random", "svm random", *(["trees random"] if HAS_XGBOOST else [])]
    assert sorted(summaries(folder)) == sorted([*expected, *later])
    for name, summary in summaries(folder).items():
        assert (summary["trials"], summary["failures"]) == (2 if name in later else 3, {}), name
        assert summary["val_score_pct"] is not None
        assert (summary["test_score_pct"] is None) == name.startswith("svm")


def curves(folder: Path, task: str) -> list[list[float]]:
    lines = next((folder / "runs" / "main" / task).glob("random/*/trials.jsonl")).read_text().splitlines()
    return [json.loads(line)["curve"]["val_score_pct"] for line in lines]


def test_its_curves_have_the_epochs_that_the_cards_promise(folder: Path) -> None:
    for task in ("diabetes", "moons", "churn", "glucose"):
        assert {len(curve) for curve in curves(folder, task)} == {20}, task
    assert {len(curve) for curve in curves(folder, "svm")} == {1}


@pytest.mark.skipif(not HAS_XGBOOST, reason="pip install -e '.[boosting]'")
def test_the_example_with_xgboost_has_a_curve_of_twenty_points(folder: Path) -> None:
    assert {len(curve) for curve in curves(folder, "trees")} == {20}


def test_a_folder_conf_is_added_where_it_holds_tasks_and_nobody_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_conf() == []
    (tmp_path / "conf").mkdir()
    assert own_conf() == []
    (tmp_path / "conf" / "task").mkdir()
    assert with_own_conf(["task=mine"]) == ["task=mine", "--config-dir", "conf"]
    for named in (["--config-dir", "x"], ["--config-dir=x"], ["-cd", "x"]):
        assert with_own_conf(named) == named


def test_the_projects_own_conf_is_not_added_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(conf_dir().parent)
    assert with_own_conf(["task=toy"]) == ["task=toy"]
