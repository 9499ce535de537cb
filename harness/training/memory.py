"""How much memory a process and its descendants hold. Linux only: other systems do not say which pages processes share."""

from __future__ import annotations

from pathlib import Path

_BYTES_PER_MB = 1e6


def used_mb(pid: int, enough_mb: float) -> float:
    """Return the resident memory of a process and its descendants, in megabytes of 10^6 bytes; 0 when the process has ended.

    Up to `enough_mb` this is a quick upper bound: it counts a page once for each process that shares it. Above `enough_mb` the exact sum
    is computed, which takes a millisecond or more.
    """
    pids = [pid, *descendants(pid)]
    total = sum(_resident_mb(each) for each in pids)
    return sum(_proportional_mb(each) for each in pids) if total > enough_mb and len(pids) > 1 else total


def descendants(pid: int) -> list[int]:
    """Return the process ids of all descendants of a process.

    psutil is not used here, because this runs twenty times per second. psutil reads the parent of every process on the machine: with a
    thousand processes it took 22 ms, and this function 0.4 ms.
    """
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


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended, or belongs to another user
        return ""


def _resident_mb(pid: int) -> float:
    import psutil  # noqa: PLC0415 - 20 ms, and only a limit on memory needs it

    try:
        return float(psutil.Process(pid).memory_info().rss) / _BYTES_PER_MB
    except psutil.Error:  # the process has ended
        return 0.0


def _proportional_mb(pid: int) -> float:
    import psutil  # noqa: PLC0415

    try:
        return float(psutil.Process(pid).memory_full_info().pss) / _BYTES_PER_MB
    except psutil.Error:  # the process belongs to another user, or has ended
        return _resident_mb(pid)
