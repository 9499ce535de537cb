"""The header of a table: its task and grid, the machine that trained it, and a checksum of its contents.

It is a JSON member of the table's file. So a command can read the space and the checksum without NumPy and without the curves.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.errors import RecordError, SettingsError, near
from harness.space import Space
from harness.store.cell_folder import differing
from harness.store.codec import check_schema, json_text
from harness.tabular.grid import Grid
from harness.task import TaskSpec
from harness.trial import PERCENT, Objective

SCHEMA = 1
MEMBER = "header.json"
SUFFIX = ".npz"
TABLES = "HARNESS_TABLES"
CLOCKS = ("wall", "cpu")
# The errors that `zipfile` raises for a damaged file.
DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Subject:
    """The settings of a table. Tables with equal subjects hold the same trainings, except for rounding on other machines.

    `whole_space` is the task's own space and `space` the table's space, both as `Space.to_mapping` writes them. `clock` says how the
    seconds of a training are measured: `wall`, or `cpu` for processor time, which does not depend on other work on the machine.
    """

    task: str
    target: str
    version: int
    params: Mapping[str, object]
    whole_space: Mapping[str, Mapping[str, object]]
    space: Mapping[str, Any]
    train_seeds: Sequence[int]
    clock: str
    metric: Mapping[str, Any] = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        """What the scores are, from `metric`; a percentage when that is empty."""
        return Objective.from_mapping(self.metric)

    @classmethod
    def of(cls, task: TaskSpec) -> Subject:
        """Return the subject for a task's settings. Raises SettingsError when their `table` is missing or invalid."""
        return _subject(task)


# Cached, because a sweep composes every task once per arm, and enumerating a grid takes longer than composing a cell.
@functools.cache
def _subject(task: TaskSpec) -> Subject:
    name, table = task.name, task.table
    if table is None:
        raise SettingsError(f"task '{name}' has no table.levels in its YAML: they say which grid to train")
    if not isinstance(table.train_seeds, int) or isinstance(table.train_seeds, bool) or table.train_seeds < 1:
        raise SettingsError(f"task '{name}': table.train_seeds={table.train_seeds!r}: give how many, 1 or more")
    if table.clock not in CLOCKS:
        raise SettingsError(f"task '{name}': table.clock={table.clock!r}: give one of {', '.join(CLOCKS)}")
    whole, space = task.space.to_mapping(), grid_space(task).to_mapping()
    plain = json.loads(json_text({"params": task.params, "whole": whole, "space": space}))
    seeds = list(range(table.train_seeds))
    metric = {} if task.objective == PERCENT else task.objective.to_mapping()
    return Subject(name, task.target, task.version, plain["params"], plain["whole"], plain["space"], seeds, table.clock, metric)


@functools.cache
def grid_space(task: TaskSpec) -> Space:
    """Return the space of a task's table. Raises SettingsError for invalid levels."""
    assert task.table is not None
    try:
        return Grid.of(task.space, task.table.levels).space
    except SettingsError as error:
        raise SettingsError(f"task '{task.name}': {error}") from error


@dataclass(frozen=True)
class Header:
    """The header of a table.

    `configs` is the number of configurations. `measures` names the columns of the curves, and `errors` lists the texts of errors.
    `best_val_score_pct` maps each training seed to the best validation score of the grid. `signature` describes the machine (see
    `machine.py`), and `made`, for readers only, holds versions, processor, commit and date. `arrays_sha256` is over all arrays.
    `crashes`, for readers only too, maps errors to [place, traceback] of the first training with that error; older tables have none.
    """

    subject: Subject
    configs: int
    measures: Sequence[str]
    errors: Sequence[str]
    best_val_score_pct: Mapping[str, float | None]
    signature: Mapping[str, str]
    made: Mapping[str, object]
    arrays_sha256: str
    schema: int = SCHEMA
    crashes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def checksum(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of subject, arrays and errors, which decide the result of a replay."""
        subject = {key: value for key, value in asdict(self.subject).items() if key != "metric" or value}
        decisive = json.dumps([subject, self.arrays_sha256, list(self.errors)], sort_keys=True)
        return hashlib.sha256(decisive.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the header as JSON; the inverse of `from_json`."""
        return json_text({key: value for key, value in asdict(self).items() if key != "crashes" or value}, indent=1)

    @classmethod
    def from_json(cls, text: bytes, where: str) -> Header:
        """Read a header. Raises RecordError, which names `where`."""
        try:
            data = json.loads(text)
            check_schema(data, SCHEMA, where, "a table of this harness")
            subject = Subject(**data.pop("subject"))
            data.setdefault("crashes", {})
            return cls(subject=subject, **{f.name: data[f.name] for f in fields(cls) if f.name != "subject"})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"{where}: not a table of this harness ({type(error).__name__}: {error})") from error


def table_folders() -> list[Path]:
    """Return the folders of tables: $HARNESS_TABLES, else `tables` in the current folder and the folder in the package."""
    if named := os.environ.get(TABLES):
        return [Path(named).expanduser().resolve()]
    return [Path("tables").resolve(), Path(__file__).resolve().parents[1] / "tasks" / "tabular"]


def tabular_tasks() -> list[str]:
    """Return the names of the tasks that have a table."""
    return sorted({path.stem for folder in table_folders() for path in folder.glob(f"*{SUFFIX}")})


def find_table(task: TaskSpec) -> tuple[Path, Header]:
    """Return the path and the header of the table for a task with exactly these settings.

    Raises SettingsError when there is none, and RecordError for a damaged file.
    """
    name, remake = task.name, f"python -m harness.tabulate task={task.name}"
    for folder in table_folders():
        if (path := folder / f"{name}{SUFFIX}").is_file():
            break
    else:
        known = tabular_tasks()
        can = f"; it can be made with: {remake}" if task.table else ""
        raise SettingsError(f"evaluator=table: task '{name}' has no table{near(name, known) if known else ''}{can}")
    header = read_header(path)
    stale = list(differing(asdict(header.subject), asdict(Subject.of(task))))
    if stale:
        shown = "; ".join(line.replace(" there, ", " in the table, ").replace(" here", " now") for line in stale[:3])
        raise SettingsError(f"{path} was made of other settings ({shown}): leave those as they were, or make it anew: {remake}")
    return path, header


def read_header(path: Path) -> Header:
    """Return a table's header. Raises RecordError."""
    try:
        return _read_header(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error


@functools.cache
def _read_header(path: Path, _changed_ns: int) -> Header:
    try:
        with zipfile.ZipFile(path) as file:
            return Header.from_json(file.read(MEMBER), str(path))
    except DAMAGE as error:
        raise RecordError(f"{path}: not a table, or damaged ({error}); make it anew, or fetch it again") from error
