"""The command of this process, and a study whose LLM reads nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli, Ran

from harness.probe.__main__ import main

READER = ("optimizer=tcs", "llm=phi4", "llm._target_=support.reader.Reader", "llm.name=blind", "llm.model=blind", "llm.key_env=")
STUDY = Path("runs/read")


@pytest.fixture
def probe(cli: Cli, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run command lines of `harness.probe`; what they change in the process is taken back as for `cli`."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def study(cli: Cli) -> Path:
    """Make a study of one cell with five states."""
    ran = cli(
        "task=toy", *READER, "task.params.epochs=6", "budget=8", "tracking=off", "progress=off", "study=read", "store.sync=cell"
    )
    assert ran.status == 0, ran.err
    return STUDY
