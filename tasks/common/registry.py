"""The public data sets that tasks read: their files, hashes, licences and citations, from `registry.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import HarnessError, SettingsError, near

# Names a folder with copies of the files, as MIRROR/DATASET/FILE.
MIRROR = "HARNESS_DATA_MIRROR"
REGISTRY = Path(__file__).with_name("registry.toml")


class DataError(HarnessError):
    """Data that cannot be had, or is not what the publisher gave out."""


@dataclass(frozen=True)
class DataFile:
    """A file of a data set. `hash` is `"sha256:..."` or `"md5:..."`; empty for a part of an archive that has none of its own."""

    dataset: str
    name: str
    size_bytes: int
    hash: str
    url: str = ""

    @property
    def place(self) -> str:
        """Where it lies, in a mirror and in the cache."""
        return f"{self.dataset}/{self.name}"

    @property
    def size_text(self) -> str:
        """The size as people say it."""
        return f"{self.size_bytes / 1e6:.1f} MB" if self.size_bytes >= 1e6 else f"{max(self.size_bytes // 1000, 1)} kB"


@dataclass(frozen=True)
class Member:
    """A file inside an archive: the archive, its path there, and what it is outside."""

    archive: DataFile
    path: str
    file: DataFile


@dataclass(frozen=True)
class DataSet:
    """A data set: its terms, the files to fetch, and the members of its archives, both by name."""

    name: str
    title: str
    licence: str
    citation: str
    page: str
    files: Mapping[str, DataFile]
    members: Mapping[str, Member]

    @property
    def published(self) -> bool:
        """Whether it can be fetched; else it exists in mirrors only."""
        return all(file.url for file in self.files.values())


@functools.cache
def registry() -> dict[str, DataSet]:
    """Return all data sets by name."""
    with REGISTRY.open("rb") as file:
        return {name: _dataset(name, entry) for name, entry in tomllib.load(file).items()}


def dataset(name: str) -> DataSet:
    """Return one data set. Raises SettingsError with the nearest name."""
    if name not in registry():
        raise SettingsError(f"there is no data set '{name}'{near(name, registry())}")
    return registry()[name]


def _dataset(name: str, entry: Mapping[str, Any]) -> DataSet:
    address = entry["address"]
    files = {file: _file(name, file, about, address and address + file) for file, about in entry["files"].items()}
    members = {
        file: Member(files[archive], about["path"], _file(name, file, about))
        for archive, inside in entry.get("members", {}).items()
        for file, about in inside.items()
    }
    return DataSet(name, entry["title"], entry["licence"], entry["citation"], entry["page"], files, members)


def _file(dataset: str, name: str, about: Mapping[str, Any], url: str = "") -> DataFile:
    known = next((f"{algorithm}:{about[algorithm]}" for algorithm in ("sha256", "md5") if algorithm in about), "")
    return DataFile(dataset, name, about["bytes"], known, url)
