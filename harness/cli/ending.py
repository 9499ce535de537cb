"""How a command of the harness ends: with an exit status, and one line on standard error for a mistake or a stop."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import NoReturn

from harness.errors import shown
from harness.scrub import scrub_tracebacks
from harness.signals import Interrupted, handle_stop_signals, ignore_stop_signals, stop_status

STOPPED = "stopped; the same command goes on from here"


def run_to_end(name: str, work: Callable[[], tuple[int, str]], *, stopped: str = STOPPED) -> int:
    """Do a command's work under the handlers of stop signals, and return its exit status.

    `work` returns the status and what there is to complain about, which is printed behind `name`. A signal to stop ends it with the
    signal's own status (130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP) and the line `stopped`.
    """
    try:
        handle_stop_signals()
        status, text = work()
    except Interrupted as stop:
        # Whoever calls this has a handler of its own, and waits for what that raised.
        raise (stop.__cause__ or KeyboardInterrupt) from None
    except BaseException as error:
        if stop_status() is None and not isinstance(error, KeyboardInterrupt):
            raise
        return _complain(name, stopped, stop_status() or 130)
    if status and stop_status():
        # What the signal became in somebody else's clean-up is no mistake of the command's.
        return _complain(name, stopped, stop_status() or 130)
    return _complain(name, text, status) if text else status


def _complain(name: str, text: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the terminal is gone
        print(f"{name}: {shown(text)}", file=sys.stderr, flush=True)
    return status


def end_process(main: Callable[[], int]) -> NoReturn:
    """Run the command of this process, and end it with the status that `main` returns. Raises SystemExit."""
    scrub_tracebacks()
    try:
        status = main()
        ignore_stop_signals()
    except KeyboardInterrupt:  # between these two lines
        status = stop_status() or 130
        ignore_stop_signals()
    sys.exit(status)
