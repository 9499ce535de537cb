"""What the command says of a bundle, in lines of at most 80 columns where names allow it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.pack.bundling import Bundled
from harness.pack.importing import Checked, tables_here
from harness.pack.names import PAGE
from harness.pack.records import Contents


def told_of_bundle(made: Bundled) -> Iterator[str]:
    """Say what was written, what was left out, and how another machine takes it."""
    size = made.path.stat().st_size / 1e6
    yield f"{made.path}: {cells_in_words(made.contents)}, {size:,.1f} MB"
    if made.running:
        yield f"  left out: {_count(made.running, 'cell')} that a process runs just now; open for now"
    if made.others:
        yield f"  left out: {_count(made.others, 'file')} in the cells' folders that are no records"
    yield f"  page: {made.page}"
    yield f"  read back: {len(made.catalogue.files):,} files, each with its SHA-256"
    yield "  SHA-256 of the bundle:"
    yield f"  {made.sha256}"
    yield f"  there: python -m harness.pack --import {shlex.quote(made.path.name)}"


def told_of_check(checked: Checked) -> Iterator[str]:
    """Say what a bundle holds, and that it is whole."""
    yield f"{checked.path}: {cells_in_words(checked.contents)}, {checked.catalogue.total_bytes / 1e6:,.1f} MB unpacked"
    yield f"  whole: {len(checked.catalogue.files):,} files, each with its SHA-256; written by version {checked.catalogue.harness}"
    yield from _of_both(checked)
    if PAGE in checked.catalogue.files:
        yield "  page: for people who open the archive; an import makes its own"


def told_of_import(checked: Checked, page: Path | None) -> Iterator[str]:
    """Say what study was made, and how it is replayed."""
    assert checked.study is not None
    yield f"{checked.study}: {cells_in_words(checked.contents)}, {checked.catalogue.total_bytes / 1e6:,.1f} MB"
    yield from _of_both(checked)
    if page:
        yield f"  page: {page}, made here from the records"
    elif PAGE in checked.catalogue.files:
        yield f"  page: the bundle's was left in it; python -m harness.report {checked.study.name}"
    yield f"  replay: python -m harness.pack {checked.study.name} --replay"


def _of_both(checked: Checked) -> Iterator[str]:
    yield "  SHA-256 of the bundle:"
    yield f"  {checked.sha256}"
    yield from (f"  {line}" for line in tables_here(checked))


def cells_in_words(contents: Contents) -> str:
    """Return `2,520 cells of 6 tasks and 14 arms, all done`, or how many are open."""
    folders = contents.planned | contents.cells.keys()
    tasks, arms = ({folder.split("/")[place] for folder in folders} for place in (0, 1))
    state = f"{contents.open:,} of them open" if contents.open else "all done"
    return f"{_count(len(folders), 'cell')} of {_count(len(tasks), 'task')} and {_count(len(arms), 'arm')}, {state}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' if number != 1 else ''}"
