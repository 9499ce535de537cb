"""Append lines to a file, and read them, also while another process writes or after a crash: an incomplete last line is ignored."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from harness.errors import RecordError, StorageError
from harness.store import codec as record
from harness.store.archive import Readable


class Lines:
    """A file to which lines are appended. The first `intact` bytes of it are kept; the rest, an incomplete last line, is cut off."""

    def __init__(self, path: Path, intact: int) -> None:
        self._path = path
        self._file: BinaryIO = path.open("ab", buffering=0)
        if self._file.tell() > intact:
            self._file.truncate(intact)

    def append(self, line: str, *, sync: bool) -> None:
        """Write one line; with `sync` it is on the disk on return. Raises StorageError or OSError."""
        data = f"{line}\n".encode()
        if self._file.write(data) != len(data):
            raise StorageError(f"the disk is full: the last line of {self._path} was cut short; free space and launch again")
        if sync:
            self.sync()

    def sync(self) -> None:
        """Wait until all written lines are on the disk."""
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def append_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Append rows of plain data to a file, after cutting off an incomplete last line. Raises RecordError, StorageError or OSError."""
    lines = Lines(path, len(whole_lines(path)))
    try:
        for row in rows:
            lines.append(record.with_checksum(record.json_line(row)), sync=False)
        lines.sync()
    finally:
        lines.close()


def whole_lines(path: Readable) -> bytes:
    """Return the contents of a file up to its last line end; empty when there is no file. Raises RecordError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error
    return data[: data.rfind(b"\n") + 1]


def numbered(path: Readable, lines: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each line together with its name for errors, as in `trials.jsonl, line 3`."""
    for number, line in enumerate(lines.splitlines(), start=1):
        yield f"{path}, line {number}", line


def read_lines(path: Readable) -> Iterator[tuple[str, bytes]]:
    """Yield the complete lines of a file, each with its name for errors. Raises RecordError when the file cannot be read."""
    return numbered(path, whole_lines(path))
