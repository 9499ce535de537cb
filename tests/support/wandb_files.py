"""W&B's offline files, once they are whole."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from harness.errors import RecordError
from harness.report.sources.wandb_offline import read_offline
from harness.report.study_data import State, StudyData

LONGEST_WAIT_SECONDS = 30.0


def read_when_written(folder: Path, study: str, *, cells: int) -> StudyData:
    """Read a study's offline runs when so many cells are done there, or after the longest wait.

    W&B's own process may write the end of a run after `finish` has returned.
    """
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(RecordError):
            found = read_offline(folder, study)
            if sum(cell.state is State.DONE for cell in found.cells) == cells:
                return found
        time.sleep(0.05)
    return read_offline(folder, study)
