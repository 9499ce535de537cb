"""`python -m harness`: see `app.py`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import harness
from harness.cli.ending import end_process, run_to_end
from harness.cli.help import help_text
from harness.config.overrides import HELP_FLAGS, SHOWING_FLAGS, with_own_conf
from harness.environment import one_thread
from harness.errors import HarnessError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 when all cells are done, 1 when some are not, 2 for a mistake in the command, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    return run_to_end("harness", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> tuple[int, str]:
    """Run the command; return its exit status, and what there is to complain about."""
    one_thread()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if str(Path.cwd()) not in sys.path:
        # The user's own code lies beside the command: first, as `python -m` has it, unless that would be another harness.
        sys.path.insert(len(sys.path) if Path("harness").is_dir() else 0, str(Path.cwd()))
    if argv is None and any(flag.partition("=")[0] in SHOWING_FLAGS for flag in arguments):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it without a word, as it does other commands
    if "--version" in arguments:
        print(f"tcs-harness {harness.__version__}")
        return 0, ""
    arguments = arguments or ["--help"]
    try:
        arguments = with_own_conf(arguments)
        if any(flag in HELP_FLAGS for flag in arguments):
            print(help_text(arguments), end="")  # without Hydra, which takes a second to list what there is
            return 0, ""
        from harness.cli.app import run  # noqa: PLC0415 - after one_thread, and inside the net

        run(arguments)
    except HarnessError as error:
        return error.exit_status, str(error)
    except Exception as error:
        from harness.cli.messages import one_line  # noqa: PLC0415 - only a mistake needs it

        text = one_line(error, arguments)
        if text is None:
            raise
        return 2, text
    return 0, ""


def command() -> NoReturn:
    """Run the command of this process, and end it. Raises SystemExit."""
    end_process(main)


if __name__ == "__main__":
    command()
