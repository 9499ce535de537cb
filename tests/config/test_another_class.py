"""A class that the command line puts in the place of a method's own has a name and a role of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

QUIET = ("task=toy", "tracking=off", "progress=off", "budget=1")
OTHER = ("optimizer=random", "optimizer._target_=harness.optimizers.sobol.Sobol")


def test_it_needs_a_name(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*QUIET, *OTHER)
    assert ran.status == 2
    assert "the tables would call it 'random'; add optimizer.name=NAME, or write conf/optimizer/NAME.yaml" in ran.line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("more", "role"), [((), "tuner"), (("optimizer.role=random",), "random")], ids=["none given", "given"])
def test_it_does_not_keep_the_role_of_what_it_replaces(cli: Cli, tmp_path: Path, more: tuple[str, ...], role: str) -> None:
    assert cli(*QUIET, *OTHER, "optimizer.name=mine", *more).status == 0
    (path,) = tmp_path.glob("runs/main/toy/mine/*/manifest.json")
    manifest: dict[str, Any] = json.loads(path.read_text())
    assert manifest["settings"]["optimizer"]["role"] == role
