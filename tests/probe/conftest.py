"""The command of this process, and a study whose LLM reads nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli, runner

from harness.probe.__main__ import main

READER = ("optimizer=tcs", "llm=phi4", "llm._target_=support.reader.Reader", "llm.name=blind", "llm.model=blind", "llm.key_env=")
STUDY = Path("runs/read")


@pytest.fixture
def probe(cli: Cli, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run command lines of `harness.probe`; what they change in the process is taken back as for `cli`."""
    return runner(main, capsys)


@pytest.fixture
def study(cli: Cli) -> Path:
    """Make a study of one cell with five states."""
    ran = cli(
        "task=toy", *READER, "task.params.epochs=6", "budget=8", "tracking=off", "progress=off", "study=read", "store.sync=cell"
    )
    assert ran.status == 0, ran.err
    return STUDY
