"""What the tests of the command share: a command line in this process, and quiet property tests."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from harness.__main__ import main
from harness.environment import COMMAND_PID, THREAD_VARIABLES

# The same examples every time, and no folder of its own in the checkout.
hypothesis.settings.register_profile("harness", database=None, deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("harness")

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A shell that starts the tests in the background has them ignore Ctrl-C, nohup the end of the terminal, and every command that they
# start would inherit that.
if threading.current_thread() is threading.main_thread():
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@dataclass(frozen=True)
class Ran:
    """What one command line left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line on standard error; fails when there are more or fewer."""
        (line,) = self.err.splitlines()
        return line


Cli = Callable[..., Ran]


def runner(main: Callable[[Sequence[str]], int], capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs command lines of a command in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Run command lines in this process, in a folder of their own, and take back what they changed in the process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("HYDRA_FULL_ERROR", COMMAND_PID, *THREAD_VARIABLES):
        monkeypatch.setenv(name, os.environ.get(name, "1"))
    root, on_signal = logging.getLogger(), {number: signal.getsignal(number) for number in STOPS}
    handlers, level = root.handlers[:], root.level

    yield runner(main, capsys)
    for number, handler in on_signal.items():
        signal.signal(number, handler)
    root.handlers[:], root.level = handlers, level
