"""The folder of one cell: its records. Everything else (W&B, tables, reports) is made from them.

    STUDY/TASK/ARM/seed3-1f6c9a2e/
        manifest.json     the request: identity, settings, versions, git, machine. Written first, never changed.
        trials.jsonl      one line per trial, appended and synced to the disk before the next trial starts
        calls.jsonl       one line per call to an LLM, on the disk before its reply is used
        summary.json      written last; a cell that has it is done
        failure.json      why the last launch of the cell failed; removed when a later launch completes it
        trials-failed-1.jsonl   the trials of a launch in which all of them crashed; the launch after it trains anew
        .lock, .owner     locked while a process runs the cell (see lock.py)

All files are text. A crash may leave an incomplete last line; it is removed when the cell is opened again. Nothing else is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import CellMismatch, RecordError
from harness.store import codec as record
from harness.store.archive import PackedFolder, Readable, packed
from harness.store.files import Batch, Siblings, remove_dead_drafts, storage_errors, sync_folder
from harness.store.files import write_json as write_json
from harness.store.lines import Lines, numbered, whole_lines
from harness.store.lock import FolderLock
from harness.trial import Trial

SCHEMA = 1
MANIFEST, TRIALS, CALLS, SUMMARY, FAILURE = "manifest.json", "trials.jsonl", "calls.jsonl", "summary.json", "failure.json"
# In failure.json: every trial of the cell crashed, so the next launch begins it anew.
EVERY_TRIAL_CRASHED = "every_trial_crashed"
_SIBLINGS = Siblings()


class CellFolder:
    """One cell's folder, locked by this process. Use as a context manager.

    With `sync="trial"`, every trial is synced to the disk before the next one starts. With `sync="cell"`, the files are synced once, at
    the end of the cell, or together with other cells by a `batch`; a power cut may then lose the trials of cells that are not done.
    Raises CellBusy, CellMismatch, RecordError and StorageError.
    """

    def __init__(self, path: Path, manifest: Mapping[str, object], *, sync: str = "trial", batch: Batch | None = None) -> None:
        self.path = path
        self._manifest = manifest
        self._sync_each = sync == "trial"
        self._batch = None if self._sync_each else batch
        self._lock = FolderLock(path)
        self._trials_file: Lines | None = None
        self._calls_file: Lines | None = None
        self.trials: tuple[Trial, ...] = ()
        self.restored = False  # whether the manifest was missing and has been written again

    def __enter__(self) -> CellFolder:
        with storage_errors(self.path):
            refuse_other_settings(self.path, self._manifest)
            _SIBLINGS.make(self.path)
            self._lock.acquire()
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in (self._trials_file, self._calls_file):
            if file is not None:
                file.close()
        self._lock.release()

    def _open(self) -> None:
        remove_dead_drafts(self.path)
        new = not _holds_bytes(self.path / MANIFEST)  # a power cut may leave an empty file
        if new:
            # The folder's name holds the hash of the identity, so its trials belong to this cell even without a manifest.
            self.restored = _holds_bytes(self.path / TRIALS)
            manifest = {**self._manifest, "restored": True} if self.restored else self._manifest
            write_json(self.path / MANIFEST, manifest, sync=self._batch is None)
        self._set_crashed_trials_aside()
        lines = whole_lines(self.path / TRIALS)
        self.trials = _trials_in(self.path / TRIALS, lines, curves=True)
        self._trials_file = Lines(self.path / TRIALS, len(lines))
        if new and self._batch is None:
            # Syncing a file does not sync its name in the folder, nor the folder's name in its parent.
            for folder in (self.path, self.path.parent):
                sync_folder(folder)

    def _set_crashed_trials_aside(self) -> None:
        """Rename the trials of a cell whose every trial crashed. Killed at any point, the next launch ends where this one would."""
        if not (self.path / FAILURE).exists() or not every_trial_crashed(self.path):
            return
        if _holds_bytes(self.path / TRIALS):
            (self.path / TRIALS).rename(self.path / f"trials-failed-{failed_launches(self.path) + 1}.jsonl")
        (self.path / FAILURE).unlink()

    def append(self, *trials: Trial) -> None:
        """Write trials, a line each. With `sync="trial"` they are on the disk on return.

        Raises StorageError, and CellBusy when another machine has taken the cell over.
        """
        assert self._trials_file is not None
        with storage_errors(self.path):
            self._lock.check()
            for place, trial in enumerate(trials, start=1):
                self._trials_file.append(record.to_line(trial), sync=self._sync_each and place == len(trials))
        self.trials = (*self.trials, *trials)

    def append_call(self, row: Mapping[str, object]) -> None:
        """Write one call to an LLM as one line, and sync it, because it cost money. Raises StorageError and CellBusy, as `append` does."""
        with storage_errors(self.path):
            self._lock.check()
            if self._calls_file is None:
                path = self.path / CALLS
                self._calls_file = Lines(path, len(whole_lines(path)))
            self._calls_file.append(record.with_checksum(record.json_line(row)), sync=True)

    def finish(self, summary: Mapping[str, object]) -> None:
        """Write `summary.json`, which marks the cell as done."""
        assert self._trials_file is not None
        with storage_errors(self.path):
            self._lock.check()
            if self._batch is not None:
                self._batch.add(self.path / SUMMARY, summary, instead_of=self.path / FAILURE)
                return
            if not self._sync_each:
                self._trials_file.sync()
            write_json(self.path / SUMMARY, summary)
            (self.path / FAILURE).unlink(missing_ok=True)

    def fail(self, failure: Mapping[str, object]) -> None:
        """Write `failure.json`: why the cell failed, for the coverage table of the report."""
        with storage_errors(self.path):
            write_json(self.path / FAILURE, failure)


def every_trial_crashed(path: Path) -> bool:
    """Say whether the last launch of a cell gave up on it because all of its trials had crashed."""
    try:
        return bool(read_json(path / FAILURE).get(EVERY_TRIAL_CRASHED))
    except RecordError:  # it is written anew by the next launch that fails
        return False


def failed_launches(path: Path) -> int:
    """Return how often the trials of a cell were set aside."""
    return len(list(path.glob("trials-failed-*.jsonl")))


def read_trials(folder: Path | PackedFolder, *, curves: bool = True) -> tuple[Trial, ...]:
    """Read a cell's trials; with `curves=False`, without their curves. An incomplete last line is left out.

    Raises RecordError, which names file and line.
    """
    return _trials_in(folder / TRIALS, whole_lines(folder / TRIALS), curves)


def _trials_in(path: Readable, lines: bytes, curves: bool) -> tuple[Trial, ...]:
    trials = []
    for number, (where, line) in enumerate(numbered(path, lines), start=1):
        trial = record.from_line(line, where, curve=curves)
        if trial.number != number:
            raise RecordError(f"{where}: holds trial {trial.number}")
        trials.append(trial)
    return tuple(trials)


def read_manifest(path: Readable) -> dict[str, Any]:
    """Read a cell's manifest. Raises RecordError when it is missing, damaged or from another version."""
    manifest = read_json(path)
    record.check_schema(manifest, SCHEMA, str(path), "a manifest of this harness")
    return manifest


