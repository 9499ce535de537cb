"""The file of a model: where it is, whether it is the one that is meant, and a digest that identifies it.

A path is a file, or `pkg:PACKAGE/FILE`: a file that comes in a Python package. The package is looked up and never imported, since such
packages import engines that are not needed here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from harness.llm.local.header import Header, NotGguf, read_header

IN_A_PACKAGE = "pkg:"
SHA256 = "sha256:"
_WHOLE_FILE_BYTES = 256 << 20
_PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


def names_weights(path: str | None) -> bool:
    """Say whether a path of the settings is that of a model's file."""
    return bool(path) and (str(path).startswith(IN_A_PACKAGE) or str(path).endswith(".gguf"))


def is_sha256(text: str) -> bool:
    """Say whether a text is a SHA-256: 64 hexadecimal digits in lower case."""
    return _HEXADECIMAL.fullmatch(text) is not None


def place(path: str) -> Path | None:
    """Return the file that a path names; None for a package that is not installed. The file itself need not be there."""
    if not path.startswith(IN_A_PACKAGE):
        return Path(path).resolve()
    package, _, inside = path.removeprefix(IN_A_PACKAGE).partition("/")
    try:
        found = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    folders = [*(found.submodule_search_locations or ())] if found else []
    return (Path(folders[0]) / inside).resolve() if folders else None


def parts_of(file: Path) -> tuple[Path, ...]:
    """Return the files that a model consists of: the file, or all parts of one that was split (`NAME-00001-of-00003.gguf`)."""
    split = _PART.fullmatch(file.name)
    if split is None:
        return (file,)
    count = int(split["count"])
    return tuple(file.with_name(f"{split['name']}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1))


def whole_bytes(file: Path) -> int:
    """Return the length of a model's file, or of all its parts. Raises OSError."""
    return sum(part.stat().st_size for part in parts_of(file))


def header_of(path: str) -> Header | None:
    """Return what a whole model's file says of itself; None where there is no such file, or no whole one."""
    file = place(path)
    try:
        return read_header(file) if file else None
    except (OSError, NotGguf):
        return None


def digest_of(path: str) -> str:
    """Return the digest of a model's file; an empty text where it cannot be read."""
    file = place(path)
    try:
        return file_digest(file) if file else ""
    except OSError:
        return ""


def file_digest(file: Path) -> str:
    """Hash a model's file, once per process: `sha256:` and the SHA-256 (0.1 s for 100 MB).

    Of more than 256 MB the size, the head (metadata) and the tail (last tensors) alone are hashed, which the digest says. For a model in
    several parts it is the hash of their digests. Raises OSError.
    """
    return _joined([_digest(part, *_state(part)) for part in parts_of(file)])


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a whole file, once per process (a second per GB). Raises OSError."""
    return _sha256(file, *_state(file))


def _state(file: Path) -> tuple[int, int]:
    state = file.stat()
    return state.st_size, state.st_mtime_ns


def _joined(digests: Sequence[str]) -> str:
    if len(digests) == 1:
        return digests[0]
    return f"sha256-of-parts:{hashlib.sha256(' '.join(digests).encode()).hexdigest()}"


@lru_cache(maxsize=64)
def _digest(file: Path, size: int, mtime_ns: int) -> str:
    if size <= _WHOLE_FILE_BYTES:
        return SHA256 + _sha256(file, size, mtime_ns)
    part = hashlib.sha256(str(size).encode())
    with file.open("rb") as opened:
        part.update(opened.read(_WHOLE_FILE_BYTES // 2))
        opened.seek(-_WHOLE_FILE_BYTES // 2, 2)
        part.update(opened.read())
    return f"sha256-of-head-and-tail:{part.hexdigest()}"


@lru_cache(maxsize=64)
def _sha256(file: Path, _size: int, _mtime_ns: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
