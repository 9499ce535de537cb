"""`python -m harness.pack STUDY`: the records of finished cells in one file, and bundles of studies for other machines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from harness.cli.ending import end_process, run_to_end
from harness.console import say
from harness.environment import one_thread
from harness.errors import HarnessError, SettingsError, shown
from harness.pack.packing import alone, pack, unpack
from harness.store.archive import PACK
from harness.store.plan import find_study

STOPPED = "stopped; nothing is lost, the same command goes on"
USAGE = """\
python -m harness.pack STUDY [--keep] [--unpack]
       python -m harness.pack STUDY --bundle FILE [--as NAME] [--no-page]
       python -m harness.pack --import FILE [--as NAME] [--no-page]
                              [--limit-gb N]
       python -m harness.pack --verify FILE [--limit-gb N]
       python -m harness.pack STUDY --replay"""
EPILOG = """\
Another machine imports a bundle and replays it without a server or a key:

  python -m harness.pack main --bundle main.tar.gz     here
  python -m harness.pack --import main.tar.gz          there; makes runs/main
  python -m harness.pack main --replay                 there; every trial again

A replay answers each LLM from the records of its calls, looks recorded
trainings up, trains what was trained live, and compares: trials are equal
but for seconds and checksums. Its exit status is 1 when one is not.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0; 1 where a replay differs; 2 for what went wrong; 130 after Ctrl-C and the like."""
    given = parser().parse_args(arguments)
    return run_to_end("pack", lambda: _run(given), stopped=STOPPED)


def _run(given: argparse.Namespace) -> tuple[int, str]:
    """Do what was asked; return the exit status, and what there is to complain about."""
    one_thread()
    try:
        _check(given)
        if given.import_ or given.verify:
            return _read(given), ""
        study = find_study(given.study)
        assert study is not None
        if given.replay:
            from harness.pack.replaying import replay  # noqa: PLC0415 - with Hydra, which nothing else here needs

            return replay(study)
        with alone(study):
            if given.bundle:
                return _bundle(study, given), ""
            print(unpack(study, keep=given.keep) if given.unpack else pack(study, keep=given.keep))
    except HarnessError as error:
        return error.exit_status, str(error)
    return 0, ""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m harness.pack",
        usage=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Put the records of a study's finished cells into STUDY/{PACK}, and remove\n"
        "their folders once that is verified. Sweeps and reports take packed cells for\n"
        "what they were. Cells that are not finished, and those with links or folders\n"
        "of somebody's own inside, stay as they are.",
        epilog=EPILOG,
    )
    made.add_argument("study", nargs="?", help="a study's folder, or its name under ./runs/")
    made.add_argument("--keep", action="store_true", help="remove nothing: neither the folders, nor, with --unpack, the pack")
    what = made.add_mutually_exclusive_group()
    what.add_argument(
        "--unpack", action="store_true", help="write every file back where it was, byte for byte, and remove the pack"
    )
    what.add_argument("--bundle", type=_path, metavar="FILE", help="write the study into one .tar.gz for another machine")
    what.add_argument("--import", dest="import_", type=_path, metavar="FILE", help="make a study of a bundle, under ./runs/")
    what.add_argument("--verify", type=_path, metavar="FILE", help="check a bundle as an import does, and write nothing")
    what.add_argument(
        "--replay", action="store_true", help="run the study again from its own records into STUDY-replay, and compare"
    )
    made.add_argument("--as", dest="name", metavar="NAME", help="with --bundle and --import: another name for the study")
    made.add_argument("--no-page", action="store_true", help="with --bundle and --import: make no page")
    made.add_argument("--limit-gb", type=float, default=4.0, metavar="N", help="refuse bundles that unpack to more (default: 4)")
    return made


def _path(text: str) -> Path:
    # No shell puts the home folder in behind a `=`.
    return Path(text).expanduser()


def _check(given: argparse.Namespace) -> None:
    """Refuse options that do not go together. Raises SettingsError."""
    reads = given.import_ or given.verify
    if bool(given.study) == bool(reads):
        raise SettingsError("--import and --verify need no STUDY" if reads else "give a study's folder, or its name under ./runs/")
    if given.keep and (reads or given.bundle or given.replay):
        raise SettingsError("--keep goes with packing and --unpack: nothing else removes anything")
    for option, is_given in (("--as", given.name is not None), ("--no-page", given.no_page)):
        if is_given and not (given.bundle or given.import_):
            raise SettingsError(f"{option} goes with --bundle or --import")
    if not given.limit_gb > 0:
        raise SettingsError(f"--limit-gb {given.limit_gb:g}: give gigabytes above 0")


def _bundle(study: Path, given: argparse.Namespace) -> int:
    from harness.pack.bundling import bundle  # noqa: PLC0415
    from harness.pack.telling import told_of_bundle  # noqa: PLC0415

    _tell(told_of_bundle(bundle(study, given.bundle, name=given.name, with_page=not given.no_page)))
    return 0


def _read(given: argparse.Namespace) -> int:
    from harness.pack.importing import import_bundle, verify  # noqa: PLC0415
    from harness.pack.page import write_page  # noqa: PLC0415
    from harness.pack.reading import GIGABYTE  # noqa: PLC0415
    from harness.pack.telling import told_of_check, told_of_import  # noqa: PLC0415

    limit = given.limit_gb * GIGABYTE
    if given.verify:
        _tell(told_of_check(verify(given.verify, limit_bytes=limit)))
        return 0
    checked = import_bundle(given.import_, name=given.name, limit_bytes=limit)
    assert checked.study is not None
    page = None
    if not given.no_page:
        say("making the page from the records (--no-page leaves it out)")
        try:
            page = write_page(checked.study, checked.study / "report")
        except HarnessError as error:
            say(f"the study is there, and its page cannot be made: {error}")
    _tell(told_of_import(checked, page))
    return 0


def _tell(lines: Iterator[str]) -> None:
    """Print what was done. Where nobody reads it any more (`| head`), it is done all the same."""
    try:
        for line in lines:
            print(shown(line))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def command() -> NoReturn:
    """Run the command of this process, and end it. Raises SystemExit."""
    end_process(main)


if __name__ == "__main__":
    command()
