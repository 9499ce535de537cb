"""A small task of one's own with a grid, in a folder of its own, and the command that makes its table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from harness.config.overrides import conf_dir
from harness.config.settings import task_spec
from harness.tabulate import main
from harness.task import TaskSpec

Mine: TypeAlias = Callable[..., TaskSpec]
Tabulate: TypeAlias = Callable[..., tuple[int, str]]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mine:
    """Write `conf/task/mini.yaml`, the toy task with a grid and other settings if asked, beside which commands then run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**changed: Any) -> TaskSpec:
        toy = yaml.safe_load((conf_dir() / "task" / "toy.yaml").read_text())
        table = {"train_seeds": 2, "levels": {"learning_rate": 4, "momentum": [0.0, 0.5, 0.9]}}
        settings = {**toy, "name": "mini", "suite": "own", "table": table, **changed}
        path = tmp_path / "conf" / "task" / "mini.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        return task_spec(path)

    return write


@pytest.fixture
def tabulate(capsys: pytest.CaptureFixture[str]) -> Tabulate:
    """Run `python -m harness.tabulate` in this process; return its exit status and all that it wrote."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(arguments)
        written = capsys.readouterr()
        return status, written.out + written.err

    return run
