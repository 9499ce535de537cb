"""`python -m harness`: see `app.py`."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from harness.cli.help import help_text
from harness.config.overrides import HELP_FLAGS, SHOWING_FLAGS, with_own_conf
from harness.environment import one_thread
from harness.errors import HarnessError, shown
from harness.scrub import scrub_tracebacks
from harness.signals import Interrupted, handle_stop_signals, ignore_stop_signals, stop_status

STOPPED = "stopped; the same command goes on from here"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0 when all cells are done, 1 when some are not, 2 for a mistake in the command, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    try:
        handle_stop_signals()
        status, text = _run(argv)
    except Interrupted as stop:
        # Whoever calls this has a handler of its own, and waits for what that raised.
        raise (stop.__cause__ or KeyboardInterrupt) from None
    except BaseException as error:
        if stop_status() is None and not isinstance(error, KeyboardInterrupt):
            raise
        return _complain(STOPPED, stop_status() or 130)
    if status and stop_status():
        # What the signal became in somebody else's clean-up is no mistake of the command's.
        return _complain(STOPPED, stop_status() or 130)
    return _complain(text, status) if text else status


def _run(argv: Sequence[str] | None) -> tuple[int, str]:
    """Run the command; return its exit status, and what there is to complain about."""
    one_thread()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if str(Path.cwd()) not in sys.path:
        # The user's own code lies beside the command: first, as `python -m` has it, unless that would be another harness.
        sys.path.insert(len(sys.path) if Path("harness").is_dir() else 0, str(Path.cwd()))
    if argv is None and any(flag.partition("=")[0] in SHOWING_FLAGS for flag in arguments):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it without a word, as it does other commands
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


def _complain(text: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the terminal is gone
        print(f"harness: {shown(text)}", file=sys.stderr, flush=True)
    return status


def command() -> NoReturn:
    """Run the command of this process, and end it. Raises SystemExit."""
    scrub_tracebacks()
    try:
        status = main()
        ignore_stop_signals()
    except KeyboardInterrupt:  # between these two lines
        status = stop_status() or 130
        ignore_stop_signals()
    sys.exit(status)


if __name__ == "__main__":
    command()
