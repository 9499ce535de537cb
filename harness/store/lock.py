"""A lock on a folder, between the processes of one machine and between machines that share the folder.

On one machine the system's own lock decides (flock on `.lock`): it ends with its process, however that ends. But a shared file system
may keep such locks to each machine. So the holder also leaves a line in `.owner`, a file that one process alone can create: machine,
process, a token. It renews the file's time as long as it lives; a line that another machine has not renewed for `STALE_SECONDS`, by the
file system's own clock, is taken over. A line of this machine needs no wait: who has the system's lock knows that its owner is gone.

A holder that was held up for so long (a machine that slept) is told so before it writes: see `check`.
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
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import CellBusy

LOCK, OWNER = ".lock", ".owner"
BEAT_SECONDS = 15.0
# Long enough for a training that keeps Python's own lock for a while, in which no other thread of the holder runs.
STALE_SECONDS = 120.0
# A line that is not whole by then is its writer's last.
TORN_SECONDS = 5.0


@functools.cache
def machine() -> str:
    """Return what tells this machine, as it runs now, from every other: the system's lock holds among all that have it in common."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


class FolderLock:
    """Held by one process at a time. Raises CellBusy, and OSError where nothing can be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owner = folder / OWNER
        self._system = FileLock(folder / LOCK, timeout=0)
        self._line = b""
        self._beating = threading.Lock()
        self._end = threading.Event()

    def acquire(self) -> None:
        """Take the lock, or raise CellBusy at once. The folder must be there."""
        try:
            self._system.acquire()
        except Timeout:
            raise CellBusy(f"{self._folder} is being run by another process; leaving it to that one") from None
        try:
            self._claim()
        except BaseException:
            self._system.release()
            raise
        threading.Thread(target=self._beat, name="lock", daemon=True).start()

    def check(self) -> None:
        """Raise CellBusy when another machine took this process for dead and has the folder now."""
        if self._line and _content(self._owner) != self._line:
            raise CellBusy(f"{self._folder} was taken over by another machine while this one was held up; leaving it to that one")

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        self._end.set()
        with self._beating:
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
                self._bury()
                continue
            try:
                with file:
                    file.write(line)
            except BaseException:  # the disk is full: half a line would hold the next launch up
                self._owner.unlink()
                raise
            self._line = line
            return
        raise CellBusy(f"{self._folder} is being taken by another process; leaving it to that one")

    def _bury(self) -> None:
        """Remove the line of an owner that is gone. Raises CellBusy for one that may be alive."""
        left = _content(self._owner)
        if left is None:
            return
        owner = _parsed(left)
        if not owner:
            time.sleep(TORN_SECONDS)
        elif owner.get("machine") != machine():
            self._refuse_living(owner)
        if _content(self._owner) != left:
            return
        grave = self._owner.with_name(f"{OWNER}-{secrets.token_hex(8)}")
        self._owner.rename(grave)
        buried = _content(grave)
        if buried != left:
            # Another machine was faster, and this is its new line: put it back.
            with contextlib.suppress(OSError):
                os.link(grave, self._owner)
        grave.unlink()
        if buried != left:
            raise CellBusy(f"{self._folder} is being taken by another machine; leaving it to that one")

    def _refuse_living(self, owner: Mapping[str, Any]) -> None:
        # The file system's clock on both sides: the machines' own may differ.
        (self._folder / LOCK).touch()
        try:
            age = (self._folder / LOCK).stat().st_mtime - self._owner.stat().st_mtime
        except FileNotFoundError:
            return
        if age <= STALE_SECONDS:
            who = f"process {str(owner.get('pid'))[:20]!r} on {str(owner.get('host'))[:80]!r}"
            since = f"seen {max(age, 0.0):.0f} s ago; it is taken over after {STALE_SECONDS:.0f} s of silence"
            raise CellBusy(f"{self._folder} is being run by {who} ({since}); leaving it to that one")

    def _beat(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            with self._beating, contextlib.suppress(OSError):
                if not self._end.is_set() and _content(self._owner) == self._line:
                    os.utime(self._owner)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _parsed(line: bytes) -> Mapping[str, Any]:
    """Return an owner's line as plain data, empty when it is not whole."""
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return data if line.endswith(b"\n") and isinstance(data, dict) else {}
