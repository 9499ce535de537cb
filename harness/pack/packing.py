"""Puts the records of a study's finished cells into one file, or back into their folders."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import CellBusy, RecordError
from harness.store.archive import INDEX, PACK, SCHEMA, Pack, as_row, packed
from harness.store.cell_folder import MANIFEST, SUMMARY
from harness.store.files import DRAFT, remove_dead_drafts, storage_errors, sync_filesystem, sync_folder, whole_file, write_whole
from harness.store.lock import LOCK, OWNER

CELLS_PER_MEMBER = 200
NOT_TASKS = {"report", "wandb"}


@contextlib.contextmanager
def alone(study: Path) -> Iterator[None]:
    """Keep other packings of the study out. Raises CellBusy."""
    lock = FileLock(study / ".pack.lock", timeout=0)
    with storage_errors(study):
        try:
            lock.acquire()
        except Timeout:
            raise CellBusy(f"{study} is being packed by another process") from None
    try:
        yield
    finally:
        lock.release()


def pack(study: Path, *, keep: bool) -> str:
    """Pack what is finished, and return what was done in one line. Raises HarnessError; then every record is where it was."""
    before = packed(study)
    folders = [folder for folder in cell_folders(study) if _plain(study / folder)]
    left = _left(study, before, folders) if before else []
    new = [folder for folder in folders if not (before and folder in before) and _is_finished(study / folder)]
    with storage_errors(study):
        remove_dead_drafts(study)
        if new:
            _write(study, before, new)
        for folder in (*left, *new) if not keep else ():
            _remove(study / folder)
    after = packed(study)
    if after is None:
        return f"{study}: nothing to pack, no cell is finished"
    size = after.path.stat().st_size / 1e6
    return f"{after.path}: {len(after):,} cells, {len(new):,} of them new, {size:.1f} MB"


def _left(study: Path, before: Pack, folders: Sequence[str]) -> list[str]:
    """Return the folders of packed cells that an earlier packing had no time to remove, whole or in part. Raises RecordError."""
    left = [folder for folder in folders if folder in before]
    for folder in left:
        if not _files(study / folder).items() <= before.open(folder).files.items():
            raise RecordError(f"{study / folder} differs from what {before.path} holds of it: move one of the two away")
    return left


def unpack(study: Path, *, keep: bool) -> str:
    """Write every file back, and return what was done in one line. Raises HarnessError; then the pack is still there."""
    held = packed(study)
    if held is None:
        raise RecordError(f"{study}: there is no {PACK}")
    with storage_errors(study):
        for folder in held.members:
            for name, data in held.open(folder).files.items():
                _restore(study / folder / name, data)
            remove_dead_drafts(study / folder)
        sync_filesystem(study)
        if not keep:
            held.path.unlink()
            sync_folder(study)
    return f"{study}: {len(held):,} cells are in their folders"


def cell_folders(study: Path) -> Iterator[str]:
    """Yield the folders of all cells, by task, arm and name."""
    for task in _subfolders(study):
        for arm in _subfolders(study / task) if task not in NOT_TASKS else ():
            yield from (f"{task}/{arm}/{name}" for name in _subfolders(study / task / arm))


def _is_finished(folder: Path) -> bool:
    return (folder / SUMMARY).exists() and (folder / MANIFEST).exists()


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _plain(folder: Path) -> bool:
    """Say whether a cell's folder holds files only, so that all of it can be packed."""
    with os.scandir(folder) as entries:
        return all(entry.is_file(follow_symlinks=False) for entry in entries)


def _files(folder: Path) -> dict[str, bytes]:
    """Return all that lies in a cell's folder but its lock, and drafts of files that a kill kept from getting their names."""
    paths = (path for path in folder.iterdir() if path.name not in (LOCK, OWNER) and not DRAFT.fullmatch(path.name))
    return {path.name: path.read_bytes() for path in paths}


def _write(study: Path, before: Pack | None, new: Sequence[str]) -> None:
    """Write the pack with the new cells in it, verify it against their folders, and put it in its place."""
    with whole_file(study / PACK, sync=True) as draft:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as target:
            places = [*_copied(before, target), *_added(study, before, new, target)]
            index = [{"schema": SCHEMA, "folder": folder, "member": member} for folder, member in places]
            target.writestr(INDEX, "".join(f"{json.dumps(row)}\n" for row in index))
        draft.flush()
        _verify(Pack(Path(draft.name)), study, before, new)
    sync_folder(study)


def _copied(before: Pack | None, target: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Copy what was packed earlier, and yield its cells' places."""
    if before is None:
        return
    with zipfile.ZipFile(before.path) as source:
        for member in dict.fromkeys(before.members.values()):
            target.writestr(member, source.read(member))
    yield from before.members.items()


def _added(study: Path, before: Pack | None, new: Iterable[str], target: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Write the new cells, members of an arm by turns, and yield their places."""
    taken = set(before.members.values()) if before else set[str]()
    for arm, group in groupby(new, lambda folder: folder.rpartition("/")[0]):
        folders = list(group)
        for start in range(0, len(folders), CELLS_PER_MEMBER):
            number = 0
            while (member := f"{arm}/{number}.jsonl") in taken:
                number += 1
            taken.add(member)
            chunk = folders[start : start + CELLS_PER_MEMBER]
            lines = (json.dumps(as_row(folder, _files(study / folder)), ensure_ascii=False) for folder in chunk)
            target.writestr(member, "".join(f"{line}\n" for line in lines))
            yield from ((folder, member) for folder in chunk)


def _verify(made: Pack, study: Path, before: Pack | None, new: Sequence[str]) -> None:
    """Read the whole pack back from the disk. Raises RecordError when it does not hold exactly what it was made of."""
    with zipfile.ZipFile(made.path) as written:
        bad = written.testzip()
    if bad is not None:
        raise RecordError(f"{made.path}: {bad} was not written as it is; nothing was removed")
    for folder in new:
        if made.open(folder).files != _files(study / folder):
            raise RecordError(f"{study / folder} was changed while it was packed; nothing was removed, launch it again")
    if len(made) != len(new) + (len(before) if before else 0):
        raise RecordError(f"{made.path}: holds {len(made)} cells; nothing was removed")
    if before and any(made.open(folder).files != before.open(folder).files for folder in before.members):
        raise RecordError(f"{before.path} was not copied as it is; nothing was removed")


def _remove(path: Path) -> None:
    """Remove a packed cell's folder, and what of its parents is empty then.

    A process that comes by just now finds the cell in the pack; what it may leave here is for the next packing to remove.
    """
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path):  # noqa: PTH208 - of each of many cells
            (path / name).unlink()
    with contextlib.suppress(OSError):  # one of them is not empty
        path.rmdir()
        path.parent.rmdir()
        path.parent.parent.rmdir()


def _restore(path: Path, data: bytes) -> None:
    """Write one file back. Raises RecordError when another one is in its place."""
    try:
        if path.read_bytes() != data:
            raise RecordError(f"{path} is there and differs from the packed one: move its folder away; the pack is kept")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, sync=False)  # all of them are synced at the end
