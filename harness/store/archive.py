"""A study's finished cells in one file. `python -m harness.pack` writes it, and every reader of records reads it.

    STUDY/packed.zip
        cells.jsonl               one line per cell: its folder, and the member that holds it
        TASK/ARM/0.jsonl          one line per cell: {"folder": "TASK/ARM/seed3-1f6c9a2e", "files": {"manifest.json": "...", ...}}

The files are stored byte for byte: as text, or as {"base64": "..."} when they are not UTF-8. Cells of one arm share a member, because
their records are similar and compress well together. A cell in this file is done, even when parts of its folder are left.
"""

from __future__ import annotations

import base64
import functools
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.errors import RecordError
from harness.store.codec import check_schema

PACK, INDEX = "packed.zip", "cells.jsonl"
SCHEMA = 1


class Readable(Protocol):
    """A file of a cell's records, in the cell's folder or in a pack. Its `str` says where it is."""

    def exists(self) -> bool:
        """Say whether the file exists."""
        ...

    def read_bytes(self) -> bytes:
        """Return its contents. Raises FileNotFoundError."""
        ...


@dataclass(frozen=True)
class PackedFile:
    """A file in a pack; `data` is None when the pack does not hold it."""

    place: str
    data: bytes | None

    def exists(self) -> bool:
        return self.data is not None

    def read_bytes(self) -> bytes:
        if self.data is None:
            raise FileNotFoundError(self.place)
        return self.data

    def __str__(self) -> str:
        return self.place


@dataclass(frozen=True)
class PackedFolder:
    """A cell's folder in a pack. `folder / name` gives one of its files, as with a path."""

    place: str
    files: Mapping[str, bytes]

    def __truediv__(self, name: str) -> PackedFile:
        return PackedFile(f"{self.place}/{name}", self.files.get(name))


class Pack:
    """The cells of one pack. Raises RecordError when the pack cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, str] = {}
        self._stems: dict[str, list[str]] = {}
        # A few members in memory are enough: readers follow the plan, which keeps the cells of an arm together.
        self._held = functools.lru_cache(maxsize=4)(lambda member: {row["folder"]: row["files"] for row in _rows(path, member)})
        for row in _rows(path, INDEX):
            check_schema(row, SCHEMA, str(path), "a pack of this harness")
            folder = sys.intern(str(row["folder"]))
            self.members[folder] = sys.intern(str(row["member"]))
            self._stems.setdefault(folder.rpartition("-")[0], []).append(folder)

    def __contains__(self, folder: str) -> bool:
        return folder in self.members

    def __len__(self) -> int:
        return len(self.members)

    def siblings(self, folder: str) -> list[str]:
        """Return the folders of the same task, arm and seed, whatever their settings."""
        return self._stems.get(folder.rpartition("-")[0], [])

    def open(self, folder: str) -> PackedFolder:
        """Return a cell's folder. Raises RecordError."""
        try:
            files = self._held(self.members[folder])[folder]
            return PackedFolder(f"{self.path}/{folder}", {name: _bytes(held) for name, held in files.items()})
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"{self.path}: the pack is damaged ({type(error).__name__}: {error})") from error


def packed(study: Path) -> Pack | None:
    """Return a study's pack, None when it has none. Raises RecordError when the pack cannot be read."""
    try:
        found = (study / PACK).stat()
    except OSError:
        return None
    return _pack(study / PACK, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=8)
def _pack(path: Path, *changed: int) -> Pack:  # noqa: ARG001 - time and size in the cache key: a rewritten pack is read again
    return Pack(path)


def _rows(path: Path, member: str) -> Iterator[dict[str, Any]]:
    try:
        with zipfile.ZipFile(path) as pack, pack.open(member) as lines:
            for line in lines:
                yield json.loads(line)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise RecordError(f"{path}: the pack is damaged, or none ({error}); {member} cannot be read") from error


def as_row(folder: str, files: Mapping[str, bytes]) -> dict[str, object]:
    """Return the row of a member that holds a cell's files; the inverse of `Pack.open`."""
    return {"folder": folder, "files": {name: _held(data) for name, data in sorted(files.items())}}


def _held(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _bytes(held: Any) -> bytes:
    return held.encode() if isinstance(held, str) else base64.b64decode(held["base64"], validate=True)
