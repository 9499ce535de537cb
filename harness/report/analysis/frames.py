"""A study as two tidy frames: one row per cell, and one row per trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.study_data import CellData, State, StudyData
from harness.trial import incumbent, incumbents

TRIAL_COLUMNS = (
    "cell",
    "task",
    "arm",
    "seed",
    "trial",
    "source",
    "status",
    "val",
    "test",
    "best_val",
    "best_test",
    "train_seconds",
    "propose_seconds",
)


@dataclass(frozen=True)
class Frames:
    """`cells` has one row per planned cell; `trials` has one row per trial of a done cell, with the incumbent's scores after it.

    Scores are percentages; `test` is the test score of the trial that validation chose, NaN where no trial succeeded.
    """

    cells: pd.DataFrame
    trials: pd.DataFrame

    @property
    def done(self) -> pd.DataFrame:
        """The cells that are done."""
        return self.cells[self.cells["state"] == State.DONE.value]


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as plain dictionaries."""
    return [{str(key): value for key, value in entry.items()} for entry in frame.to_dict("records")]


def rows_by(frame: pd.DataFrame, *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return a frame's rows by the values of some columns, e.g. `rows_by(scores, "arm", "task")["random", "digits"]`."""
    return {tuple(entry[key] for key in keys): entry for entry in rows_of(frame)}


def frames_of(study: StudyData) -> Frames:
    """Build both frames."""
    trials = [row for number, cell in enumerate(study.cells) if cell.state is State.DONE for row in _trial_rows(number, cell)]
    return Frames(pd.DataFrame(_cell_row(cell) for cell in study.cells), pd.DataFrame(trials, columns=list(TRIAL_COLUMNS)))


def _cell_row(cell: CellData) -> dict[str, object]:
    best = incumbent(cell.trials)
    first = cell.trials[0] if cell.trials else None
    return {
        "task": cell.task,
        "arm": cell.arm,
        "seed": cell.seed,
        "budget": cell.budget,
        "state": cell.state.value,
        "reason": cell.reason,
        "fix": cell.fix,
        "trials": len(cell.trials),
        "failed_trials": sum(not trial.outcome.ok for trial in cell.trials),
        "incumbent": best.number if best else None,
        "val": _score(best.outcome.val_score_pct if best else None),
        "test": _score(best.outcome.test_score_pct if best else None),
        "first_val": _score(first.outcome.val_score_pct if first else None),
        "first_test": _score(first.outcome.test_score_pct if first else None),
        "train_seconds": sum(trial.outcome.seconds for trial in cell.trials),
        "propose_seconds": sum(trial.propose_seconds for trial in cell.trials),
        "cell": cell.cell,
    }


def _trial_rows(number: int, cell: CellData) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for trial, best in zip(cell.trials, incumbents(cell.trials), strict=True):
        val, test = trial.score, trial.outcome.test_score_pct
        best_scores = (_score(best.score), _score(best.outcome.test_score_pct)) if best else (float("nan"),) * 2
        key = (number, cell.task, cell.arm, cell.seed, trial.number, trial.proposal.source, trial.outcome.status.value)
        rows.append((*key, _score(val), _score(test), *best_scores, trial.outcome.seconds, trial.propose_seconds))
    return rows


def _score(value: float | None) -> float:
    return float("nan") if value is None else float(value)
