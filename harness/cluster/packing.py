"""How many cells a job of a cluster has at least: as many as keep it busy for a minute, since its start alone takes three seconds.

Only what is known counts: cells of the same task and arm that the study holds, and recorded trainings, which take no time. A cell of
which nothing is known may take hours, and gets a job of its own.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from harness.cell import Cell
from harness.config.values import Settings
from harness.errors import RecordError
from harness.store.cell_folder import SUMMARY, read_json

JOB_SECONDS = 60.0
# A proposal of a method with a Gaussian process takes so long, and no training runs beside it.
TABLE_TRIAL_SECONDS = 0.25
MOST_RECORDS = 20


def least_seeds(study: Path, settings: Settings, cells: Sequence[Cell]) -> int:
    """Return how many of these cells, which differ in their seeds, one job has at least; 1 or more."""
    seconds = cell_seconds(study, settings, cells[0])
    return 1 if seconds is None else max(1, round(JOB_SECONDS / max(seconds, 0.01)))


def cell_seconds(study: Path, settings: Settings, cell: Cell) -> float | None:
    """Return about how long a cell takes, None when nothing is known."""
    measured = list(islice(_trial_seconds(study / cell.folder, trains=settings.evaluator.trains), MOST_RECORDS))
    if measured:
        return statistics.median(measured) * cell.budget
    return None if settings.evaluator.trains or cell.asking is not None else TABLE_TRIAL_SECONDS * cell.budget


def _trial_seconds(folder: Path, *, trains: bool) -> Iterator[float]:
    """Yield the seconds of a trial in each done cell beside this one; those of a training that a table replays are not spent again."""
    for path in folder.parent.glob(f"*/{SUMMARY}"):
        with contextlib.suppress(RecordError, OSError, KeyError, TypeError, ValueError):
            summary = read_json(path)
            spent = float(summary["propose_seconds"]) + (float(summary["train_seconds"]) if trains else 0.0)
            yield spent / max(1, int(summary["trials"]))
