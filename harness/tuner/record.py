"""What a tuner has done, in memory, and in a file where it has one.

The file holds one JSON object a line, each with a checksum. Its first line is the `tuner`: what was asked for, and its identity (a
`sampler` for Optuna has its arguments there, and nothing but calls after it). Then
follow, as they come: `llm_call` (a call, before its reply is used), `asked` (a proposal, before the user sees it), `trial` (what was
told) and `budget` (another one, from here on). A crash may leave an incomplete last line. No reader takes it, and the next
line replaces it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import RecordError, SettingsError
from harness.llm.calls import KIND as CALL
from harness.llm.calls import SCHEMA as CALL_SCHEMA
from harness.llm.calls import CallRecord
from harness.store import codec
from harness.store.files import storage_errors
from harness.store.lines import append_lines, read_lines

SCHEMA = 1
WHAT = "a line of a tuner's record"
TUNER, SAMPLER, ASKED, TRIAL, BUDGET = "tuner", "sampler", "asked", "trial", "budget"
_SCHEMAS = {TUNER: SCHEMA, SAMPLER: SCHEMA, ASKED: SCHEMA, TRIAL: codec.SCHEMA, BUDGET: SCHEMA, CALL: CALL_SCHEMA}


class Record:
    """The lines of one tuner, or of a sampler (`first`). Without a path they are in memory only.

    Raises RecordError for a file that is damaged, or holds something else.
    """

    def __init__(self, path: Path | None = None, *, first: str = TUNER) -> None:
        self.path = path
        self.rows = [] if path is None else list(_rows(path, first))
        self._size = self._bytes()

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """The calls to an LLM that were made so far."""
        return tuple(CallRecord.from_dict(row) for row in self.rows if row["kind"] == CALL)

    def keep_call(self, call: CallRecord) -> None:
        """Write a call, before its reply is used. Raises StorageError and RecordError."""
        self._append(call.to_dict())

    def append(self, kind: str, row: Mapping[str, object]) -> None:
        """Write one line, and wait until it is on the disk. When that fails, nothing has happened. Raises StorageError and RecordError."""
        self._append({"kind": kind, "schema": SCHEMA, **row})

    def _append(self, row: Mapping[str, object]) -> None:
        if self.path is not None:
            self._refuse_other_writers(self.path)
            try:
                with storage_errors(self.path):
                    append_lines(self.path, [row])
            finally:
                self._size = self._bytes()
        self.rows.append(dict(row))

    def _refuse_other_writers(self, path: Path) -> None:
        if self._bytes() != self._size:
            raise RecordError(f"{path}: somebody else has changed this file meanwhile; go on with Tuner.resume({str(path)!r})")

    def _bytes(self) -> int:
        with contextlib.suppress(OSError):
            return self.path.stat().st_size if self.path is not None else 0
        return 0


def path_of(file: object) -> Path | None:
    """Return the path of a file that a user names; None for none. Raises SettingsError."""
    if file is not None and not isinstance(file, str | os.PathLike):
        raise SettingsError(f"file={file!r}: give a path")
    return None if file is None else Path(file).expanduser()


def _rows(path: Path, first: str) -> Iterator[dict[str, Any]]:
    for number, (where, line) in enumerate(read_lines(path), start=1):
        row = codec.read_row(line, where, WHAT, None)
        kind = row.get("kind")
        if kind not in _SCHEMAS or (kind == first) != (number == 1):
            raise RecordError(f"{where}: not {WHAT}, which begins with what a {first} was asked for; give it another file=")
        codec.check_schema(row, _SCHEMAS[kind], where, WHAT)
        yield row
