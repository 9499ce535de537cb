"""Which studies there are: what `python -m harness.report` shows when it is given none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.errors import RecordError, printable
from harness.store.archive import PACK, Pack, packed
from harness.store.cell_folder import SUMMARY, TRIALS
from harness.store.plan import PLAN, read_plan


@dataclass(frozen=True)
class Listed:
    """One study: how many cells of its plan are done, and when its records changed last (seconds since 1970)."""

    name: str
    done: int
    planned: int
    changed: float


def listed_studies(runs: Path) -> Iterator[Listed]:
    """Yield the studies of a folder, the one that changed last first."""
    folders = (path.parent for path in runs.glob(f"*/{PLAN}") if not path.parent.name.startswith("."))
    yield from sorted(map(_listed, folders), key=lambda study: (-study.changed, study.name))


def _listed(folder: Path) -> Listed:
    plan = read_plan(folder, problems=[])
    pack = _pack(folder)
    times = [_changed(folder / name) for name in (PLAN, PACK)]
    done = 0
    for entry in plan:
        finished = _changed(folder / entry.folder / SUMMARY)
        done += finished > 0 or (pack is not None and entry.folder in pack)
        times.append(finished or _changed(folder / entry.folder / TRIALS))
    return Listed(folder.name, done, len(plan), max(times))


def _pack(folder: Path) -> Pack | None:
    try:
        return packed(folder)
    except RecordError:
        return None  # the report of the study says what is wrong with it


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def study_list(runs: Path) -> str:
    """Return the studies of a folder as a table, and how to ask for the report of one. Raises RecordError where there is none."""
    studies = list(listed_studies(runs))
    if not studies:
        raise RecordError(f"which study? There is none in {runs}/; give the folder of one, or run some cells first")
    rows = [("study", "cells done", "last change")]
    for study in studies:
        when = datetime.fromtimestamp(study.changed).strftime("%Y-%m-%d %H:%M")
        rows.append((printable(study.name), f"{study.done} of {study.planned}", when))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{name:{widths[0]}}  {cells:>{widths[1]}}  {when}" for name, cells, when in rows]
    return "\n".join([*lines, "", f"Its report: python -m harness.report {printable(studies[0].name)}"])
