"""`python -m harness.report STUDY`: read the records of a study, print its main table, and write the report into its folder."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.store.plan import find_study

SOURCES = "records (default), wandb-offline:DIR or wandb:ENTITY/PROJECT"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit status: 0; 1 when an expectation is not met; 2 for an error, which is printed in one line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return run(arguments)
    except HarnessError as error:
        print(f"report: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run(arguments: Sequence[str] | None) -> int:
    """Parse the command line and run it."""
    given = parser().parse_args(arguments)
    if given.study is None:
        from harness.report.studies import study_list  # noqa: PLC0415 - --help needs it not

        print(study_list(Path("runs")))
        return 0
    # Pandas alone takes a third of a second: --help and a mistyped study must not wait for it.
    folder = find_study(given.study, must_exist=given.source == "records")
    from harness.report.command import produce  # noqa: PLC0415

    return produce(folder, given)


def _path(text: str) -> Path:
    # No shell puts the home folder in behind a `=`.
    return Path(text).expanduser()


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(prog="python -m harness.report", description="Build the report of a study from its records.")
    made.add_argument("study", nargs="?", help="a study's folder, or its name under ./runs/; without one, those that are there")
    made.add_argument("overrides", nargs="*", metavar="report.KEY=VALUE", help="e.g. report.reference=gpt4")
    made.add_argument(
        "--cell", action="append", default=[], metavar="TASK/ARM/SEED", help="show this cell trial by trial (repeatable)"
    )
    made.add_argument("--check", type=_path, metavar="FILE.yaml", help="exit with status 1 when an expectation in it is not met")
    made.add_argument("--brief", action="store_true", help="only print the table of scores so far; write no page")
    made.add_argument("--from", dest="source", default="records", metavar="SOURCE", help=SOURCES)
    made.add_argument("--agree", metavar="SOURCE", help="only compare with this other source; exit with status 1 when they differ")
    made.add_argument("--out", type=_path, help="where to write (default: STUDY/report)")
    return made


if __name__ == "__main__":
    sys.exit(main())
