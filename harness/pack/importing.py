"""Make a study of a bundle. Everything is checked, and written beside its place, before the study gets its name: all of it or nothing.

The page in a bundle is for people who open the archive: it may hold scripts of whoever made it. An import leaves it there and makes its
own from the records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, RecordError, SettingsError
from harness.pack.catalogue import Catalogue
from harness.pack.names import PAGE, check_study_name
from harness.pack.reading import read_bundle
from harness.pack.records import Contents
from harness.store.files import remove_dead, whole_folder
from harness.tabular.header import SUFFIX, read_header, table_folders

RUNS = Path("runs")


@dataclass(frozen=True)
class Checked:
    """A bundle that was read to its end and found whole. `study` is the folder that was made of it, None where none was."""

    path: Path
    sha256: str
    catalogue: Catalogue
    contents: Contents
    study: Path | None = None


def verify(path: Path, *, limit_bytes: float) -> Checked:
    """Check a bundle and write nothing. Raises RecordError."""
    catalogue, contents = read_bundle(path, limit_bytes=limit_bytes)
    return Checked(path, _sha256(path), catalogue, contents)


def import_bundle(path: Path, *, name: str | None, limit_bytes: float) -> Checked:
    """Make the study ./runs/NAME of a bundle; without a name, under its own. Raises HarnessError; then there is nothing of it."""
    # Twice through the archive: its name is needed first, and nothing is written of one that will be refused.
    checked = verify(path, limit_bytes=limit_bytes)
    study = RUNS / check_study_name(name or checked.catalogue.study, "--as")
    if study.exists() or study.is_symlink():
        raise SettingsError(f"{study} is there already, and stays as it is: add --as NAME for another name")
    remove_dead(study)
    with whole_folder(study) as draft:
        made = set[Path]()

        def take(file: str, data: bytes) -> None:
            if file == PAGE:
                return
            target = draft / file
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            with target.open("xb") as out:
                out.write(data)

        again, _ = read_bundle(path, take, limit_bytes=limit_bytes)
        if again.to_text() != checked.catalogue.to_text():
            raise RecordError(f"{path}: was changed while it was read; launch it again")
        if study.exists():
            raise SettingsError(
                f"{study} was made by another process meanwhile, and stays as it is: add --as NAME for another name"
            )
    return Checked(path, checked.sha256, checked.catalogue, checked.contents, study)


def tables_here(checked: Checked) -> Iterator[str]:
    """Say of each table of recorded trainings that the cells look up whether this machine has the same one, a line a case."""
    tasks: dict[str, list[str]] = {}
    for (task, checksum), _ in sorted(checked.contents.tables.items()):
        found = _checksum_here(task)
        words = "none here" if found is None else "the same here" if found == checksum else "another one here"
        tasks.setdefault(words, []).append(task)
    for words, names in tasks.items():
        yield f"tables: {words} for {', '.join(names)}"
    if tasks.keys() - {"the same here"}:
        yield "  cells of a table that is not the same cannot be replayed"


def _checksum_here(task: str) -> str | None:
    """Return the checksum of this machine's table of a task, empty for one that cannot be read, None where there is none."""
    for folder in table_folders():
        if (path := folder / f"{task}{SUFFIX}").is_file():
            try:
                return read_header(path).checksum
            except HarnessError:
                return ""
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
