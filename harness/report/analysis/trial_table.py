"""A study as one table with a row per trial: what `harness.load(study).frame()` returns, and what the report writes to `trials.csv`.

The columns, in this order:

    task             the task's name
    arm              the method as a row of the report's tables
    seed             the seed of the cell
    trial            the number of the trial in its cell, from 1; given trials come first
    config.NAME      the value of each hyperparameter of the study's tasks; empty where it is not active, or of another task
    score            the validation score, in the task's own unit; empty for a failed trial
    test             the test score, in the same unit; for readers, since no method sees it; empty where there is none
    source           where the configuration came from, such as optimizer, default, llm, fallback, given
    status           ok, diverged, crashed or timeout
    state            done, or how far the cell is that the trial belongs to: unfinished, failed, blocked
    train_seconds    how long the training took
    propose_seconds  how long the method took to propose, its LLM included
    tokens_in        tokens of the prompts of the trial's calls to an LLM, failed calls included; empty where none was asked or counted
    tokens_out       tokens of the replies
    usd              the price of these calls, by the harness's price list; empty where the model has no price

No row is left out but those of cells whose records are damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.report.analysis.objectives import Objectives
from harness.report.study_data import Call, CellData, State, StudyData
from harness.space import Config
from harness.trial import Trial, incumbent

BEFORE = ("task", "arm", "seed", "trial")
AFTER = (
    "score",
    "test",
    "source",
    "status",
    "state",
    "train_seconds",
    "propose_seconds",
    "tokens_in",
    "tokens_out",
    "usd",
)
TYPES = {
    **dict.fromkeys(("task", "arm", "source", "status", "state"), "object"),
    **dict.fromkeys(("seed", "trial"), "int64"),
    **dict.fromkeys(("score", "test", "train_seconds", "propose_seconds", "usd"), "float64"),
    **dict.fromkeys(("tokens_in", "tokens_out"), "Int64"),
}
PREFIX = "config."


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial of a study, and the cell that it belongs to.

    `state` is done, unfinished, failed or blocked: how far the cell is. `trial` is the trial as the records hold it, its curve only where
    curves were asked for. Tokens and `usd` are sums over the trial's calls to an LLM, None where none is known.
    """

    task: str
    arm: str
    seed: int
    state: str
    trial: Trial
    tokens_in: int | None = None
    tokens_out: int | None = None
    usd: float | None = None

    @property
    def config(self) -> Config:
        """The configuration: one value for each active hyperparameter."""
        return self.trial.config

    @property
    def score(self) -> float | None:
        """The validation score, in the task's own unit; None when the training failed."""
        return self.trial.score

    @property
    def test(self) -> float | None:
        """The test score, in the same unit; None where there is none."""
        return self.trial.outcome.test_score_pct

    @property
    def cells(self) -> tuple[object, ...]:
        """The values of the columns BEFORE and AFTER."""
        trial, outcome = self.trial, self.trial.outcome
        where = (self.task, self.arm, self.seed, trial.number)
        ended = (self.score, self.test, trial.proposal.source, outcome.status.value, self.state)
        return (*where, *ended, outcome.seconds, trial.propose_seconds, self.tokens_in, self.tokens_out, self.usd)


def trial_rows(study: StudyData) -> Iterator[TrialRow]:
    """Yield every trial of a study, in the order of its plan."""
    for cell in study.cells:
        yield from _rows_of(cell, cell.trials)


def best_rows(study: StudyData) -> Iterator[TrialRow]:
    """Yield, of every cell with a score, the trial that validation chose (the first on a tie), in the order of the plan."""
    objectives = Objectives.of(study)
    for cell in study.cells:
        best = None if cell.state is State.UNREADABLE else incumbent(cell.trials, objectives[cell.task])
        if best is not None:
            yield from _rows_of(cell, [best])


def _rows_of(cell: CellData, trials: Iterable[Trial]) -> Iterator[TrialRow]:
    calls: dict[int, list[Call]] = {}
    for call in cell.calls:
        calls.setdefault(call.trial, []).append(call)
    for trial in trials:
        spent = (None, None, None) if trial.number not in calls else _spent(calls[trial.number])
        yield TrialRow(cell.task, cell.arm, cell.seed, cell.state.value, trial, *spent)


def _spent(calls: Sequence[Call]) -> tuple[int | None, int | None, float | None]:
    tokens_in, tokens_out = ([n for n in counts if n is not None] for counts in zip(*map(_tokens, calls), strict=True))
    usd = [call.usd for call in calls if call.usd is not None]
    return sum(tokens_in) if tokens_in else None, sum(tokens_out) if tokens_out else None, sum(usd) if usd else None


def _tokens(call: Call) -> tuple[int | None, int | None]:
    return call.prompt_tokens, call.completion_tokens


def trial_table(rows: Sequence[TrialRow]) -> pd.DataFrame:
    """Return a row per trial, with the columns that the docstring of this module names."""
    names = dict.fromkeys(name for row in rows for name in row.config)
    about = pd.DataFrame([row.cells for row in rows], columns=[*BEFORE, *AFTER]).astype(TYPES)
    values = {name: [row.config.get(name) for row in rows] for name in names}
    configs = {f"{PREFIX}{name}": pd.Series(column, dtype=_kind(column)) for name, column in values.items()}
    return pd.concat([about[[*BEFORE]], pd.DataFrame(configs, index=about.index), about[[*AFTER]]], axis=1)


def _kind(values: Sequence[object]) -> str:
    """Return the type of a column of values of one hyperparameter, which may have gaps and, over several tasks, mixed types."""
    kinds = {type(value) for value in values} - {type(None)}
    gaps = None in values
    if kinds == {bool}:
        return "boolean" if gaps else "bool"
    if kinds == {int}:
        return "Int64" if gaps else "int64"
    return "float64" if kinds and kinds <= {int, float} else "object"
