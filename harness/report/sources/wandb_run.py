"""Turns one W&B run, offline or online, back into the cell that it mirrors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.errors import RecordError
from harness.report.study_data import CellData, State, cell_of_manifest
from harness.trial import MEASURES, Epoch, Outcome, Proposal, Status, Trial


@dataclass
class MirroredRun:
    """A run in W&B: its config, its history rows (flat keys such as `trial/val_score_pct`), and whether it finished."""

    where: str
    config: dict[str, Any] = field(default_factory=dict)
    history: list[Mapping[str, Any]] = field(default_factory=list)
    finished: bool = False


def to_cell(run: MirroredRun) -> CellData:
    """Return the cell with its trials and curves. Raises RecordError for a run that this harness did not write."""
    cell = cell_of_manifest(run.config, run.where)
    try:
        trials = tuple(_trials(run.history))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{run.where}: damaged history ({type(error).__name__}: {error})") from error
    numbers = [trial.number for trial in trials]
    if numbers != list(range(1, len(trials) + 1)):
        raise RecordError(f"{run.where}: its history holds the trials {numbers}, not 1 to {len(trials)}")
    state = State.DONE if run.finished else State.UNFINISHED
    reason = (
        "" if run.finished else f"broken off, or running, after {sum(not trial.given for trial in trials)} of {cell.budget} trials"
    )
    return replace(cell, trials=trials, state=state, reason=reason)


def _trials(history: Iterable[Mapping[str, Any]]) -> Iterable[Trial]:
    curves: dict[int, list[Epoch]] = {}
    for row in history:
        if "epoch/trial" in row:
            values = {name: _number(row.get(f"epoch/{name}")) for name in MEASURES}
            # W&B drops NaN and infinities. The score of an epoch is always recorded, so a missing one was NaN.
            score = values.pop("val_score_pct")
            epoch = Epoch(float("nan") if score is None else score, **values, number=int(row["epoch/number"]))
            curves.setdefault(int(row["epoch/trial"]), []).append(epoch)
        if "trial/status" in row:
            yield _trial(row, tuple(curves.get(int(row["trial/number"]), ())))


def _trial(row: Mapping[str, Any], curve: tuple[Epoch, ...]) -> Trial:
    best_epoch = row.get("trial/best_epoch")
    outcome = Outcome(
        status=Status(row["trial/status"]),
        curve=curve,
        seconds=float(row["trial/train_seconds"]),
        val_score_pct=_number(row.get("trial/val_score_pct")),
        test_score_pct=_number(row.get("trial/test_score_pct")),
        best_epoch=None if best_epoch is None else int(best_epoch),
        error=row.get("trial/error"),
    )
    config = {key.removeprefix("config/"): value for key, value in row.items() if key.startswith("config/") and value is not None}
    return Trial(int(row["trial/number"]), Proposal(config, row["trial/source"]), outcome, float(row["trial/propose_seconds"]))


def _number(value: Any) -> float | None:
    """Read a number; W&B writes NaN and infinities as text."""
    return None if value is None else float(value)
