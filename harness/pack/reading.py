"""Read a bundle that may come from anybody: nothing in it is believed before it is checked, and nothing is unpacked by tarfile itself.

An entry is taken when it is a regular file, bundle.json lists it, its size and SHA-256 are the listed ones, and it holds what its name
says (`records.py`). Sizes are bounded while the archive is unpacked, so that a small file cannot fill memory or disk.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from harness.errors import RecordError
from harness.pack.catalogue import Catalogue, Listed
from harness.pack.names import CATALOGUE, kind_of, refusal
from harness.pack.records import Contents

GIGABYTE = 10**9
DEFAULT_LIMIT_GB = 4.0
# Records compress ten to thirty times; zeros a thousand times.
MOST_TIMES = 250
_CHUNK = 2**20
_LONGEST_CATALOGUE = 2**26
_LONGEST_FILE = 2**29
_DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)
_KINDS = {tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a hard link", tarfile.DIRTYPE: "a folder", tarfile.FIFOTYPE: "a pipe"}
_KINDS |= {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device"}

Take = Callable[[str, bytes], None]


def read_bundle(path: Path, take: Take | None = None, *, limit_bytes: float) -> tuple[Catalogue, Contents]:
    """Check the whole bundle, and give each of its files to `take`: path below the study's folder, and bytes.

    `take` gets a file before the rest of the bundle was read: what it writes must not count before this function returns. `limit_bytes`
    is how much the bundle may unpack to. Raises RecordError, which names the entry.
    """
    try:
        with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as plain:
            stream = _Bounded(plain, path, limit_bytes)
            with tarfile.open(fileobj=stream, mode="r:") as archive:  # type: ignore[call-overload] # reads forward only
                return _Reader(path, archive, stream, take).read()
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror})") from error
    except _DAMAGE as error:
        raise RecordError(f"{path}: damaged, or not a bundle ({_words(error)})") from error


def _words(error: BaseException) -> str:
    return "nested without end" if isinstance(error, RecursionError) else str(error) or type(error).__name__


class _Bounded:
    """The unpacked bytes of a bundle, read forward once. Raises RecordError where they are more than anybody would send."""

    def __init__(self, plain: gzip.GzipFile, path: Path, limit_bytes: float) -> None:
        self._plain, self._path, self._limit = plain, path, limit_bytes
        self._by_ratio = MOST_TIMES * path.stat().st_size + _CHUNK
        self._at = 0

    def tell(self) -> int:
        return self._at

    def seek(self, target: int) -> int:
        while self._at < target and self.read(min(_CHUNK, target - self._at)):
            pass
        if self._at != target:
            raise EOFError("cut short")
        return self._at

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise RecordError(f"{self._path}: an entry's header is {size:,} bytes long")
        data = self._plain.read(size)
        self._at += len(data)
        if self._at > self._limit:
            raise RecordError(
                f"{self._path}: unpacks to more than {self._limit / GIGABYTE:g} GB; --limit-gb N allows more, where you trust it"
            )
        if self._at > self._by_ratio:
            raise RecordError(f"{self._path}: unpacks to more than {MOST_TIMES} times its size, as no records do")
        return data


class _Reader:
    """Reads the entries of one bundle in turn."""

    def __init__(self, path: Path, archive: tarfile.TarFile, stream: _Bounded, take: Take | None) -> None:
        self._path, self._archive, self._stream, self._take = path, archive, stream, take

    def read(self) -> tuple[Catalogue, Contents]:
        catalogue = self._catalogue()
        contents, left = Contents(), dict(catalogue.files)
        while (entry := self._archive.next()) is not None:
            name = self._name(entry, catalogue.study)
            if name not in left:
                again = "stands there twice" if name in catalogue.files else f"{CATALOGUE} does not list it"
                raise RecordError(f"{self._where(entry)}: {again}")
            data = self._data(entry, left.pop(name))
            kind = kind_of(name)
            assert kind is not None  # its name is none that is refused
            contents.add(name, kind, data, self._where(entry))
            if self._take:
                self._take(name, data)
        if left:
            raise RecordError(f"{self._path}: {next(iter(left))} is missing; the bundle was cut short or changed")
        self._end()
        contents.check_whole(catalogue.files, str(self._path))
        return catalogue, contents

    def _catalogue(self) -> Catalogue:
        first = self._archive.next()
        if (
            first is None
            or first.name.rpartition("/")[2] != CATALOGUE
            or first.name.count("/") != 1
            or first.size > _LONGEST_CATALOGUE
        ):
            raise RecordError(f"{self._path}: not the bundle of a study (it does not begin with {CATALOGUE})")
        self._check_type(first)
        catalogue = Catalogue.from_text(self._bytes(first), self._where(first))
        if first.name != f"{catalogue.study}/{CATALOGUE}":
            raise RecordError(f"{self._where(first)}: is of the study {catalogue.study!r}")
        return catalogue

    def _name(self, entry: tarfile.TarInfo, study: str) -> str:
        """Return the path of an entry below the study's folder."""
        name = entry.name.removeprefix(f"{study}/")
        self._check_type(entry)
        if why := refusal(name):
            raise RecordError(f"{self._where(entry)}: {why}")
        if name == entry.name:
            raise RecordError(f"{self._where(entry)}: not below {study}/")
        return name

    def _check_type(self, entry: tarfile.TarInfo) -> None:
        if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or entry.issparse():
            raise RecordError(f"{self._where(entry)}: {_KINDS.get(entry.type, 'not a plain file')}, and only plain files are taken")

    def _data(self, entry: tarfile.TarInfo, listed: Listed) -> bytes:
        if entry.size != listed.size:
            raise RecordError(f"{self._where(entry)}: has {entry.size:,} bytes, and {CATALOGUE} says {listed.size:,}")
        if entry.size > _LONGEST_FILE:
            raise RecordError(f"{self._where(entry)}: has {entry.size:,} bytes; a file may have {_LONGEST_FILE:,}")
        data = self._bytes(entry)
        if hashlib.sha256(data).hexdigest() != listed.sha256:
            raise RecordError(f"{self._where(entry)}: damaged: its SHA-256 is not the one in {CATALOGUE}")
        return data

    def _bytes(self, entry: tarfile.TarInfo) -> bytes:
        """Return the contents of an entry, at whose beginning the stream stands."""
        self._stream.seek(entry.offset_data)
        parts, left = [], entry.size
        while left:
            part = self._stream.read(min(_CHUNK, left))
            if not part:
                raise EOFError("cut short")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _end(self) -> None:
        """Read what fills the archive up, and with it the checksum of the compression."""
        while part := self._stream.read(_CHUNK):
            if part.strip(b"\0"):
                raise RecordError(f"{self._path}: holds something behind its last file")

    def _where(self, entry: tarfile.TarInfo) -> str:
        return f"{self._path}: {entry.name}"
