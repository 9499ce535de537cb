"""`given=FILE`: trials that were evaluated before a cell begins, as a CSV file or as JSON lines (`.jsonl`), a trial a row.

A row has a value for each active hyperparameter, in a field of its name or of `config.NAME` (in JSON lines also in an object `config`), and
these fields:

    score     the validation score, in the task's own unit, as the report shows it; not of a failed trial
    curve     the scores of the epochs, in place of the score: numbers, in CSV with spaces or ; between them; in JSON lines also an object
              of lists, val_score with any of val_loss, train_score, train_loss, test_score
    test      the test score, where it is known
    status    ok (or empty), crashed, diverged or timeout
    error     why the trial failed
    seconds   how long the training took
    task      the task of the row; a file with this field can serve a sweep over several tasks

A field of an inactive hyperparameter is empty. The report's trials.csv and the trials.jsonl of a cell are such files; what else they hold
is not read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.cell import Given
from harness.config.rows import Row, read_rows
from harness.console import say_once
from harness.errors import SettingsError, near
from harness.space import Choice, Config, Hyperparameter, Number, Space
from harness.task import TaskSpec
from harness.trial import GIVEN, MEASURES, Epoch, Objective, Outcome, Proposal, Status, Trial

FIELDS = ("score", "curve", "test", "status", "error", "seconds", "task")
# What the harness's own files call them.
OTHER_NAMES = {"val_score_pct": "score", "test_score_pct": "test", "train_seconds": "seconds"}
# What else the harness's own files hold: nothing of it is read.
NOT_READ = (
    *("arm", "seed", "trial", "source", "state", "propose_seconds", "tokens_in", "tokens_out", "usd"),
    *("schema", "best_epoch", "raised_at", "traceback", "note", "crc32"),
)
PREFIX = "config."
_OF_CURVE = {name.removesuffix("_pct"): name for name in MEASURES} | {name: name for name in MEASURES}


@dataclass(frozen=True)
class GivenFile:
    """What a file gives to one task. `by_task`: its rows say to which task they belong."""

    path: str
    by_task: bool
    given: Given


def read_given(path: str, task: TaskSpec) -> GivenFile:
    """Read the rows of a task. Raises SettingsError, whose line names file, line and field."""
    rows = list(read_rows(Path(path)))
    if not rows:
        raise SettingsError(f"given={path}: holds no trials")
    by_task = any(not _is_empty(row.fields.get("task")) for row in rows)
    mine = [row for row in rows if str(row.fields.get("task") or "") == task.name] if by_task else rows
    if not mine:
        named = {str(row.fields.get("task") or "") for row in rows} - {""}
        raise SettingsError(f"given={path}: no row is for task '{task.name}'{near(task.name, named)}")
    trials = tuple(_trial(row, number, task) for number, row in enumerate(mine, start=1))
    _warn_of_shares(path, trials, task)
    return GivenFile(path, by_task, Given(trials))


def _is_empty(value: object) -> bool:
    return value is None or value == ""


def _trial(row: Row, number: int, task: TaskSpec) -> Trial:
    about, values = _sorted_out(row, task.space)
    config = _config(row, values, task.space)
    return Trial(number, Proposal(config, GIVEN), _outcome(row, about, task.objective))


def _sorted_out(row: Row, space: Space) -> tuple[dict[str, object], dict[str, object]]:
    """Return the fields about the trial under their own names, and the values of hyperparameters; empty ones are left out."""
    about: dict[str, object] = {}
    values: dict[str, object] = {}
    for key, value in _flat(row):
        known = OTHER_NAMES.get(key, key)
        if _is_empty(value) or (key in NOT_READ):
            continue
        into, name = (about, known) if known in FIELDS else (values, key.removeprefix(PREFIX))
        if into is values and name not in space:
            raise row.refuse(key, f"there is no such hyperparameter or field{near(name, (*space.names, *FIELDS))}")
        if name in into:
            raise row.refuse(key, "is given twice")
        into[name] = value
    return about, values


def _flat(row: Row) -> Iterator[tuple[str, object]]:
    """Yield the fields of a row, those of an object `config` with the prefix."""
    for key, value in row.fields.items():
        if key == "config" and isinstance(value, Mapping):
            yield from ((f"{PREFIX}{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _config(row: Row, values: Mapping[str, object], space: Space) -> Config:
    read = {name: _of_text(row, space[name], str(value)) if row.is_text else value for name, value in values.items()}
    if problems := space.problems(read):
        raise SettingsError(f"{row.where}, {problems[0]}")
    return space.check(read)


def _of_text(row: Row, hp: Hyperparameter, text: str) -> object:
    """Return the value that a cell of a CSV file stands for, by the hyperparameter's type; the text itself when it is none."""
    if isinstance(hp, Number):
        return _as_number(text)
    assert isinstance(hp, Choice)
    meant = [choice for choice in hp.choices if _spells(text, choice)]
    if len(meant) > 1:
        raise row.refuse(hp.name, f"{text} may mean {' or '.join(map(repr, meant))}: give the trials as JSON lines")
    return meant[0] if meant else text


def _as_number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _spells(text: str, choice: object) -> bool:
    if isinstance(choice, bool):
        return text.lower() == str(choice).lower()
    return text == choice if isinstance(choice, str) else _as_number(text) == choice


