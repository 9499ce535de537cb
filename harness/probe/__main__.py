"""`python -m harness.probe STUDY`: change one fact of what an LLM was shown, ask it again, and show how its proposal moves."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.environment import one_thread
from harness.errors import HarnessError, shown
from harness.probe.request import TEXT, parsed
from harness.scrub import scrub_tracebacks
from harness.signals import Interrupted, handle_stop_signals, ignore_stop_signals, stop_status

STOPPED = "stopped; the same command goes on from here, and --show shows what is answered"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0; 2 for a mistake, in one line; 130 after Ctrl-C and the like."""
    try:
        handle_stop_signals()
        status, text = _run(list(sys.argv[1:] if argv is None else argv))
    except Interrupted as stop:
        raise (stop.__cause__ or KeyboardInterrupt) from None
    except BaseException as error:
        if stop_status() is None and not isinstance(error, KeyboardInterrupt):
            raise
        return _complain(STOPPED, stop_status() or 130)
    if status and stop_status():
        return _complain(STOPPED, stop_status() or 130)
    return _complain(text, status) if text else status


def _run(arguments: list[str]) -> tuple[int, str]:
    """Run the command; return its exit status, and what there is to complain about."""
    one_thread()
    if not arguments or {"--help", "-h"} & set(arguments):
        print(TEXT, end="")
        return 0, ""
    try:
        request = parsed(arguments)
        # After the command line: a mistake in it must not wait for pandas.
        from harness.probe.probing import probe  # noqa: PLC0415

        probe(request)
    except HarnessError as error:
        return error.exit_status, str(error)
    except BrokenPipeError:  # the reader has ended (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0, ""


def _complain(text: str, status: int) -> int:
    with contextlib.suppress(OSError):  # the terminal is gone
        print(f"harness.probe: {shown(text)}", file=sys.stderr, flush=True)
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
