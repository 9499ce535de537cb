"""The run folder of one cell. It is the truth: everything else (W&B, tables, pages) is built from it.

    STUDY/TASK/ARM/seed3-1f6c9a2e/
        manifest.json     what was asked for: identity, settings, versions, git, machine. Written first, never changed.
        trials.jsonl      one line a trial, appended and synced to the disk before the next trial starts
        calls.jsonl       one line a call to an LLM, on the disk before its reply is used
        summary.json      written last: its presence says that the cell is done
        failure.json      why the harness gave up on the cell; removed when a relaunch completes it
        trials-failed-1.jsonl  the trials of an earlier launch, all of which crashed; the next launch trains anew
        .lock, .owner     held while a process runs the cell (see lock.py)

All of it can be read with `cat`. A line that a crash cut short is dropped when the cell is opened again; nothing else is ever rewritten.
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
    """One cell's folder, locked for this process. Use as a context manager.

    `sync="trial"` makes every trial durable before the next one starts; `sync="cell"` syncs once, at the end of the cell, or with a
    `batch` of cells that end soon after each other: a power cut may then cost the trials of the cells that are not done.
    Raises CellBusy, CellMismatch, RecordError and StorageError.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any], *, sync: str = "trial", batch: Batch | None = None) -> None:
        self.path = path
        self._manifest = manifest
        self._sync_each = sync == "trial"
        self._batch = None if self._sync_each else batch
        self._lock = FolderLock(path)
        self._trials_file: Lines | None = None
        self._calls_file: Lines | None = None
        self.trials: tuple[Trial, ...] = ()
        self.restored = False  # whether the manifest was missing, and was written anew

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
        new = not _holds_bytes(self.path / MANIFEST)  # a power cut may leave a name without its bytes
        if new:
            # The folder's name carries the identity's hash: its trials are this cell's, whoever took the manifest away.
            self.restored = _holds_bytes(self.path / TRIALS)
            manifest = {**self._manifest, "restored": True} if self.restored else self._manifest
            write_json(self.path / MANIFEST, manifest, sync=self._batch is None)
        self._set_crashed_trials_aside()
        lines = whole_lines(self.path / TRIALS)
        self.trials = _trials_in(self.path / TRIALS, lines, curves=True)
        self._trials_file = Lines(self.path / TRIALS, len(lines))
        if new and self._batch is None:
            # Syncing a file says nothing of its name in the folder, and of the folder's in its own.
            for folder in (self.path, self.path.parent):
                sync_folder(folder)

    def _set_crashed_trials_aside(self) -> None:
        """Rename the trials of a cell whose every trial crashed. Killed at any point, the next launch ends where this one would."""
        if not (self.path / FAILURE).exists() or not every_trial_crashed(self.path):
            return
        if _holds_bytes(self.path / TRIALS):
            (self.path / TRIALS).rename(self.path / f"trials-failed-{failed_launches(self.path) + 1}.jsonl")
        (self.path / FAILURE).unlink()

    def append(self, trial: Trial) -> None:
        """Write one trial as one line; on return it is on the disk (with `sync="trial"`).

        Raises StorageError, and CellBusy when another machine took this one for dead and has the cell now.
        """
        assert self._trials_file is not None
        with storage_errors(self.path):
            self._lock.check()
            self._trials_file.append(record.to_line(trial), sync=self._sync_each)
        self.trials = (*self.trials, trial)

    def append_call(self, row: Mapping[str, Any]) -> None:
        """Write one call to an LLM as one line, synced at once: it was paid for. Raises StorageError, and CellBusy as `append` does."""
        with storage_errors(self.path):
            self._lock.check()
            if self._calls_file is None:
                path = self.path / CALLS
                self._calls_file = Lines(path, len(whole_lines(path)))
            self._calls_file.append(record.sealed(record.json_line(row)), sync=True)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mark the cell as done."""
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

    def fail(self, failure: Mapping[str, Any]) -> None:
        """Write down why the harness gave up on the cell, for the coverage table."""
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
    """Read a cell's trials, with `curves=False` all but their curves; a last line that was cut short is left out.

    Raises RecordError naming file and line.
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
    """Read a cell's manifest. Raises RecordError when it is missing, damaged or another version's."""
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


def refuse_other_settings(path: Path, manifest: Mapping[str, Any]) -> None:
    """Raise CellMismatch when the study holds the same task, arm and seed made with settings that give another result.

    A folder without a trial or a call is no obstacle: a command with a mistake in it may have left it.
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


def _made_before(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folders that the study holds of a cell's task, arm and seed, and their manifests; those without a record left out."""
    for folder in _SIBLINGS.of(path):
        if _holds_bytes(folder / MANIFEST) and any(_holds_bytes(folder / name) for name in (TRIALS, CALLS)):
            yield folder, read_manifest(folder / MANIFEST)
    study, cell = path.parents[2], "/".join(path.parts[-3:])
    pack = packed(study)
    for name in pack.siblings(cell) if pack else ():
        if pack and name != cell:
            yield pack.path / name, read_manifest(pack.open(name) / MANIFEST)


def differing(there: Any, here: Any, key: str = "") -> Iterator[str]:
    """Yield `"key: value there, value here"` for every leaf in which two nested mappings differ."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for name in dict.fromkeys((*there, *here)):
            yield from differing(there.get(name), here.get(name), f"{key}.{name}" if key else str(name))
    elif there != here:
        yield f"{key}: {_short(there)} there, {_short(here)} here"


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _holds_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
