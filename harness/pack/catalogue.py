"""bundle.json, the first entry of a bundle: what the study is, and every other entry with its size and its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import harness
from harness.errors import RecordError, SettingsError
from harness.pack.names import check_study_name, folded, refusal
from harness.pack.records import Contents
from harness.store.codec import json_text

KIND, FORMAT = "tcs-harness study", 1


@dataclass(frozen=True)
class Listed:
    """One file of a bundle: its size in bytes, and its SHA-256 in 64 hexadecimal digits."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Listed:
        """Return what a bundle says of these bytes."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Catalogue:
    """What a bundle says of itself. `about` is for readers of the file; `files` maps paths below the study's folder."""

    study: str
    harness: str
    about: Mapping[str, object]
    files: Mapping[str, Listed]

    @classmethod
    def of(cls, study: str, contents: Contents, files: Mapping[str, Listed], *, running: int) -> Catalogue:
        """Return the catalogue of a study's files; `running` cells are left out, because a process runs them."""
        about = {
            "cells": {"done": contents.done, "open": contents.open, "left_out_running": running},
            "tables": [{"task": task, "checksum": checksum, "cells": n} for (task, checksum), n in sorted(contents.tables.items())],
            "models": [
                {"backend": backend, "model": model, "digest": digest or None, "calls": n}
                for (backend, model, digest), n in sorted(contents.models.items())
            ],
            "environments": [{"cells": n, **environment} for environment, n in contents.environments],
        }
        return cls(study, harness.__version__, about, files)

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(listed.size for listed in self.files.values())

    def to_text(self) -> str:
        """Return the catalogue as JSON, a file a line; the inverse of `from_text`."""
        head = {"kind": KIND, "format": FORMAT, "study": self.study, "harness": self.harness, **self.about}
        lines = [f" {json_text(key)}: {json_text(value)}," for key, value in head.items()]
        rows = [f"  {json_text(name)}: {json_text(vars(listed))}" for name, listed in self.files.items()]
        return "\n".join(["{", *lines, ' "files": {', ",\n".join(rows), " }", "}", ""])

    @classmethod
    def from_text(cls, text: bytes, where: str) -> Catalogue:
        """Read a catalogue, and refuse names that no study may have. Raises RecordError, which begins with `where`."""
        try:
            data = json.loads(text, object_pairs_hook=_without_repeats)
            if data.get("kind") != KIND:
                raise RecordError(f"{where}: not the bundle of a study")
            _check_format(data.get("format"), where)
            files = {name: Listed(int(row["size"]), str(row["sha256"])) for name, row in data.pop("files").items()}
            study = check_study_name(str(data.pop("study")), "the study's name")
            made = cls(study, str(data.pop("harness")), data, files)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SettingsError) as error:
            raise RecordError(f"{where}: damaged, or not the bundle of a study ({error})") from error
        _check_names(made.files, where)
        return made


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands there twice")
    return made


def _check_format(found: object, where: str) -> None:
    if not isinstance(found, int):
        raise RecordError(f"{where}: not the bundle of a study (no format)")
    if found != FORMAT:
        newer = "a newer harness: install that, and import it again" if found > FORMAT else "another version of the harness"
        raise RecordError(f"{where}: format {found}, and this harness reads format {FORMAT}; it was written by {newer}")


def _check_names(files: Mapping[str, Listed], where: str) -> None:
    for name, listed in files.items():
        if why := refusal(name):
            raise RecordError(f"{where}: lists {name!r}: {why}")
        if listed.size < 0:
            raise RecordError(f"{where}: lists {name!r} with {listed.size} bytes")
    if twins := alike(files):
        raise RecordError(f"{where}: lists {twins[0]!r} and {twins[1]!r}: some systems take them for one file")


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two different paths that a file system without upper and lower case confuses, in a folder's name or a file's."""
    seen: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            if seen.setdefault(folded(path), path) != path:
                return seen[folded(path)], path
    return None
