"""From what a user tells of a training to its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import SettingsError, printable
from harness.training.failure import ERROR_LENGTH, Failure, describe, place_of, traceback_of
from harness.training.trainer import outcome_of
from harness.trial import MEASURES, Crash, Epoch, Objective, Outcome, Status, measures_of

WHAT = "a score, a list of scores or Epochs (the curve), or how it failed: an exception, a harness.Status or a reason"


def outcome_of_told(told: object, objective: Objective, *, failure: object = None, seconds: float = 0.0) -> Outcome:
    """Return the outcome of what was told.

    A number is a curve of one epoch. A curve in which a number is not finite is that of a diverged training. `failure` is how a training
    failed whose curve is told. Scores are in the objective's own unit. Raises SettingsError for anything else, and for a percentage
    above 100.
    """
    if failure is None and _is_failure(told):
        told, failure = (), told
    curve = _until_not_finite(_curve(told, objective, may_be_empty=failure is not None))
    if failure is None:
        return outcome_of(curve, None, seconds, objective)
    return _failed(failure, curve, seconds, objective)


def _is_failure(told: object) -> bool:
    return isinstance(told, BaseException | str)  # a Status is a text too


def _failed(failure: object, curve: list[Epoch], seconds: float, objective: Objective) -> Outcome:
    if isinstance(failure, BaseException):
        crash = Crash(place_of(failure), traceback_of(failure))
        return outcome_of(curve, Failure(describe(failure), crash), seconds, objective)
    if not isinstance(failure, str) or not failure.strip():
        raise SettingsError(f"tell: {failure!r} is no failure: give an exception, a harness.Status or a reason")
    if failure == Status.OK:
        raise SettingsError("tell: a trial that is ok has a score: give that")
    reason = printable(" ".join(failure.split()))[:ERROR_LENGTH]
    if failure in tuple(Status):
        return Outcome.failed(Status(failure), f"told as {reason}", tuple(curve), seconds)
    return Outcome.failed(Status.CRASHED, reason, tuple(curve), seconds)


def _curve(told: Any, objective: Objective, *, may_be_empty: bool) -> list[Epoch]:
    rows = _rows(told)
    if not rows and not may_be_empty:
        raise SettingsError(f"tell: an empty curve: give {WHAT}")
    return [_epoch(number, row, objective) for number, row in enumerate(rows, start=1)]


def _rows(told: Any) -> list[Any]:
    if isinstance(told, Epoch):
        return [told]
    if told is None or isinstance(told, Mapping | set | frozenset | bytes):
        raise SettingsError(f"tell: {type(told).__name__} is nothing that can be told: give {WHAT}")
    try:
        found: Iterable[Any] = iter(told)  # a number of NumPy or torch has no epochs either
    except TypeError:
        return [told]
    return list(found)


def _epoch(number: int, row: Any, objective: Objective) -> Epoch:
    given = row if isinstance(row, Epoch) else Epoch(row)
    where = "tell: " if number == 1 and not isinstance(row, Epoch) else f"tell: epoch {number}: "
    values = [
        None if value is None else _number(value, f"{where}{name}")
        for name, value in zip(MEASURES, measures_of(given), strict=True)
    ]
    if values[0] is None:
        raise SettingsError(f"{where}val_score_pct is missing")
    if objective.is_percentage and (values[0] > 100.0 or (given.test_score_pct or 0.0) > 100.0):
        raise SettingsError(
            f"{where}{values[0]:g} is above 100, and scores are percentages unless metric= says what they are, as in "
            "Tuner(..., direction='minimize', metric={'name': 'rmse', 'unit': 'kWh', 'margin': 0.5})"
        )
    return Epoch(*values, number)  # type: ignore[call-arg, arg-type]


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool | str | bytes):
        raise SettingsError(f"{where} is {value!r}, which is no number: give {WHAT}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise SettingsError(f"{where} is a {type(value).__name__}, which is no number: give {WHAT}") from error


def _until_not_finite(curve: list[Epoch]) -> list[Epoch]:
    """Return the curve up to its first value that is not finite, where the harness would have stopped the training."""
    end = next((place for place, epoch in enumerate(curve, start=1) if epoch.non_finite()), len(curve))
    return curve[:end]
