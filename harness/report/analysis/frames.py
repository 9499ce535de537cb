"""A study as two tidy frames: one row per cell, and one row per trial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.report.analysis.objectives import Objectives
from harness.report.study_data import CellData, State, StudyData
from harness.trial import Objective, Outcome, incumbent, incumbents

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

    A trial that was given has no row and no number here, and may be the incumbent. A cell without a trial of its own has one row, of the
    last given one, as trial 0.

    Scores are oriented: in the unit of the task's objective, times -1 where lower is better. `test` is the test score of the trial that
    validation chose, NaN where no trial succeeded; the validation score where the task has no test score.
    """

    cells: pd.DataFrame
    trials: pd.DataFrame
    objectives: Objectives = field(default_factory=lambda: Objectives({}))

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
    objectives = Objectives.of(study)
    trials = [
        row
        for number, cell in enumerate(study.cells)
        if cell.state is State.DONE
        for row in _trial_rows(number, cell, objectives[cell.task])
    ]
    cells = pd.DataFrame(_cell_row(cell, objectives[cell.task]) for cell in study.cells)
    return Frames(cells, pd.DataFrame(trials, columns=list(TRIAL_COLUMNS)), objectives)


def _cell_row(cell: CellData, objective: Objective) -> dict[str, object]:
    best = incumbent(cell.trials, objective)
    val, test = oriented(best.outcome if best else None, objective)
    own = cell.own
    first_val, first_test = oriented(own[0].outcome if own else None, objective)
    return {
        "task": cell.task,
        "arm": cell.arm,
        "seed": cell.seed,
        "budget": cell.budget,
        "state": cell.state.value,
        "reason": cell.reason,
        "fix": cell.fix,
        "trials": len(own),
        "given": len(cell.trials) - len(own),
        "failed_trials": sum(not trial.outcome.ok for trial in own),
        "incumbent": best.number if best else None,
        "chose_given": best is not None and best.given,
        "val": val,
        "test": test,
        "first_val": first_val,
        "first_test": first_test,
        "train_seconds": sum(trial.outcome.seconds for trial in own),
        "propose_seconds": sum(trial.propose_seconds for trial in own),
        "cell": cell.cell,
    }


def _trial_rows(number: int, cell: CellData, objective: Objective) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    given = len(cell.trials) - len(cell.own)
    for trial, best in zip(cell.trials, incumbents(cell.trials, objective), strict=True):
        if trial.given and given < len(cell.trials):
            continue
        scores = (*oriented(trial.outcome, objective), *oriented(best.outcome if best else None, objective))
        key = (number, cell.task, cell.arm, cell.seed, trial.number - given, trial.proposal.source, trial.outcome.status.value)
        rows.append((*key, *scores, trial.outcome.seconds, trial.propose_seconds))
    return rows if given < len(cell.trials) else rows[-1:]


def oriented(outcome: Outcome | None, objective: Objective) -> tuple[float, float]:
    """Return the validation and the test score, times -1 where lower is better, NaN where there is none.

    The validation score stands for the test score of a task that has none.
    """
    if outcome is None:
        return float("nan"), float("nan")
    val = _score(outcome.val_score_pct, objective)
    return val, _score(outcome.test_score_pct, objective) if objective.test else val


def _score(value: float | None, objective: Objective) -> float:
    return float("nan") if value is None else objective.sign * float(value) + 0.0