def _outcome(row: Row, about: Mapping[str, object], objective: Objective) -> Outcome:
    status = _status(row, about)
    seconds = _number(row, "seconds", about.get("seconds", 0.0))
    if seconds < 0:
        raise row.refuse("seconds", f"{seconds:g} is below 0")
    curve = _curve(row, about["curve"], objective, finite=status is Status.OK) if "curve" in about else ()
    if status is not Status.OK:
        if "score" in about:
            raise row.refuse("score", f"a trial of status {status} has none")
        return Outcome.failed(status, str(about.get("error") or f"given as {status}"), curve, seconds)
    if "error" in about:
        raise row.refuse("error", "a trial of status ok has none; the others are crashed, diverged and timeout")
    if "score" not in about and not curve:
        raise row.refuse("score", "is missing; a failed trial has a status: crashed, diverged or timeout")
    return _scored(row, about, curve, seconds, objective)


def _scored(row: Row, about: Mapping[str, object], curve: tuple[Epoch, ...], seconds: float, objective: Objective) -> Outcome:
    score = _score(row, "score", about["score"], objective) if "score" in about else None
    whole = curve or (Epoch(score or 0.0, number=1),)
    outcome = Outcome.of_curve(whole, seconds, objective)
    if score is not None and outcome.val_score_pct is not None and not math.isclose(outcome.val_score_pct, score, rel_tol=1e-9):
        raise row.refuse("score", f"{score:g} is not the best of its curve, {outcome.val_score_pct:g}; leave out one of the two")
    if "test" not in about:
        return outcome
    test = _score(row, "test", about["test"], objective)
    if not objective.test:
        raise row.refuse("test", "the task has no test score; leave it out")
    best = (replace(epoch, test_score_pct=test) if epoch.number == outcome.best_epoch else epoch for epoch in whole)
    return Outcome.of_curve(tuple(best), seconds, objective)


def _status(row: Row, about: Mapping[str, object]) -> Status:
    text = str(about.get("status", Status.OK)).lower()
    if text not in tuple(Status):
        raise row.refuse("status", f"{text!r} is none{near(text, Status)}")
    return Status(text)


def _score(row: Row, field: str, value: object, objective: Objective) -> float:
    score = _number(row, field, value)
    if objective.is_percentage and score > 100.0:
        raise row.refuse(field, f"{score:g} is above 100, and the task's scores are percentages")
    return score


def _number(row: Row, field: str, value: object) -> float:
    """Return a finite number; a text that is one counts in CSV only."""
    read = _as_number(value) if row.is_text and isinstance(value, str) else value
    if isinstance(read, bool) or not isinstance(read, int | float):
        raise row.refuse(field, f"{value!r} is not a number")
    if not abs(read) <= 1e300:
        raise row.refuse(field, f"{value} is not a finite number; a trial without a score has status diverged, crashed or timeout")
    return float(read)


def _curve(row: Row, value: object, objective: Objective, *, finite: bool) -> tuple[Epoch, ...]:
    columns = _columns(row, value)
    lengths = {len(column) for column in columns.values()}
    if "val_score_pct" not in columns or len(lengths) != 1 or lengths == {0}:
        raise row.refuse("curve", "needs val_score, and as many numbers in each of its lists")
    if "test_score_pct" in columns and not objective.test:
        raise row.refuse("curve", "the task has no test score; leave out test_score")
    read = {name: [_measured(row, name, each, objective, finite) for each in column] for name, column in columns.items()}
    if None in read["val_score_pct"]:
        raise row.refuse("curve", "every epoch needs a val_score")
    rows = (dict(zip(read, values, strict=True)) for values in zip(*read.values(), strict=True))
    return tuple(Epoch(**entry, number=number) for number, entry in enumerate(rows, start=1))


def _measured(row: Row, name: str, value: object, objective: Objective, finite: bool) -> float | None:
    if _is_empty(value):
        return None
    if not finite and str(value) in ("nan", "inf", "-inf"):  # as the records of a failed training write them
        return float(str(value))
    return _score(row, "curve", value, objective) if name.endswith("score_pct") else _number(row, "curve", value)


def _columns(row: Row, value: object) -> dict[str, Sequence[object]]:
    """Return the lists of a curve by the names that an epoch has for them."""
    if row.is_text and isinstance(value, str):
        if not value.startswith(("[", "{")):
            return {"val_score_pct": re.split(r"[\s;]+", value)}
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise row.refuse("curve", f"is neither numbers nor JSON ({error})") from error
    if isinstance(value, list):
        return {"val_score_pct": value}
    if not isinstance(value, Mapping):
        raise row.refuse("curve", f"{value!r} is neither a list of numbers nor an object of lists")
    for name, column in value.items():
        if name not in _OF_CURVE:
            raise row.refuse("curve", f"an epoch has no '{name}'{near(str(name), _OF_CURVE)}")
        if not isinstance(column, list):
            raise row.refuse("curve", f"{name} is not a list")
    return {_OF_CURVE[name]: column for name, column in value.items()}


def _warn_of_shares(path: str, trials: Sequence[Trial], task: TaskSpec) -> None:
    scores = [trial.score for trial in trials if trial.score is not None]
    if task.objective.is_percentage and scores and any(scores) and max(map(abs, scores)) <= 1.0:
        say_once(f"given={path}: the scores of task '{task.name}' are percentages, and none here is above 1: are they shares?")
