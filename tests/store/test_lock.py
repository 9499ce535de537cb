from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CellBusy
from harness.store import lock
from harness.store.lock import LOCK, OWNER, STALE_SECONDS, FolderLock


def leave(folder: Path, *, age: float = 0.0, **fields: Any) -> bytes:
    """Leave the line of an owner on another machine, last renewed `age` seconds ago."""
    owner = {"host": "node7", "pid": 4711, "machine": "another boot", "token": "1234", **fields}
    (folder / OWNER).write_text(f"{json.dumps(owner)}\n")
    then = time.time() - age
    os.utime(folder / OWNER, (then, then))
    return (folder / OWNER).read_bytes()


def test_a_lock_is_one_process_s_and_leaves_nothing_but_the_system_s_file(tmp_path: Path) -> None:
    one, other = FolderLock(tmp_path), FolderLock(tmp_path)
    one.acquire()
    with pytest.raises(CellBusy, match="is being run by another process; leaving it to that one"):
        other.acquire()
    one.check()
    one.release()
    one.release()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    other.acquire()
    other.release()


def test_another_machine_s_cell_is_left_to_it_while_it_is_alive(tmp_path: Path) -> None:
    line = leave(tmp_path, age=STALE_SECONDS - 5)
    with pytest.raises(
        CellBusy, match=r"is being run by process '4711' on 'node7' \(seen 11\d s ago; it is taken over after 120 s"
    ):
        FolderLock(tmp_path).acquire()
    assert (tmp_path / OWNER).read_bytes() == line


def test_another_machine_s_lock_is_taken_over_when_it_has_been_silent_for_long(tmp_path: Path) -> None:
    leave(tmp_path, age=STALE_SECONDS + 5)
    mine = FolderLock(tmp_path)
    mine.acquire()
    assert json.loads((tmp_path / OWNER).read_bytes())["pid"] == os.getpid()
    mine.release()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_machine_that_was_held_up_and_taken_for_dead_writes_nothing_more_and_leaves_the_lock_alone(tmp_path: Path) -> None:
    mine = FolderLock(tmp_path)
    mine.acquire()
    theirs = leave(tmp_path)
    with pytest.raises(CellBusy, match="was taken over by another machine while this one was held up"):
        mine.check()
    mine.release()
    assert (tmp_path / OWNER).read_bytes() == theirs


@pytest.mark.parametrize("line", [b"", b'{"host"', b"[]\n", b'{"host": "x"}'])
def test_a_line_that_its_writer_never_finished_holds_nobody_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    monkeypatch.setattr(lock, "INCOMPLETE_SECONDS", 0.02)
    (tmp_path / OWNER).write_bytes(line)
    mine = FolderLock(tmp_path)
    mine.acquire()
    mine.release()


def test_of_two_machines_that_take_over_at_once_one_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, age=STALE_SECONDS + 5)
    fresh: list[bytes] = []
    rename = Path.rename

    def slow(self: Path, target: Path) -> Path:
        fresh.append(leave(tmp_path, token="faster"))  # between this one's look and its move
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", slow)
    with pytest.raises(CellBusy, match="is being taken by another machine"):
        FolderLock(tmp_path).acquire()
    assert (tmp_path / OWNER).read_bytes() == fresh[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, OWNER]


def test_an_owner_renews_its_line_for_as_long_as_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    mine = FolderLock(tmp_path)
    mine.acquire()
    os.utime(tmp_path / OWNER, (0, 0))
    deadline = time.monotonic() + 10
    while (tmp_path / OWNER).stat().st_mtime < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / OWNER).stat().st_mtime > time.time() - 60
    mine.release()


HOLD = (
    "import sys, time; from pathlib import Path; from harness.store.lock import FolderLock\n"
    "FolderLock(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(60)"
)


def killed_holder(folder: Path, meanwhile: Callable[[], None]) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        meanwhile()
        holder.send_signal(signal.SIGKILL)


def test_a_killed_process_s_line_is_taken_over_at_once_here_and_after_its_silence_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        with pytest.raises(CellBusy):
            FolderLock(tmp_path).acquire()

    killed_holder(tmp_path, busy)
    assert re.search(rb'"pid": \d+', (tmp_path / OWNER).read_bytes())
    monkeypatch.setattr(lock, "machine", lambda: "another boot")
    busy()
    os.utime(tmp_path / OWNER, (time.time() - STALE_SECONDS - 5,) * 2)
    mine = FolderLock(tmp_path)
    mine.acquire()
    mine.release()
    monkeypatch.undo()
    killed_holder(tmp_path, busy)
    mine = FolderLock(tmp_path)
    mine.acquire()
    mine.release()


def test_a_lock_costs_less_than_a_millisecond_of_processor_time(tmp_path: Path) -> None:
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(40):
            mine = FolderLock(tmp_path)
            mine.acquire()
            mine.release()
        rounds.append((time.process_time() - began) / 40)
    assert min(rounds) < 0.001  # what other work on the machine adds is not the lock's
