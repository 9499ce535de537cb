"""`python -m harness.doctor`: what on this machine is ready to run, the command that makes ready what is not, and what to run next.

Reads and asks; changes nothing. Exit status 0, whatever it finds: a missing GPU is not an error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.config.overrides import conf_dir, own_conf
from harness.doctor.findings import examine, room
from harness.doctor.next_steps import here, next_steps
from harness.doctor.table import show, show_next
from harness.environment import one_thread
from harness.errors import HarnessError, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and the next commands."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.doctor",
        description="What is ready to run here, how to make ready what is not, and what to run next.",
    )
    parser.add_argument(
        "--conf", type=Path, action="append", default=[], metavar="DIR", help="a folder of your own with task/ or llm/ files"
    )
    chosen = parser.parse_args(arguments)
    one_thread()
    try:
        findings = [*examine([conf_dir(), *(chosen.conf or own_conf())])]
        show(findings, {"LLM": room()})
        show_next(next_steps(here(findings, chosen.conf)))
    except HarnessError as error:
        print(f"harness: {printable(str(error))}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
