"""How much memory a process and those that it started hold, from Linux's /proc; nothing elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

_BYTES_PER_MB = 1e6
_SHARE = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def used_mb(pid: int, enough_mb: float) -> float:
    """Return the resident megabytes (10^6 bytes) of a process and its descendants; 0 when it is gone.

    Pages that several of them share are counted several times as long as the sum stays at or below `enough_mb`, and by their share
    beyond that: the exact figure takes the system a millisecond or more.
    """
    pids = [pid, *descendants(pid)]
    total = sum(map(_resident_mb, pids))
    return sum(map(_proportional_mb, pids)) if total > enough_mb and len(pids) > 1 else total


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that these started."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for path in _threads(waiting.pop()):
            children = [int(word) for word in _text(path / "children").split()]
            found += children
            waiting += children
    return found


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _resident_mb(pid: int) -> float:
    fields = _text(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE") / _BYTES_PER_MB if len(fields) > 1 else 0.0


def _proportional_mb(pid: int) -> float:
    match = _SHARE.search(_text(Path(f"/proc/{pid}/smaps_rollup")))
    return int(match[1]) * 1024 / _BYTES_PER_MB if match else _resident_mb(pid)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile, or is another user's
        return ""
