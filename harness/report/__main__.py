"""`python -m harness.report STUDY`: read the records of a study, print its main table, and write the report into its folder."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError, SettingsError
from harness.signals import handle_stop_signals, ignore_stop_signals, stop_status
from harness.store.plan import find_study

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 86400.0
SOURCES = "records (default), wandb-offline:DIR or wandb:ENTITY/PROJECT"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit status: 0; 1 when an expectation is not met; 2 for an error, which is printed in one line.

    Stopped, it is the status of the signal, as in `python -m harness`.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return run(arguments)
    except HarnessError as error:
        print(f"report: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("report: stopped; the records are as they were, and the same command builds the report anew", file=sys.stderr)
        return stop_status() or 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run(arguments: Sequence[str] | None) -> int:
    """Parse the command line and run it."""
    # Settings may stand on both sides of an option.
    given = parser().parse_intermixed_args(arguments)
    if given.watch is not None:
        if "=" in given.watch:  # a setting, which the parser took for the seconds
            given.overrides, given.watch = [*given.overrides, given.watch], ""
        refuse_with_watch(given)
        from harness.report.watching import watch_study  # noqa: PLC0415 - as below

        return watch_study(given, seconds_of(given.watch))
    if given.study is None:
        from harness.report.studies import study_list  # noqa: PLC0415 - --help needs it not

        print(study_list(Path("runs")))
        return 0
    # Pandas alone takes a third of a second: --help and a mistyped study must not wait for it.
    folder = find_study(given.study, must_exist=given.source == "records")
    from harness.report.command import produce  # noqa: PLC0415

    return produce(folder, given)


def refuse_with_watch(given: argparse.Namespace) -> None:
    """Refuse what does not go with --watch. Raises SettingsError."""
    if given.study is None:
        study = f" {given.watch}" if given.watch else " STUDY"
        raise SettingsError(f"--watch needs a study, which stands before it: python -m harness.report{study} --watch")
    for is_given, flag in ((given.brief, "--brief"), (given.agree, "--agree"), (given.source != "records", "--from")):
        if is_given:
            raise SettingsError(f"--watch rebuilds the page from the records while they grow, and does not go with {flag}")


def seconds_of(text: str) -> float | None:
    """Return the least seconds between two pages, None where the command line does not say. Raises SettingsError."""
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = 0.0
    if seconds is not None and not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise SettingsError(f"--watch {text}: give seconds from {SHORTEST_SECONDS:.0f} to {LONGEST_SECONDS:.0f}, or none")
    return seconds


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
    made.add_argument(
        "--watch",
        nargs="?",
        const="",
        metavar="SECONDS",
        help="rebuild the page while the study runs, at most once in SECONDS (default: 30, or five times as long as a page takes), "
        "until every planned cell is done",
    )
    made.add_argument("--from", dest="source", default="records", metavar="SOURCE", help=SOURCES)
    made.add_argument("--agree", metavar="SOURCE", help="only compare with this other source; exit with status 1 when they differ")
    made.add_argument("--out", type=_path, help="where to write (default: STUDY/report)")
    return made


if __name__ == "__main__":
    handle_stop_signals()
    status = main()
    ignore_stop_signals()
    sys.exit(status)
