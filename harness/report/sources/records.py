"""Reads the run folder of a study.

A record that is cut short, damaged, foreign or of another version costs one line of `problems`; the rest of the study is read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import RecordError
from harness.report.sources.calls import judged_calls
from harness.report.study_data import CellData, State, StudyData, cell_of_manifest
from harness.store.archive import Pack, PackedFolder, Readable, packed
from harness.store.cell_folder import CALLS, FAILURE, MANIFEST, SUMMARY, TRIALS, read_json, read_manifest, read_trials
from harness.store.plan import PLAN, Planned, read_blocked, read_plan
from harness.store.race import Race, read_race
from harness.trial import Trial

NOT_TASKS = {"report", "wandb"}


def read_study(folder: Path) -> StudyData:
    """Read every planned cell, and every cell in the folder that is not planned. Raises RecordError where there is no study."""
    problems: list[str] = []
    pack = _read_pack(folder, problems)
    planned = {entry.folder: entry for entry in _plan(folder, problems)}
    found = list(_found(folder, pack, planned))
    if not planned and not found:
        raise RecordError(f"{folder}: no study there (neither {PLAN} nor a cell's {MANIFEST})")
    blocked = read_blocked(folder, problems)
    read = _Reader(folder, pack, problems)
    cells = [_blocked(read.cell(_of_plan(entry)), blocked) for entry in planned.values()]
    cells += read.unplanned(found, cells)
    name = folder.resolve().name
    race = _race(folder, problems)
    problems = [_relative(problem, folder) for problem in problems]

    def in_full(cell: CellData) -> CellData:
        return _in_full(folder, cell)

    return StudyData(name, f"the records in {name}/", tuple(cells), tuple(problems), in_full=in_full, race=race)


def find_cell(path: Path) -> Path | None:
    """Return the path of a cell, on the disk or in the pack of the study above it; None where there is no cell."""
    if (path / MANIFEST).is_file():
        return path
    pack = packed(path.parents[2]) if len(path.parts) > 3 else None
    return path if pack and "/".join(path.parts[-3:]) in pack else None


def read_cell(path: Path) -> StudyData:
    """Read one cell, wherever its folder lies, as a study. Raises RecordError where its records are damaged."""
    folder, pack, name = path.resolve().parent, None, path.resolve().name
    if not (path / MANIFEST).is_file():
        folder, name = path.parents[2], "/".join(path.parts[-3:])
        pack = packed(folder)
    reader = _Reader(folder, pack, [])
    manifest = read_manifest((pack.open(name) if pack else path) / MANIFEST)
    cell = reader.cell(replace(cell_of_manifest(manifest, name), folder=name))
    if cell.state is State.UNREADABLE:
        raise RecordError(cell.reason)
    return StudyData(str(manifest.get("study")), f"the cell {name}", (cell,), in_full=lambda cell: _in_full(folder, cell))


def _in_full(folder: Path, cell: CellData) -> CellData:
    pack = packed(folder)
    path: Path | PackedFolder = pack.open(cell.folder) if pack and cell.folder in pack else folder / cell.folder
    calls = tuple(judged_calls(path / CALLS, cell.trials, texts=True))
    return replace(cell, trials=read_trials(path), calls=calls)


def _read_pack(folder: Path, problems: list[str]) -> Pack | None:
    try:
        return packed(folder)
    except RecordError as error:
        problems.append(str(error))
        return None


def _race(folder: Path, problems: list[str]) -> Race | None:
    try:
        return read_race(folder)
    except RecordError as error:
        problems.append(str(error))
        return None


def _plan(folder: Path, problems: list[str]) -> tuple[Planned, ...]:
    if (folder / PLAN).exists():
        return read_plan(folder, problems)
    problems.append(f"{PLAN}: is missing, so only cells that were started can be seen")
    return ()


def _found(folder: Path, pack: Pack | None, planned: Collection[str]) -> Iterator[str]:
    """Yield the folders of cells that were not planned, in the pack and on the disk, each once."""
    yield from (name for name in pack.members if name not in planned) if pack else ()
    for task in _subfolders(folder):
        for arm in _subfolders(folder / task) if task not in NOT_TASKS else ():
            for cell in _subfolders(folder / task / arm):
                name = f"{task}/{arm}/{cell}"
                if name not in planned and not (pack and name in pack) and (folder / name / MANIFEST).exists():
                    yield name


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())


def _of_plan(entry: Planned) -> CellData:
    return CellData(entry.task, entry.arm, entry.seed, entry.budget, entry.cell, entry.folder, entry.startup_trials)


def _blocked(cell: CellData, blocked: Mapping[str, Mapping[str, Any]]) -> CellData:
    row = blocked.get(cell.cell)
    if row is None or cell.state in (State.DONE, State.UNREADABLE):
        return cell
    return replace(cell, state=State.BLOCKED, reason=str(row.get("reason", "")), fix=str(row.get("fix", "")))


class _Reader:
    """Reads the cells of one study, from its pack first. A record that cannot be used adds a line to `problems`."""

    def __init__(self, folder: Path, pack: Pack | None, problems: list[str]) -> None:
        self._folder = folder
        self._pack = pack
        self._problems = problems
        self._shared: dict[str, Any] = {}

    def cell(self, cell: CellData) -> CellData:
        """Return a planned cell with its records and its state."""
        try:
            path, names = self._open(cell.folder)
            if not any(".json" in name for name in names):
                return cell
            manifest = self._manifest(path / MANIFEST, cell)
            trials = read_trials(path, curves=False)
            summary = read_json(path / SUMMARY) if SUMMARY in names else None
            _refuse_missing(path / TRIALS, trials, summary)
            calls = tuple(judged_calls(path / CALLS, trials))
        # JSON nested without end raises RecursionError, which does not name its file.
        except (RecordError, RecursionError) as error:
            reason = _relative(str(error), self._folder) if isinstance(error, RecordError) else f"{cell.folder}: nested without end"
            self._problems.append(reason)
            return replace(cell, state=State.UNREADABLE, reason=reason)
        cell = replace(cell, manifest=manifest, trials=trials, calls=calls)
        if summary is not None:
            return replace(cell, state=State.DONE)
        if FAILURE in names:
            return replace(cell, state=State.FAILED, reason=_failure(path / FAILURE))
        return replace(
            cell, state=State.UNFINISHED, reason=f"broken off, or running, after {len(cell.own)} of {cell.budget} trials"
        )

    def _open(self, name: str) -> tuple[Path | PackedFolder, Collection[str]]:
        """Return where a cell's records lie, and the names of its files."""
        if self._pack and name in self._pack:
            held = self._pack.open(name)
            return held, held.files
        path = self._folder / name
        try:
            return path, frozenset(os.listdir(path))  # noqa: PTH208 - of each of many cells
        except OSError:
            return path, ()

    def _manifest(self, path: Readable, cell: CellData) -> dict[str, Any]:
        manifest = read_manifest(path)
        if manifest.get("cell") != cell.cell:
            raise RecordError(f"{path}: belongs to another cell ({manifest.get('cell')}, planned is {cell.cell})")
        identity = manifest.get("identity")
        if isinstance(identity, dict):
            manifest["identity"] = {key: self._once(part) for key, part in identity.items()}
        return {key: value if key == "identity" else self._once(value) for key, value in manifest.items()}

    def _once(self, part: Any) -> Any:
        """Return the first of all equal parts of manifests, which saves memory: many cells share a few parts."""
        return self._shared.setdefault(json.dumps(part), part) if isinstance(part, dict) else part

    def unplanned(self, names: Iterable[str], planned: Sequence[CellData]) -> Iterator[CellData]:
        """Yield the cells outside of the plan that have a trial or a call. A second cell of a task, arm and seed is left out."""
        taken = {(cell.task, cell.arm, cell.seed) for cell in planned}
        for name in sorted(names):
            path, files = self._open(name)
            try:
                cell = replace(cell_of_manifest(read_manifest(path / MANIFEST), name), folder=name)
            except RecordError as error:
                self._problems.append(str(error))
                continue
            if not any((path / file).read_bytes() for file in (TRIALS, CALLS) if file in files):
                continue  # left by a command with a mistake in it
            if (entry := (cell.task, cell.arm, cell.seed)) in taken:
                self._problems.append(f"{name}: left out, since the plan has another cell for the same task, arm and seed")
                continue
            taken.add(entry)
            self._problems.append(f"{name}: is not in the plan, and is counted all the same")
            yield self.cell(cell)


def _refuse_missing(path: Readable, trials: tuple[Trial, ...], summary: dict[str, Any] | None) -> None:
    if summary is not None and summary.get("trials") != len(trials):
        raise RecordError(f"{path}: holds {len(trials)} trials where {SUMMARY} counts {summary.get('trials')}")


def _failure(path: Readable) -> str:
    try:
        return str(read_json(path).get("error", "no reason was written"))
    except RecordError as error:
        return str(error)


def _relative(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "")
