"""Read a study's run folder. A record that is cut short, damaged, foreign or from a newer version is named in one line, and the rest
of the study is read all the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import record
from harness.errors import RecordError
from harness.report.calls import read_calls
from harness.report.data import CellData, State, StudyData
from harness.store import CALLS, FAILURE, MANIFEST, SCHEMA, SUMMARY, TRIALS, read_json, read_trials
from harness.study import BLOCKED, PLAN, Planned
from harness.trial import Trial

NOT_TASKS = {"report", "wandb"}


def read_study(folder: Path) -> StudyData:
    """Read every planned cell, and every cell that lies in the folder without being planned. Raises RecordError: no study there."""
    problems: list[str] = []
    planned = {entry.folder: entry for entry in _read_plan(folder, problems)}
    found = {path.relative_to(folder).as_posix() for path in folder.glob(f"*/*/*/{MANIFEST}")}
    found = {Path(name).parent.as_posix() for name in found if Path(name).parts[0] not in NOT_TASKS}
    if not planned and not found:
        raise RecordError(f"{folder}: no study there (neither {PLAN} nor a cell's {MANIFEST})")
    blocked = _read_blocked(folder, problems)
    cells = [_read_cell(folder, _of_plan(entry), problems) for entry in planned.values()]
    cells = [_blocked(cell, blocked) for cell in cells]
    cells += _unplanned(folder, sorted(found - set(planned)), cells, problems)
    name = folder.resolve().name
    return StudyData(name, f"the records in {name}/", tuple(cells), tuple(problems), in_full=lambda cell: _in_full(folder, cell))


def _in_full(folder: Path, cell: CellData) -> CellData:
    path = folder / cell.folder
    calls = tuple(read_calls(path / CALLS, cell.trials, texts=True)) if (path / CALLS).exists() else ()
    return replace(cell, trials=read_trials(path), calls=calls)


def _read_plan(folder: Path, problems: list[str]) -> Iterator[Planned]:
    """Yield the planned cells; a line that cannot be read costs that line only."""
    if not (folder / PLAN).exists():
        problems.append(f"{PLAN}: is missing, so only cells that were started can be seen")
        return
    seen = set[str]()
    for where, row in _rows(folder / PLAN, problems):
        try:
            entry = Planned(**row)
        except TypeError as error:
            problems.append(f"{where}: damaged ({error})")
            continue
        if entry.cell not in seen:
            seen.add(entry.cell)
            yield entry


def _read_blocked(folder: Path, problems: list[str]) -> dict[str, Mapping[str, Any]]:
    """Return the last line of blocked.jsonl for each cell."""
    if not (folder / BLOCKED).exists():
        return {}
    return {str(row["cell"]): row for _, row in _rows(folder / BLOCKED, problems) if "cell" in row}


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
            record.check_seal(line, row if isinstance(row, dict) else {}, where)
        except (ValueError, RecursionError, RecordError) as error:
            problems.append(str(error) if isinstance(error, RecordError) else f"{where}: damaged ({error})")
            continue
        if isinstance(row, dict):
            row.pop(record.CHECKSUM, None)
            yield where, row
        else:
            problems.append(f"{where}: damaged (not an object)")


def _of_plan(entry: Planned) -> CellData:
    return CellData(entry.task, entry.arm, entry.seed, entry.budget, entry.cell, entry.folder, entry.startup_trials)


def _blocked(cell: CellData, blocked: Mapping[str, Mapping[str, Any]]) -> CellData:
    row = blocked.get(cell.cell)
    if row is None or cell.state in (State.DONE, State.UNREADABLE):
        return cell
    return replace(cell, state=State.BLOCKED, reason=str(row.get("reason", "")), fix=str(row.get("fix", "")))


def _read_cell(folder: Path, cell: CellData, problems: list[str]) -> CellData:
    path = folder / cell.folder
    if not path.is_dir() or not any(path.glob("*.json*")):
        return cell
    try:
        manifest = _read_manifest(path, cell)
        trials = read_trials_without_curves(path / TRIALS)
        summary = read_json(path / SUMMARY) if (path / SUMMARY).exists() else None
        _refuse_missing(path, trials, summary)
        calls = tuple(read_calls(path / CALLS, trials)) if (path / CALLS).exists() else ()
    # Nesting without end is no Python value; the record that holds it cannot be told by then.
    except (RecordError, RecursionError) as error:
        reason = _relative(str(error), folder) if isinstance(error, RecordError) else f"{cell.folder}: nested without end"
        problems.append(reason)
        return replace(cell, state=State.UNREADABLE, reason=reason)
    cell = replace(cell, manifest=manifest, trials=trials, calls=calls)
    if summary is not None:
        return replace(cell, state=State.DONE)
    if (path / FAILURE).exists():
        return replace(cell, state=State.FAILED, reason=_failure(path / FAILURE))
    return replace(cell, state=State.UNFINISHED, reason=f"broken off, or running, after {len(trials)} of {cell.budget} trials")


def _refuse_missing(path: Path, trials: tuple[Trial, ...], summary: dict[str, Any] | None) -> None:
    if summary is not None and summary.get("trials") != len(trials):
        raise RecordError(f"{path / TRIALS}: holds {len(trials)} trials where {SUMMARY} counts {summary.get('trials')}")


def _read_manifest(path: Path, cell: CellData) -> dict[str, Any]:
    manifest = read_json(path / MANIFEST)
    schema = manifest.get("schema")
    if not isinstance(schema, int):
        raise RecordError(f"{path / MANIFEST}: not a manifest of this harness")
    if schema > SCHEMA:
        raise RecordError(f"{path / MANIFEST}: written by a newer version (schema {schema}, this one reads {SCHEMA})")
    if manifest.get("cell") != cell.cell:
        raise RecordError(f"{path / MANIFEST}: belongs to another cell ({manifest.get('cell')}, planned is {cell.cell})")
    return manifest


def read_trials_without_curves(path: Path) -> tuple[Trial, ...]:
    """Read a cell's trials, leaving out the curves, which no table needs and which are most of the time.

    A last line that was cut short is left out. Raises RecordError naming file and line.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from error
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    return tuple(_trial(line, f"{path}, line {number}", number) for number, line in enumerate(lines, start=1))


