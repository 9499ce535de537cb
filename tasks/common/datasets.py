"""The contents of public data sets; every file is verified by its hash before it is read.

`python -m harness.tasks.common.datasets [NAME ...]` fetches the missing files. They come from the publisher and are kept in a cache folder
($HARNESS_DATA_CACHE, by default in the user's cache folder). If $HARNESS_DATA_MIRROR names a folder, files are read from
`MIRROR/DATASET/FILE` only, and nothing is downloaded.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from harness import HarnessError, Readiness
from harness.tasks.common.registry import MIRROR, DataError, DataFile, DataSet, dataset, registry

CACHE = "HARNESS_DATA_CACHE"
BLOCK_BYTES = 1 << 20


def read(name: str, *files: str) -> tuple[bytes, ...]:
    """Return the contents of these files of a data set; fetch them first if necessary. Raises DataError with a message of one line."""
    found = dataset(name)
    loose = {file: _read_loose(found, file) for file in files}
    packed = [found.members[file] for file in files if loose[file] is None]
    contents = {file: body for file, body in loose.items() if body is not None}
    for archive in dict.fromkeys(member.archive for member in packed):
        wanted = {member.path: member.file for member in packed if member.archive == archive}
        contents |= _unpack(verified(archive), wanted)
    return tuple(contents[file] for file in files)


def _read_loose(found: DataSet, name: str) -> bytes | None:
    """Return the contents of a file that is not packed; None when it must be read from an archive."""
    if name in found.files:
        return verified(found.files[name]).read_bytes()
    member = found.members[name].file
    mirror = _mirror()
    # A mirror may hold the unpacked member of an archive, but only a member that has its own hash.
    if mirror is None or not member.hash or not (mirror / member.place).exists():
        return None
    return verified(member).read_bytes()


def verified(file: DataFile) -> Path:
    """Return the path of a file after checking that it is the published one. Raises DataError."""
    mirror = _mirror()
    if mirror is None:
        from harness.tasks.common import download  # noqa: PLC0415 - only a download needs pooch and requests

        return download.fetch(file, cache_folder())
    path = mirror / file.place
    if not path.is_file():
        source = f" (the publisher's: {file.url})" if file.url else ""
        raise DataError(f"the mirror {mirror} has no {file.place}, {file.size_text}{source}; {MIRROR} says where the mirror is")
    stat = path.stat()
    _check_hash(path, file, stat.st_size, stat.st_mtime_ns)
    return path


@functools.cache
def _check_hash(path: Path, file: DataFile, _size: int, _changed_ns: int) -> None:
    """Check the hash of a file, once per process and again when the file changes. Raises DataError."""
    if (found := hash_of(path, file.hash)) != file.hash:
        raise DataError(f"{path} is not the published file: its hash is {found}, and should be {file.hash}")


def hash_of(path: Path, like: str) -> str:
    """Return the hash of a file, such as `"md5:..."`, with the algorithm of the hash `like`."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _unpack(archive: Path, wanted: Mapping[str, DataFile]) -> dict[str, bytes]:
    """Return the wanted members of a verified archive, by file name. Raises DataError for a missing member or a wrong size or hash."""
    contents: dict[str, bytes] = {}
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            names = set(packed.namelist())
            contents = {file.name: packed.read(path) for path, file in wanted.items() if path in names}
    else:
        with tarfile.open(archive) as packed_tar:
            # Read in the order of the archive: to go back would mean to unpack it from the start again.
            for entry in packed_tar:
                body: IO[bytes] | None = packed_tar.extractfile(entry) if entry.name in wanted else None
                if body is not None:
                    contents[wanted[entry.name].name] = body.read()
                if len(contents) == len(wanted):
                    break
    for file in wanted.values():
        _check_member(archive, file, contents.get(file.name))
    return contents


def _check_member(archive: Path, file: DataFile, body: bytes | None) -> None:
    if body is None or len(body) != file.size_bytes:
        raise DataError(f"{archive}: {file.name} is {'missing' if body is None else f'{len(body)} bytes, not {file.size_bytes}'}")
    algorithm, _, digest = file.hash.partition(":")
    if digest and hashlib.new(algorithm, body).hexdigest() != digest:
        raise DataError(f"{archive}: {file.name} in it is not the published file ({algorithm} differs)")


def _mirror() -> Path | None:
    named = os.environ.get(MIRROR)
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"{MIRROR}={named}: there is no such folder")
    return folder


def cache_folder() -> Path:
    """Return the folder of downloaded files: $HARNESS_DATA_CACHE, by default `tcs-harness` in the user's cache folder."""
    if named := os.environ.get(CACHE):
        return Path(named).expanduser().resolve()
    import pooch  # noqa: PLC0415

    return Path(pooch.os_cache("tcs-harness"))


class OnPublicData:
    """Base class of tasks on public data: the harness calls `ready` and `prepare` before it builds the task (see `harness.NeedsData`)."""

    @staticmethod
    def needed(params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets that the task needs with these `params`."""
        raise NotImplementedError

    @classmethod
    def ready(cls, params: Mapping[str, Any]) -> Readiness:
        """Say whether the needed data sets are on this machine."""
        return ready(*cls.needed(params))

    @classmethod
    def prepare(cls, params: Mapping[str, Any]) -> None:
        """Fetch the missing data sets. Raises DataError."""
        for name in cls.needed(params):
            fetch(name)


def fetch(name: str) -> None:
    """Fetch the missing files of a data set. Files that are present are verified when they are read. Raises DataError."""
    for file in missing_files(dataset(name)):
        verified(file)


def ready(*names: str) -> Readiness:
    """Say whether these data sets are on this machine. Only sizes are compared here; hashes are checked when the files are read."""
    try:
        mirror = _mirror()
        missing = [file for name in names for file in missing_files(dataset(name))]
    except HarnessError as error:
        return Readiness("data", False, str(error))
    if not missing:
        return Readiness("data", True, f"data: {', '.join(names)}, from {'the mirror' if mirror else 'the cache'}")
    if mirror:
        return Readiness("data", False, f"the mirror {mirror} has no {missing[0].place}")
    size = sum(file.size_bytes for file in missing) / 1e6
    return Readiness(
        "data",
        False,
        f"{missing[0].place} is not here yet ({size:.1f} MB to fetch)",
        f"python -m harness.tasks.common.datasets {' '.join(names)}",
    )


def missing_files(found: DataSet) -> list[DataFile]:
    """Return the files of a data set that are missing in the mirror or, without a mirror, in the cache."""
    folder = _mirror() or cache_folder()

    def is_here(file: DataFile) -> bool:
        return (folder / file.place).is_file() and (folder / file.place).stat().st_size == file.size_bytes

    def is_unpacked(archive: DataFile) -> bool:
        inside = [member.file for member in found.members.values() if member.archive == archive]
        return bool(_mirror() and inside) and all(file.hash and is_here(file) for file in inside)

    return [file for file in found.files.values() if not is_here(file) and not is_unpacked(file)]


def main(names: Sequence[str]) -> int:
    """Fetch and verify the named data sets (without names: all published ones), print their terms, and return the exit status."""
    failed = 0
    try:
        chosen = [dataset(name) for name in names] or [found for found in registry().values() if found.published]
    except HarnessError as error:
        print(f"harness.tasks.common.datasets: {error}", file=sys.stderr)
        return 2
    for found in chosen:
        try:
            read(found.name, *(found.members or found.files))
            print(f"{found.name}: here and verified. {found.title}. Licence: {found.licence}. Cite: {found.citation}.")
        except HarnessError as error:
            failed = 1
            print(f"harness.tasks.common.datasets: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