def read_json(path: Readable) -> dict[str, Any]:
    """Read one JSON object. Raises RecordError when it is missing or damaged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise RecordError(f"{path}: is missing") from None
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error})") from error
    return record.read_page(text, str(path))


def refuse_other_settings(path: Path, manifest: Mapping[str, object]) -> None:
    """Raise CellMismatch when the study holds the same task, arm and seed with settings that give another result.

    Folders without a trial or a call are ignored: a command with a mistake may have left them. So are those whose every trial crashed.
    """
    for folder, there in _made_before(path):
        differences = list(differing(there.get("identity", {}), manifest["identity"]))
        if differences and all(difference.startswith("versions") for difference in differences):
            raise CellMismatch(
                f"{folder} was made before a correction ({'; '.join(differences[:5])}), and its trials would mix with others: "
                f"choose another study=NAME, or move that folder away"
            )
        if differences:
            raise CellMismatch(
                f"{folder} was made with other settings ({'; '.join(differences[:5])}): "
                f"choose another study=NAME, give this method its own arm=NAME, or move that folder away"
            )


def _made_before(path: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """Yield the study's folders with the task, arm and seed of a cell, and their manifests. Folders without records are left out."""
    for folder in _SIBLINGS.of(path):
        holds_records = _holds_bytes(folder / MANIFEST) and any(_holds_bytes(folder / name) for name in (TRIALS, CALLS))
        if holds_records and not every_trial_crashed(folder):
            yield folder, read_manifest(folder / MANIFEST)
    study, cell = path.parents[2], "/".join(path.parts[-3:])
    pack = packed(study)
    for name in pack.siblings(cell) if pack else ():
        if pack and name != cell:
            yield pack.path / name, read_manifest(pack.open(name) / MANIFEST)


def differing(there: object, here: object, key: str = "") -> Iterator[str]:
    """Yield `"key: value there, value here"` for every leaf in which two nested mappings differ."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys((*there, *here)):
            yield from differing(there.get(name), here.get(name), f"{key}.{name}" if key else str(name))
    elif there != here:
        yield f"{key}: {_short(there)} there, {_short(here)} here"


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _holds_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
