"""Write a bundle: the records of a study, its plan and its page in one .tar.gz that any tar unpacks into one folder.

The same records give the same bytes: entries are sorted, and have neither times nor owners. The draft is read back, with every check that
an import makes, before it gets its name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.console import say
from harness.errors import HarnessError, RecordError, SettingsError
from harness.pack.catalogue import Catalogue, Listed, alike
from harness.pack.names import CATALOGUE, OF_STUDY, PAGE, check_study_name, is_cell, kind_of, sort_key
from harness.pack.packing import cell_folders
from harness.pack.page import write_page
from harness.pack.reading import read_bundle
from harness.pack.records import Contents
from harness.scrub import holds_secret, looks_like_key
from harness.store.archive import Pack, packed
from harness.store.cell_folder import MANIFEST, SUMMARY
from harness.store.files import remove_dead, storage_errors, sync_folder, whole_file
from harness.store.lines import whole_lines
from harness.store.lock import is_held

# Records are texts with long numbers: a higher level takes twice as long for one per cent.
LEVEL = 6


@dataclass(frozen=True)
class Bundled:
    """What was written: the file, its SHA-256, its catalogue, and in words where the page is from."""

    path: Path
    sha256: str
    catalogue: Catalogue
    contents: Contents
    running: int
    others: int
    page: str


def bundle(study: Path, target: Path, *, name: str | None, with_page: bool) -> Bundled:
    """Write the bundle of a study to `target`, which must not exist. Raises HarnessError; then there is no `target`."""
    called = check_study_name(name or study.resolve().name, "--as" if name else "the folder's name is no study's; add --as NAME:")
    if target.exists() or target.is_symlink():
        raise SettingsError(f"{target} is there already: give another name, or remove it")
    if not target.parent.is_dir():
        raise SettingsError(f"{target}: there is no folder {target.parent}")
    remove_dead(target)
    with tempfile.TemporaryDirectory() as made:
        source = _Source(study)
        page, words = _page(source, Path(made)) if with_page else (None, "left out (--no-page)")
        source.page = page
        listed, contents = _listed(source)
        catalogue = Catalogue.of(called, contents, listed, running=len(source.running))
        with storage_errors(target), whole_file(target, sync=True) as draft:
            say(f"writing {len(listed):,} files, {catalogue.total_bytes / 1e6:,.1f} MB, and reading them back")
            _write(draft, catalogue, source)
            draft.flush()
            read, _ = read_bundle(Path(draft.name), limit_bytes=float("inf"))
            if read.to_text() != catalogue.to_text():
                raise RecordError(f"{target} was not written as it is; launch it again")
            sha256 = _sha256(Path(draft.name))
        sync_folder(target.parent)
    return Bundled(target, sha256, catalogue, contents, len(source.running), source.others, words)


class _Source:
    """The files of a study that go in, from its folders and its pack. Cells that a process runs are left out."""

    def __init__(self, study: Path) -> None:
        self.study = study
        self.pack: Pack | None = packed(study)
        self.page: Path | None = None
        self.others = 0  # files that are not the harness's
        self.running: list[str] = []
        self._files: dict[str, tuple[str, ...]] = {}
        with storage_errors(study):
            self._find()

    def _find(self) -> None:
        study = self.study
        for folder in cell_folders(study):
            if not is_cell(folder) or (self.pack and folder in self.pack):
                continue
            if not (study / folder / SUMMARY).exists() and is_held(study / folder):
                self.running.append(folder)
            else:
                self._keep(folder, [path.name for path in (study / folder).iterdir() if path.is_file() and not path.is_symlink()])
        for folder in self.pack.members if self.pack else ():
            self._keep(folder, [*self.pack.open(folder).files] if self.pack else [])

    def _keep(self, folder: str, names: list[str]) -> None:
        taken = tuple(name for name in names if kind_of(f"{folder}/{name}"))
        self.others += sum(not name.startswith(".") for name in names) - len(taken)
        if MANIFEST in taken:
            self._files[folder] = taken

    def names(self) -> Iterator[str]:
        """Yield every file's path below the study's folder, in the order of the bundle."""
        found = [f"{folder}/{name}" for folder, names in self._files.items() for name in names]
        found += [name for name in OF_STUDY if name != PAGE and (self.study / name).is_file()]
        yield from sorted([*found, *([PAGE] if self.page else [])], key=sort_key)

    def read(self, name: str) -> bytes:
        """Return what goes in of a file: lines without an incomplete last one. Raises RecordError."""
        if name == PAGE and self.page:
            return self.page.read_bytes()
        folder, _, last = name.rpartition("/")
        file = self.pack.open(folder) / last if self.pack and folder in self.pack else self.study / name
        try:
            return whole_lines(file) if name.endswith(".jsonl") else file.read_bytes()
        except OSError as error:
            raise RecordError(f"{file}: cannot be read ({error.strerror or error}); nothing was written") from error

    def is_older_than(self, page: Path) -> bool:
        """Say whether all records were written before a page."""
        paths = [self.study / name for name in self.names()] + ([self.pack.path] if self.pack else [])
        return all(path.stat().st_mtime <= page.stat().st_mtime for path in paths if path.exists())


def _page(source: _Source, made: Path) -> tuple[Path | None, str]:
    """Return the page that goes in, and where it is from; a page that is missing, or older than a record, is made."""
    there = source.study / PAGE
    if there.is_file() and source.is_older_than(there):
        return there, f"{there}, which is newer than every record"
    say("making the page from the records (--no-page leaves it out)")
    try:
        return write_page(source.study, made), "made from the records"
    except HarnessError as error:
        return None, f"none, since it cannot be made ({error})"


def _listed(source: _Source) -> tuple[dict[str, Listed], Contents]:
    """Check every file that goes in, and return them with their checksums. Raises RecordError."""
    contents, listed = Contents(), dict[str, Listed]()
    for name in source.names():
        data, where = source.read(name), str(source.study / name)
        kind = kind_of(name)
        assert kind is not None
        contents.add(name, kind, data, where)
        text = data.decode()
        if holds_secret(text) or looks_like_key(text):
            raise RecordError(f"{where}: holds what looks like a key or a password; nothing was written: remove it, or that folder")
        listed[name] = Listed.of(data)
    if twins := alike(listed):
        raise RecordError(f"{twins[0]!r} and {twins[1]!r} are one name to some systems: give one of these arms or tasks another")
    contents.check_whole(listed, str(source.study))
    return listed, contents


def _write(draft: IO[bytes], catalogue: Catalogue, source: _Source) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=draft, mtime=0) as packing,
        tarfile.open(fileobj=packing, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add(archive, f"{catalogue.study}/{CATALOGUE}", catalogue.to_text().encode())
        for name, listed in catalogue.files.items():
            data = source.read(name)
            if Listed.of(data) != listed:
                raise RecordError(f"{source.study / name} was changed while it was read; nothing was written, launch it again")
            _add(archive, f"{catalogue.study}/{name}", data)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
