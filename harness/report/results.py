"""`harness.load(study)`: the results of a study in Python, as typed trials and as a pandas frame.

    results = harness.load("main")      # runs/main; or the path of a study, of its packed.zip, or of one cell's folder
    frame = results.frame()             # a row per trial
    best = results.best()               # a row per cell: the configuration that validation chose
    results.unfinished                  # {"digits/rules/seed3": "broken off, or running, after 4 of 10 trials"}

The columns of the frame are described in `harness/report/analysis/trial_table.py`. Neither W&B nor a report is needed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.sources.records import find_cell, read_cell, read_study
from harness.report.study_data import State, StudyData
from harness.store.archive import PACK
from harness.store.plan import find_study

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.analysis.trial_table import TrialRow

SHOWN_PROBLEMS = 10


def load(study: str | Path, *, curves: bool = False) -> Results:
    """Return the results of a study: of its name below `runs/`, of its path, or of the folder of one cell.

    Records are read when they are first used. `curves` reads the epochs of every training too, which takes longer. Raises RecordError where
    there is no study.
    """
    path = Path(study).expanduser()
    if path.name == PACK and path.is_file():
        path = path.parent
    cell = find_cell(path) or find_cell(Path("runs") / path)
    if cell is not None:
        return Results(cell, curves, one_cell=True)
    found = find_study(str(path))
    assert found is not None
    return Results(found, curves)


@dataclass(frozen=True)
class Results:
    """What the records of a study hold. It is read once, when it is first used; `load` again to see what came since.

    Cells whose records are damaged are left out; one warning names them.
    """

    folder: Path
    curves: bool = False
    one_cell: bool = False

    @cached_property
    def _study(self) -> StudyData:
        study = (read_cell if self.one_cell else read_study)(self.folder)
        if study.problems:
            shown = "; ".join(study.problems[:SHOWN_PROBLEMS])
            more = f"; and {len(study.problems) - SHOWN_PROBLEMS} more" if len(study.problems) > SHOWN_PROBLEMS else ""
            warnings.warn(f"{study.name}: {shown}{more}", stacklevel=3)
        if not self.curves:
            return study
        return replace(study, cells=tuple(study.in_full(cell) if cell.trials else cell for cell in study.cells))

    @cached_property
    def trials(self) -> tuple[TrialRow, ...]:
        """Every trial, in the order of the plan."""
        from harness.report.analysis.trial_table import trial_rows  # noqa: PLC0415 - pandas takes a third of a second

        return tuple(trial_rows(self._study))

    @property
    def unfinished(self) -> dict[str, str]:
        """Why each cell that is not done is not: from TASK/ARM/seedN to the reason. Damaged cells are not among them."""
        others = (cell for cell in self._study.cells if cell.state not in (State.DONE, State.UNREADABLE))
        return {cell.label: f"{cell.reason or cell.state}{f'; {cell.fix}' if cell.fix else ''}" for cell in others}

    @property
    def damaged(self) -> dict[str, str]:
        """What is wrong with each cell whose records cannot be used: from TASK/ARM/seedN to the reason."""
        return {cell.label: cell.reason for cell in self._study.cells if cell.state is State.UNREADABLE}

    def frame(self) -> pd.DataFrame:
        """Return a row per trial, of unfinished cells too (column `state`). The report writes the same to `trials.csv`."""
        from harness.report.analysis.trial_table import trial_table  # noqa: PLC0415 - as above

        return trial_table(self.trials)

    def best(self) -> pd.DataFrame:
        """Return a row per cell that has a score: the trial that validation chose, in the columns of `frame`.

        Cells that are not done are among them (column `state`). Cells whose scores are of another kind than their task's are not.
        """
        from harness.report.analysis.objectives import settled  # noqa: PLC0415 - as above
        from harness.report.analysis.trial_table import best_rows, trial_table  # noqa: PLC0415

        return trial_table(tuple(best_rows(settled(self._study))))
