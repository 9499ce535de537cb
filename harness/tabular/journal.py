"""The journal of a table that is being made: one line per training. After a kill, the next launch continues from it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from filelock import FileLock, Timeout

from harness.errors import CellBusy, CellMismatch, RecordError
from harness.space import Config
from harness.store import codec as record
from harness.store.cell_folder import differing
from harness.store.lines import Lines
from harness.tabular.header import Subject
from harness.trial import Outcome, Proposal, Trial

Place: TypeAlias = tuple[int, int]
# Interval between syncs to the disk: a power cut loses the trainings of at most this time.
SYNC_SECONDS = 5.0


@dataclass(frozen=True)
class Entry:
    """One training: the number of its configuration, its training seed, its outcome (with wall seconds) and its processor seconds."""

    config: int
    seed: int
    outcome: Outcome
    cpu_seconds: float


class Journal:
    """The journal file, locked by this process. Use as a context manager.

    Raises CellBusy; CellMismatch when the journal has another subject or comes from another machine; and RecordError when it is damaged.
    """

    def __init__(self, path: Path, subject: Subject, signature: Mapping[str, str]) -> None:
        self._path = path
        self._head = json.loads(record.json_line({"subject": asdict(subject), "signature": dict(signature)}))
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
        self._lines: Lines | None = None
        self._synced = time.monotonic()
        self.entries: dict[Place, Entry] = {}

    def __enter__(self) -> Journal:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise CellBusy(f"{self._path} is being written by another process; leaving it to that one") from None
        try:
            intact = self._read()
            self._lines = Lines(self._path, intact)
            if not intact:
                self._lines.append(record.json_line(self._head), sync=True)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._lines is not None
        self._lines.sync()
        self._lines.close()
        self._lock.release()

    def append(self, entry: Entry, config: Config) -> None:
        """Write one training. Raises StorageError or OSError."""
        assert self._lines is not None
        row = record.to_row(Trial(1, Proposal(dict(config)), entry.outcome))
        line = {"config": entry.config, "seed": entry.seed, "cpu_seconds": round(entry.cpu_seconds, 6), "trial": row}
        now = time.monotonic()
        due = now - self._synced > SYNC_SECONDS
        self._lines.append(record.json_line(line), sync=due)
        self._synced = now if due else self._synced
        self.entries[entry.config, entry.seed] = entry

    def _read(self) -> int:
        """Read the file into `entries`, and return the number of bytes of its complete lines."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        intact = data.rfind(b"\n") + 1
        lines = data[:intact].splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                if number == 1:
                    self._check(row)
                    continue
                outcome = record.from_row(row["trial"]).outcome
                self.entries[row["config"], row["seed"]] = Entry(row["config"], row["seed"], outcome, row["cpu_seconds"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RecordError(f"{self._path}, line {number}: damaged ({error}); delete that line") from error
        return intact

    def _check(self, head: object) -> None:
        differences = list(differing(head, self._head))
        if differences:
            raise CellMismatch(
                f"{self._path} was begun with other settings or another machine ({'; '.join(differences[:3])}): "
                f"move it away to begin anew, or go on as it was begun"
            )
