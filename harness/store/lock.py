"""A lock on a folder, between the processes of one machine and between machines that share the folder.

Within one machine, a lock of the operating system decides (flock on `.lock`). It ends when its process ends, for whatever reason. But on a
shared file system such a lock may hold on one machine only. So the holder also creates the file `.owner`, which only one process can
create. Its line names the machine, the process and a random token.

The holder updates the time of `.owner` while it lives. Another machine takes the folder over when the file has not been updated for
`STALE_SECONDS`, measured by the clock of the file system. A process on the same machine need not wait: when it gets the operating system's
lock, the former owner is dead.

A holder may lose the folder while its machine sleeps. So it calls `check` before each write.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import CellBusy

LOCK, OWNER = ".lock", ".owner"
RENEW_SECONDS = 15.0
# Long, because a training may hold Python's global lock for a while, and then the thread that updates the file cannot run.
STALE_SECONDS = 120.0
# When the line is still incomplete after this time, its writer has died.
INCOMPLETE_SECONDS = 5.0


@functools.cache
def machine() -> str:
    """Return an identifier of this boot of this machine. Processes with the same identifier share the operating system's lock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


class FolderLock:
    """A lock that one process at a time can hold. Raises CellBusy, and OSError when the folder cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = folder / OWNER
        self._system = FileLock(folder / LOCK, timeout=0)
        self._line = b""
        self._renewing = threading.Lock()
        self._end = threading.Event()

    def acquire(self) -> None:
        """Take the lock, or raise CellBusy at once. The folder must exist."""
        try:
            self._system.acquire()
        except Timeout:
            raise CellBusy(f"{self._folder} is being run by another process; leaving it to that one") from None
        try:
            self._claim()
        except BaseException:
            self._system.release()
            raise
        threading.Thread(target=self._renew, name="lock", daemon=True).start()

    def check(self) -> None:
        """Raise CellBusy when another machine has taken the folder over."""
        if self._line and _content(self._owner) != self._line:
            raise CellBusy(f"{self._folder} was taken over by another machine while this one was held up; leaving it to that one")

    def release(self) -> None:
        """Release the lock; do nothing when it is not held."""
        self._end.set()
        with self._renewing:
            if self._line and _content(self._owner) == self._line:
                with contextlib.suppress(OSError):
                    self._owner.unlink()
            self._line = b""
        self._system.release()

    def _claim(self) -> None:
        me = {"host": platform.node(), "pid": os.getpid(), "machine": machine(), "token": secrets.token_hex(8)}
        line = f"{json.dumps(me)}\n".encode()
        for _ in range(3):
            try:
                file = self._owner.open("xb")
            except FileExistsError:
                self._remove_dead_owner()
                continue
            try:
                with file:
                    file.write(line)
            except BaseException:  # such as a full disk; the next launch would wait because of an incomplete line
                self._owner.unlink()
                raise
            self._line = line
            return
        raise CellBusy(f"{self._folder} is being taken by another process; leaving it to that one")

    def _remove_dead_owner(self) -> None:
        """Remove the owner file of a dead process. Raises CellBusy when the owner may be alive."""
        left = _content(self._owner)
        if left is None:
            return
        owner = _parsed(left)
        if not owner:
            time.sleep(INCOMPLETE_SECONDS)
        elif owner.get("machine") != machine():
            self._check_dead(owner)
        if _content(self._owner) != left:
            return
        removed = self._owner.with_name(f"{OWNER}-{secrets.token_hex(8)}")
        self._owner.rename(removed)
        found = _content(removed)
        if found != left:
            # Another machine took the lock over first, and this is its new file: restore it.
            with contextlib.suppress(OSError):
                os.link(removed, self._owner)
        removed.unlink()
        if found != left:
            raise CellBusy(f"{self._folder} is being taken by another machine; leaving it to that one")

    def _check_dead(self, owner: Mapping[str, object]) -> None:
        # Both times come from the file system's clock, because the clocks of the machines may differ.
        (self._folder / LOCK).touch()
        try:
            age = (self._folder / LOCK).stat().st_mtime - self._owner.stat().st_mtime
        except FileNotFoundError:
            return
        if age <= STALE_SECONDS:
            who = f"process {str(owner.get('pid'))[:20]!r} on {str(owner.get('host'))[:80]!r}"
            since = f"seen {max(age, 0.0):.0f} s ago; it is taken over after {STALE_SECONDS:.0f} s of silence"
            raise CellBusy(f"{self._folder} is being run by {who} ({since}); leaving it to that one")

    def _renew(self) -> None:
        while not self._end.wait(RENEW_SECONDS):
            with self._renewing, contextlib.suppress(OSError):
                if not self._end.is_set() and _content(self._owner) == self._line:
                    os.utime(self._owner)


def is_held(folder: Path) -> bool:
    """Say whether a process holds a folder. Nothing is changed but the time of `.lock`. Raises OSError."""
    if _content(folder / OWNER) is None:
        return False
    lock = FolderLock(folder)
    try:
        lock.acquire()
    except CellBusy:
        return True
    lock.release()
    return False


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _parsed(line: bytes) -> Mapping[str, object]:
    """Return an owner's line as plain data; empty when the line is incomplete."""
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return data if line.endswith(b"\n") and isinstance(data, dict) else {}
