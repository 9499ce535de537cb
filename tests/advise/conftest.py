"""The command of this process, in a folder of its own."""

from __future__ import annotations

import pytest
from conftest import Cli, runner

from harness.advise.__main__ import main


@pytest.fixture
def advise(cli: Cli, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run command lines of `harness.advise`; what they change in the process is taken back as for `cli`."""
    return runner(main, capsys)
