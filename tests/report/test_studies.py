"""The list of studies that the report shows when it is given none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Cli

from harness.pack.__main__ import main as pack
from harness.report.__main__ import main

CELLS = ("task=toy", "tracking=off", "progress=off", "budget=1")


def test_without_a_study_those_that_are_there_are_listed(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli(*CELLS, "seeds=2", "study=older")
    cli(*CELLS, "seeds=3", "study=newer")
    assert pack(["older"]) == 0
    (cell,) = [path for path in (tmp_path / "runs" / "newer").glob("toy/random/*") if path.name.startswith("seed1-")]
    (cell / "summary.json").unlink()
    (tmp_path / "runs" / "notes").mkdir()
    for age, name in ((3e8, "newer"), (2e8, "older")):
        for path in (tmp_path / "runs" / name).rglob("*"):
            os.utime(path, (age, age))
    capsys.readouterr()
    assert main([]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:4] for row in rows[:3]] == [
        ["study", "cells", "done", "last"],
        ["newer", "2", "of", "3"],
        ["older", "2", "of", "2"],
    ]
    assert rows[1][4].startswith("1979-07-0")
    assert " ".join(rows[-1]) == "Its report: python -m harness.report newer"


def test_without_any_study_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("report: which study? There is none in runs/")
