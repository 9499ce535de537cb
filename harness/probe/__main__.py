"""`python -m harness.probe STUDY`: change one fact of what an LLM was shown, ask it again, and show how its proposal moves."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from harness.cli.ending import STOPPED as GOES_ON
from harness.cli.ending import end_process, run_to_end
from harness.environment import one_thread
from harness.errors import HarnessError
from harness.probe.request import TEXT, parsed

STOPPED = f"{GOES_ON}, and --show shows what is answered"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0; 2 for a mistake, in one line; 130 after Ctrl-C and the like."""
    return run_to_end("harness.probe", lambda: _run(list(sys.argv[1:] if argv is None else argv)), stopped=STOPPED)


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


def command() -> NoReturn:
    """Run the command of this process, and end it. Raises SystemExit."""
    end_process(main)


if __name__ == "__main__":
    command()