def _trial(line: bytes, where: str, number: int) -> Trial:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not JSON ({error})") from error
    if not isinstance(row, dict) or type(row.get("schema")) is not int:
        raise RecordError(f"{where}: not a trial record")
    if row["schema"] > record.SCHEMA:
        raise RecordError(f"{where}: written by a newer version (schema {row['schema']}, this one reads {record.SCHEMA})")
    record.check_seal(line, row, where)
    try:
        trial = _sane(record.from_row(row | {"curve": {}}))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RecordError(f"{where}: damaged trial record ({type(error).__name__}: {error})") from error
    if trial.number != number:
        raise RecordError(f"{where}: holds trial {trial.number}")
    return trial


def _sane(trial: Trial) -> Trial:
    """Refuse what the reader of records lets pass and no harness writes. Raises ValueError and TypeError."""
    score = trial.outcome.test_score_pct
    if score is not None and (isinstance(score, bool) or not math.isfinite(score)):
        raise ValueError(f"test_score_pct is {score}")
    for name, value in trial.config.items():
        if not isinstance(value, int | float | str):
            raise TypeError(f"config: {name} is {type(value).__name__}")
    if not isinstance(trial.proposal.note, Mapping):
        raise TypeError("note is not an object")
    return trial


def _failure(path: Path) -> str:
    try:
        return str(read_json(path).get("error", "no reason was written"))
    except RecordError as error:
        return str(error)


def _unplanned(folder: Path, names: list[str], planned: list[CellData], problems: list[str]) -> Iterator[CellData]:
    """Yield cells that lie in the folder but not in the plan, unless they would count a task, arm and seed twice."""
    taken = {(cell.task, cell.arm, cell.seed) for cell in planned}
    for name in names:
        try:
            manifest = read_json(folder / name / MANIFEST)
            entry = (str(manifest["task"]), str(manifest["arm"]), int(manifest["seed"]))
            startup = int(manifest["identity"]["optimizer"].get("startup_trials", 0))
            cell = CellData(*entry, int(manifest["budget"]), str(manifest["cell"]), name, startup)
        except (RecordError, KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{name}: not a cell of this harness ({type(error).__name__}: {_relative(str(error), folder)})")
            continue
        if entry in taken:
            problems.append(f"{name}: left out, since the plan has another cell for the same task, arm and seed")
            continue
        taken.add(entry)
        problems.append(f"{name}: is not in the plan, and is counted all the same")
        yield _read_cell(folder, cell, problems)


def _relative(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "")
