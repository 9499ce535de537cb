"""What `python -m harness.advise` raced in a study: race.json in the study's folder. A study without it was made by other commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordError
from harness.store.archive import PackedFolder
from harness.store.cell_folder import read_json
from harness.store.files import storage_errors, write_json

RACE = "race.json"
SCHEMA = 1


@dataclass(frozen=True)
class Race:
    """The methods of a race on one task, by their arms. `baseline` is the arm of the default configuration alone, empty without one."""

    task: str
    arms: tuple[str, ...]
    baseline: str = ""


def write_race(study: Path, race: Race) -> None:
    """Write which methods the last command raced. Raises StorageError, and RecordError for a study with a race on another task."""
    before = read_race(study)
    if before and before.task != race.task:
        raise RecordError(f"{study}: holds a race on task '{before.task}'; choose another study=NAME")
    if before != race:
        with storage_errors(study):
            write_json(study / RACE, {"schema": SCHEMA, "task": race.task, "arms": list(race.arms), "baseline": race.baseline})


def read_race(study: Path | PackedFolder) -> Race | None:
    """Return the race of a study, None without one. Raises RecordError for a damaged file."""
    if not (study / RACE).exists():
        return None
    page = read_json(study / RACE)
    task, arms, baseline = page.get("task"), page.get("arms"), page.get("baseline")
    texts = [task, baseline, *arms] if isinstance(arms, list) else [None]
    if page.get("schema") != SCHEMA or not all(isinstance(text, str) for text in texts):
        raise RecordError(f"{study / RACE}: damaged, or written by another version; delete it, and give the same command again")
    return Race(str(task), tuple(map(str, arms or ())), str(baseline))
