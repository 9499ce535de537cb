"""The plan of a study: one line per planned cell, in the order in which the cells were first planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordError, near
from harness.store.archive import PackedFolder
from harness.store.codec import read_row
from harness.store.lines import read_lines

# BLOCKED holds one line per cell that could not start, with the reason; the last line of a cell counts.
PLAN, BLOCKED = "plan.jsonl", "blocked.jsonl"


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


def read_plan(study: Path | PackedFolder, problems: list[str] | None = None) -> tuple[Planned, ...]:
    """Return the planned cells in the order in which they were first planned. Raises RecordError.

    When a task, arm and seed was planned twice with different settings, the last line counts (the earlier cell has no trial, see
    `cell_folder.refuse_other_settings`). An incomplete last line is left out. With a list of `problems`, an error for each line that
    cannot be read is added to it, and the other lines are read.
    """
    if not (study / PLAN).exists():
        raise RecordError(f"{study}: no study there ({PLAN} is missing)")
    planned: dict[tuple[str, str, int], Planned] = {}
    for where, line in read_lines(study / PLAN):
        try:
            entry = _planned(line, where)
            planned[entry.task, entry.arm, entry.seed] = entry
        except RecordError as error:
            if problems is None:
                raise RecordError(f"{error}; delete that line to go on without it") from error
            problems.append(str(error))
    return tuple(planned.values())


def _planned(line: bytes, where: str) -> Planned:
    try:
        return Planned(**read_row(line, where, "a planned cell", None))
    except TypeError as error:
        raise RecordError(f"{where}: damaged, or written by another version ({error})") from error


def read_blocked(study: Path, problems: list[str]) -> dict[str, Mapping[str, object]]:
    """Return why cells could not start, by their ids. An error for each line that cannot be read is added to `problems`."""
    blocked: dict[str, Mapping[str, object]] = {}
    for where, line in read_lines(study / BLOCKED):
        try:
            row = read_row(line, where, "a blocked cell", None)
            blocked[str(row["cell"])] = row
        except RecordError as error:
            problems.append(str(error))
        except KeyError as error:
            problems.append(f"{where}: damaged, or written by another version (no {error})")
    return blocked


def find_study(name: str, *, must_exist: bool = True) -> Path | None:
    """Return the study's folder; `name` is a path, or a name in ./runs/.

    When there is none, return None, or with `must_exist` raise RecordError, which names the most similar study.
    """
    runs = Path("runs")
    for folder in (Path(name), runs / name):
        if folder.is_dir():
            return folder
    if not must_exist:
        return None
    known = [path.name for path in runs.iterdir() if path.is_dir() and not path.name.startswith(".")] if runs.is_dir() else []
    raise RecordError(f"there is no study '{name}' (neither a folder, nor in {runs}/){near(name, known)}")
