"""Write files so that a kill or a power cut never damages what was finished; list the folders of an arm only once."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from harness.errors import StorageError
from harness.store import codec as record

# Cells that end within this time of each other share one sync.
BATCH_SECONDS = 0.5
# A draft is a file that is being written. Its name holds the final name and the process id of its writer.
DRAFT = re.compile(r"\..+\.([0-9]+)")


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into StorageError, with the name of the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {error.filename or path}: {reason}; what was written before stays readable") from error


@contextlib.contextmanager
def whole_file(path: Path, *, sync: bool) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` at the end of the block, completely or not at all.

    Until then `path` is unchanged, and it stays so when the block raises. With `sync`, the bytes are on the disk before the file gets its
    name, so that a power cut leaves either the old file or the new one.
    """
    with _draft(path) as draft:
        with draft.open("wb") as file:
            yield file
            file.flush()
            if sync:
                os.fdatasync(file.fileno())
        draft.replace(path)


def write_whole(path: Path, data: bytes, *, sync: bool) -> None:
    """Write bytes to a file, completely or not at all (see `whole_file`)."""
    with whole_file(path, sync=sync) as file:
        file.write(data)


def write_json(path: Path, data: Mapping[str, object], *, sync: bool = True) -> None:
    """Write a JSON file with a checksum, completely or not at all (see `whole_file`)."""
    write_whole(path, record.json_page(data).encode(), sync=sync)


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Yield the name of the draft of a file; the draft is removed when the block raises."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def remove_dead_drafts(folder: Path) -> None:
    """Remove the drafts of processes that were killed. The draft of a living process stays, because it may get its final name next."""
    for name in os.listdir(folder):  # noqa: PTH208 - faster than a path object, and it runs for every cell
        if (draft := DRAFT.fullmatch(name)) and not _alive(int(draft[1])):
            (folder / name).unlink(missing_ok=True)


def remove_dead(path: Path) -> None:
    """Remove the drafts of one file or folder that killed processes left; whatever else lies beside it stays. Raises StorageError."""
    with storage_errors(path):
        for draft in path.parent.glob(f".{glob.escape(path.name)}.*"):
            pid = draft.name.rpartition(".")[2]
            if pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(draft) if draft.is_dir() and not draft.is_symlink() else draft.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that gets the name `path` at the end of the block, with all that was written into it, or is removed.

    There must be nothing of that name. After a power cut there is all of it or nothing. Raises StorageError.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.mkdir()
        try:
            yield draft
            sync_filesystem(draft)
            draft.rename(path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        sync_folder(path.parent)


def _alive(pid: int) -> bool:
    import psutil  # noqa: PLC0415 - only needed when a killed process left a draft

    try:
        return psutil.pid_exists(pid)
    except OverflowError:
        return False


class Batch:
    """Writes many small JSON files with few syncs. No file appears before everything written earlier is on the disk.

    Use as a context manager; at its end every file is on the disk. `folder` is any folder on the file system of the files. Several threads
    may add files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[Path, tuple[Mapping[str, object], Path]] = {}
        self._unsynced = False
        self._last = 0.0
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        with storage_errors(self._folder):
            self._commit()
            if self._unsynced:
                sync_filesystem(self._folder)

    def add(self, path: Path, data: Mapping[str, object], *, instead_of: Path) -> None:
        """Write `path` and remove `instead_of`, now or together with files that are added later. Raises OSError."""
        with self._one_at_a_time:
            self._waiting[path] = (data, instead_of)
            if time.monotonic() - self._last > BATCH_SECONDS:
                self._commit()

    def _commit(self) -> None:
        if not self._waiting:
            return
        with contextlib.ExitStack() as drafts:
            made = {path: drafts.enter_context(_draft(path)) for path in self._waiting}
            for path, draft in made.items():
                draft.write_bytes(record.json_page(self._waiting[path][0]).encode())
            sync_filesystem(self._folder)
            for path, draft in made.items():
                draft.replace(path)
        self._unsynced = True  # the new names are not synced yet; all that was written before them is
        for _, old in self._waiting.values():
            old.unlink(missing_ok=True)
        self._waiting.clear()
        self._last = time.monotonic()


def sync_filesystem(folder: Path) -> None:
    """Wait until everything written to a folder's file system is on the disk. Raises OSError."""
    syncfs = _syncfs()
    if syncfs is None:
        os.sync()
        return
    with open_folder(folder) as descriptor:
        syncfs(descriptor)


@functools.cache
def _syncfs() -> Callable[[int], None] | None:
    """Return the Linux system call `syncfs`; None on other systems."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - only store.sync=cell needs it

    library = ctypes.CDLL(None, use_errno=True)

    def syncfs(descriptor: int) -> None:
        if library.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return syncfs if hasattr(library, "syncfs") else None


def sync_folder(path: Path) -> None:
    """Wait until the names of the files in a folder are on the disk. Raises OSError."""
    with open_folder(path) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    """Open a folder, and yield a descriptor with which it can be synced."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Siblings:
    """An index of the folders of arms by the part of their names before the last hyphen (`seed3` of `seed3-1f6c9a2e`).

    An arm may have thousands of folders. They are listed once, and again only when another process has changed the arm's folder. Several
    threads may use one index.
    """

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, dict[str, list[str]]]] = {}
        # Between the making of a folder and its entry here no other thread may read the time of the parent.
        self._one_at_a_time = threading.RLock()

    def of(self, path: Path) -> list[Path]:
        """Return the folders whose names are equal to that of `path` up to the last hyphen, sorted by name."""
        parent = path.parent
        with self._one_at_a_time:
            try:
                changed_ns = parent.stat().st_mtime_ns
            except FileNotFoundError:
                return []
            known_ns, names = self._known.get(parent, (0, {}))
            if known_ns != changed_ns:
                names = {}
                for name in os.listdir(parent):  # noqa: PTH208 - a path object for each of thousands takes longer
                    names.setdefault(_stem(name), []).append(name)
                self._known[parent] = (changed_ns, names)
            return [parent / name for name in sorted(names.get(_stem(path.name), ()))]

    def make(self, path: Path) -> None:
        """Make a folder, with its parents, unless it exists. Raises OSError."""
        with self._one_at_a_time:
            self._make(path)

    def _make(self, path: Path) -> None:
        self.of(path)
        try:
            path.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:
            path.mkdir(parents=True, exist_ok=True)
            return
        _, names = self._known.get(path.parent, (0, {}))
        names.setdefault(_stem(path.name), []).append(path.name)
        self._known[path.parent] = (path.parent.stat().st_mtime_ns, names)


def _stem(name: str) -> str:
    return name.rpartition("-")[0]
