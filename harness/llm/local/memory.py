"""How much memory a model takes in this process, and how much there is."""

from __future__ import annotations

from pathlib import Path

from harness.llm.local.header import Header
from harness.llm.local.weights import whole_bytes

_BYTES_PER_VALUE = 2  # of the cache of keys and values: 16-bit floats
# What the engine takes beside weights and cache: 60 MB for 135 M parameters; it grows with the width of the model.
_WORK_BYTES = 48 << 20
_WORK_BYTES_PER_WIDTH = 32 << 10
_CGROUP = Path("/sys/fs/cgroup")


def needed_bytes(file: Path, header: Header, num_ctx: int | None) -> int:
    """Estimate the memory of a model with a window of `num_ctx` tokens (None: all that it was trained for). Raises OSError.

    Weights, the cache of keys and values, and work space: 342 MB measured, 350 MB estimated for SmolLM2-135M with 8,192 tokens.
    """
    width = header.of_architecture("embedding_length") or 0
    return whole_bytes(file) + cache_bytes(header, num_ctx) + _WORK_BYTES + width * _WORK_BYTES_PER_WIDTH


def cache_bytes(header: Header, num_ctx: int | None) -> int:
    """Return the size of the cache of keys and values: of a window of `num_ctx` tokens, in 16-bit floats."""
    layers, width = header.of_architecture("block_count") or 0, header.of_architecture("embedding_length") or 0
    heads = header.of_architecture("attention.head_count") or 1
    shared = header.of_architecture("attention.head_count_kv") or heads
    keys = header.of_architecture("attention.key_length") or width // heads
    values = header.of_architecture("attention.value_length") or width // heads
    window = num_ctx or header.of_architecture("context_length") or 0
    return layers * window * shared * (keys + values) * _BYTES_PER_VALUE


def free_bytes() -> int:
    """Return the memory that a new program can take: what the machine has free, or the container's limit leaves."""
    import psutil  # noqa: PLC0415 - 20 ms, and only a local model needs it

    free = int(psutil.virtual_memory().available)
    try:
        most = int((_CGROUP / "memory.max").read_text())  # "max" without a limit
        taken = int((_CGROUP / "memory.current").read_text())
        lines = (line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        files = sum(int(count) for name, count in lines if name in ("active_file", "inactive_file"))  # given back when needed
    except (OSError, ValueError):
        return free
    return min(free, most - taken + files)


def megabytes(count: float) -> str:
    """Write a number of bytes as `350 MB` or `21.4 GB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
