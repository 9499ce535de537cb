"""The public data sets of the tasks: files, hashes, licences and citations, read from `registry.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import HarnessError, SettingsError, near

# This environment variable names a folder with copies of the files, as MIRROR/DATASET/FILE.
MIRROR = "HARNESS_DATA_MIRROR"
REGISTRY = Path(__file__).with_name("registry.toml")


class DataError(HarnessError):
    """Data that cannot be read or downloaded, or that differs from what the publisher released."""


@dataclass(frozen=True)
class DataFile:
    """A file of a data set. `hash` is `"sha256:..."` or `"md5:..."`, or empty for a member of an archive without its own hash."""

    dataset: str
    name: str
    size_bytes: int
    hash: str
    url: str = ""

    @property
    def place(self) -> str:
        """Its path in a mirror and in the cache."""
        return f"{self.dataset}/{self.name}"

    @property
    def size_text(self) -> str:
        """The size in megabytes or kilobytes, as text."""
        return f"{self.size_bytes / 1e6:.1f} MB" if self.size_bytes >= 1e6 else f"{max(self.size_bytes // 1000, 1)} kB"


@dataclass(frozen=True)
class Member:
    """A file inside an archive: the archive, the path inside it, and the unpacked file."""

    archive: DataFile
    path: str
    file: DataFile


@dataclass(frozen=True)
class DataSet:
    """A data set: its terms of use, the files to fetch by name, and the members of its archives by name."""

    name: str
    title: str
    licence: str
    citation: str
    page: str
    files: Mapping[str, DataFile]
    members: Mapping[str, Member]

    @property
    def published(self) -> bool:
        """Whether all its files can be fetched. Other data sets exist only in mirrors."""
        return all(file.url for file in self.files.values())


@functools.cache
def registry() -> dict[str, DataSet]:
    """Return all data sets by name."""
    with REGISTRY.open("rb") as file:
        return {name: _dataset(name, entry) for name, entry in tomllib.load(file).items()}


def dataset(name: str) -> DataSet:
    """Return one data set. Raises SettingsError, with the most similar name, for an unknown one."""
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
