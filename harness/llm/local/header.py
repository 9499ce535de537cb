"""Read the header of a GGUF file: what the model says of itself, and how long the whole file must be.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Read with the standard library alone, because the doctor and the
plan of a study need it, and the engine's own reader ends a file that is cut off with a stack trace.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9
_LONGEST_KEPT_ARRAY = 1024  # a vocabulary is skipped
_MOST_ENTRIES = 1 << 20
_LONGEST_TEXT_BYTES = 1 << 26
# Elements and bytes of a block, by the number of the tensor type. A type of a later year is not checked.
_BLOCKS = {
    **{
        0: (1, 4),
        1: (1, 2),
        24: (1, 1),
        25: (1, 2),
        26: (1, 4),
        27: (1, 8),
        28: (1, 8),
        30: (1, 2),
    },  # F32, F16, I8 to I64, F64, BF16
    **{2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36)},  # Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},  # Q2_K to Q8_K
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18)},  # IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL
    **{21: (256, 110), 22: (256, 82), 23: (256, 136), 29: (256, 56)},  # IQ3_S, IQ2_S, IQ4_XS, IQ1_M
    **{34: (256, 54), 35: (256, 66), 39: (32, 17)},  # TQ1_0, TQ2_0, MXFP4
}


class NotGguf(ValueError):
    """A file that is no GGUF file, or only the beginning of one. The text is a part of a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself.

    `metadata` holds its keys and values without long lists such as the vocabulary. `least_bytes` is how long the file is at least when it
    is whole. `file_bytes` is its length.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    least_bytes: int = 0
    file_bytes: int = 0

    def of_architecture(self, key: str) -> int | None:
        """Return a whole number from the metadata of the architecture, such as `context_length`; None where it is not there."""
        value = self.metadata.get(f"{self.metadata.get('general.architecture')}.{key}")
        if isinstance(value, list):  # one number per layer
            value = max(value, default=None)
        return value if isinstance(value, int) else None

    def text(self, key: str) -> str:
        """Return a text from the metadata, empty where it is not there."""
        value = self.metadata.get(key)
        return value.strip() if isinstance(value, str) else ""

    @property
    def name(self) -> str:
        """The model's name by its own words, empty where the file gives none."""
        return self.text("general.name")


def read_header(path: Path) -> Header:
    """Read the header of a whole file. Raises OSError, and NotGguf for another file and for one that is cut off."""
    state = path.stat()
    return _read(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, size: int, _mtime_ns: int) -> Header:
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise NotGguf("is not a GGUF file")
        try:
            header = _parse(file, size)
        except (_CutOff, MemoryError, OverflowError) as error:
            raise NotGguf("is damaged: its header is cut off or makes no sense") from error
    if header.least_bytes > size:
        raise NotGguf(f"is cut off: it has {size} bytes, and by its header at least {header.least_bytes}")
    return header


class _CutOff(Exception):
    """The header ends too early, or holds a number that cannot be."""


def _parse(file: BinaryIO, size: int) -> Header:
    version, tensors, entries = _number(file, 4), _number(file, 10), _number(file, 10)
    if version not in _VERSIONS:
        raise NotGguf(f"is a GGUF file of version {version}, and 2 and 3 are known")
    if max(tensors, entries) > _MOST_ENTRIES:
        raise _CutOff
    metadata = {}
    for _ in range(entries):
        key = _text(file)
        value = _value(file, _number(file, 4))
        if value is not None:
            metadata[key] = value
    last = 0
    for _ in range(tensors):
        _text(file)
        shape = [_number(file, 10) for _ in range(_below(_number(file, 4), 8))]
        kind, offset = _number(file, 4), _number(file, 10)
        per_block, block_bytes = _BLOCKS.get(kind, (1, 0))
        last = max(last, offset + math.prod(shape) // per_block * block_bytes)
    alignment = metadata.get("general.alignment", 32)
    start = math.ceil(file.tell() / alignment) * alignment if isinstance(alignment, int) and alignment > 0 else file.tell()
    return Header(metadata, start + last if tensors else file.tell(), size)


def _number(file: BinaryIO, kind: int) -> Any:
    form = _NUMBERS[kind]
    data = file.read(struct.calcsize(form))
    if len(data) < struct.calcsize(form):
        raise _CutOff
    return struct.unpack(form, data)[0]


def _text(file: BinaryIO) -> str:
    length = _below(_number(file, 10), _LONGEST_TEXT_BYTES)
    data = file.read(length)
    if len(data) < length:
        raise _CutOff
    return data.decode("utf-8", errors="replace")


def _value(file: BinaryIO, kind: int) -> Any:
    """Read a value; None for a list that is too long to be of use."""
    if kind == _TEXT:
        return _text(file)
    if kind != _ARRAY:
        if kind not in _NUMBERS:
            raise _CutOff
        return _number(file, kind)
    inner, length = _number(file, 4), _number(file, 10)
    if inner in _NUMBERS and length > _LONGEST_KEPT_ARRAY:
        _skip(file, struct.calcsize(_NUMBERS[inner]) * length)
        return None
    kept = []
    for _ in range(_below(length, 1 << 24)):
        if inner == _TEXT and length > _LONGEST_KEPT_ARRAY:
            _skip(file, _number(file, 10))
        else:
            kept.append(_value(file, inner))
    return kept if length <= _LONGEST_KEPT_ARRAY else None


def _skip(file: BinaryIO, length: int) -> None:
    if file.tell() + length > os.fstat(file.fileno()).st_size:
        raise _CutOff
    file.seek(length, os.SEEK_CUR)


def _below(number: int, most: int) -> int:
    if number > most:
        raise _CutOff
    return number
