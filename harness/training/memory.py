"""How much memory a process and those that it started hold. Linux only: elsewhere, what they share cannot be told apart."""

from __future__ import annotations

from pathlib import Path

_BYTES_PER_MB = 1e6


def used_mb(pid: int, enough_mb: float) -> float:
    """Return the resident megabytes (10^6 bytes) of a process and its descendants; 0 when it is gone.

    Pages that several of them share are counted several times as long as the sum stays at or below `enough_mb`, and by their share
    beyond that: the exact figure takes the system a millisecond or more.
    """
    pids = [pid, *descendants(pid)]
    total = sum(_resident_mb(each) for each in pids)
    return sum(_proportional_mb(each) for each in pids) if total > enough_mb and len(pids) > 1 else total


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that these started.

    By hand, since it is asked twenty times a second: psutil reads the parent of every process of the machine, which took 22 ms where
    a thousand were running, and this 0.4 ms.
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
    except OSError:  # it ended meanwhile, or is another user's
        return ""


def _resident_mb(pid: int) -> float:
    import psutil  # noqa: PLC0415 - 20 ms, and only a limit on memory needs it

    try:
        return float(psutil.Process(pid).memory_info().rss) / _BYTES_PER_MB
    except psutil.Error:  # it ended meanwhile
        return 0.0


def _proportional_mb(pid: int) -> float:
    import psutil  # noqa: PLC0415

    try:
        return float(psutil.Process(pid).memory_full_info().pss) / _BYTES_PER_MB
    except psutil.Error:  # another user's, or it ended meanwhile
        return _resident_mb(pid)
