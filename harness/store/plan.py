"""The plan of a study: which cells it is to hold, one line each, in the order in which they were first planned."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordError, near
from harness.store.codec import CHECKSUM, check_seal

PLAN = "plan.jsonl"


@dataclass(frozen=True)
class Planned:
    """One line of plan.jsonl."""

    task: str
    arm: str
    seed: int
    budget: int
    cell: str
    folder: str
    startup_trials: int = 0


def read_plan(study: Path) -> tuple[Planned, ...]:
    """Return the planned cells in the order in which they were first planned. Raises RecordError.

    A task, arm and seed that was planned twice, with different settings, is the cell that was planned last (the earlier one never
    got as far as a trial, see `store.refuse_other_settings`). A last line that a crash cut short is left out.
    """
    try:
        data = (study / PLAN).read_bytes()
    except FileNotFoundError:
        raise RecordError(f"{study}: no study there ({PLAN} is missing)") from None
    planned: dict[tuple[str, str, int], Planned] = {}
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        entry = planned_of(line, f"{study / PLAN}, line {number}")
        planned[entry.task, entry.arm, entry.seed] = entry
    return tuple(planned.values())


def planned_of(line: bytes, where: str) -> Planned:
    """Read one line of the plan. Raises RecordError."""
    try:
        row = json.loads(line)
        check_seal(line, row, where)
        return Planned(**{name: value for name, value in row.items() if name != CHECKSUM})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"{where}: damaged, or of a newer version ({error}); update the harness, or delete that line") from error


def find_study(name: str, *, must_exist: bool = True) -> Path | None:
    """Return the study's folder: a path, or a name under ./runs/; None when it need not exist and does not.

    Raises RecordError with the nearest name.
    """
    runs = Path("runs")
    for folder in (Path(name), runs / name):
        if folder.is_dir():
            return folder
    if not must_exist:
        return None
    known = [path.name for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    raise RecordError(f"there is no study '{name}' (neither a folder, nor in {runs}/){near(name, known)}")
