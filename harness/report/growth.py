"""How far a study is, seen from the sizes and times of its files. It takes milliseconds where reading the records takes seconds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RecordError
from harness.store.archive import PACK, Pack, packed
from harness.store.cell_folder import CALLS, FAILURE, MANIFEST, SUMMARY, TRIALS
from harness.store.lock import OWNER
from harness.store.plan import BLOCKED, PLAN, Planned, read_blocked, read_plan

Mark = tuple[int, int]
NOTHING: Mark = (0, 0)


@dataclass(frozen=True)
class Look:
    """One look at a study. `mark` differs from that of another look when records were written in between.

    Of the `planned` cells, `done` are complete; of the others, `failed` and `blocked` are not being run by anyone.
    """

    mark: int
    planned: int
    done: int
    failed: int
    blocked: int

    @property
    def is_complete(self) -> bool:
        """Whether every planned cell is done."""
        return self.done == self.planned > 0

    @property
    def is_at_rest(self) -> bool:
        """Whether every cell that is not done has failed, or cannot start."""
        return self.done + self.failed + self.blocked == self.planned > 0

    def __str__(self) -> str:
        parts = [f"{self.done:,} of {self.planned:,} cells done"]
        parts += [f"{count:,} {word}" for word, count in (("failed", self.failed), ("blocked", self.blocked)) if count]
        return ", ".join(parts)


class Growth:
    """Looks at one study again and again. A cell that is done is not looked at any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: set[str] = set()
        self._plan: tuple[Mark, tuple[Planned, ...]] = (NOTHING, ())
        self._blocked: tuple[Mark, frozenset[str]] = (NOTHING, frozenset())

    def look(self) -> Look:
        """Return how far the study is now; a study without a plan has no planned cell."""
        plan, blocked, pack = self._read_plan(), self._read_blocked(), self._pack()
        marks = [_mark(f"{self._folder}/{name}") for name in (PLAN, BLOCKED, PACK)]
        done = failed = waiting = 0
        for entry in plan:
            if entry.folder in self._done or (pack is not None and entry.folder in pack):
                done += 1
                continue
            found = {
                name: _mark(f"{self._folder}/{entry.folder}/{name}") for name in (MANIFEST, TRIALS, CALLS, SUMMARY, FAILURE, OWNER)
            }
            if found[SUMMARY] != NOTHING and found[MANIFEST] != NOTHING:
                self._done.add(entry.folder)
                done += 1
                continue
            is_free = found.pop(OWNER) == NOTHING  # its time changes while the cell runs
            marks += found.values()
            failed += is_free and found[FAILURE] != NOTHING
            waiting += is_free and found[FAILURE] == NOTHING and entry.cell in blocked
        return Look(hash((done, *marks)), len(plan), done, failed, waiting)

    def _read_plan(self) -> tuple[Planned, ...]:
        mark = _mark(f"{self._folder}/{PLAN}")
        if mark != self._plan[0]:
            self._plan = (mark, read_plan(self._folder, problems=[]))
        return self._plan[1]

    def _read_blocked(self) -> frozenset[str]:
        mark = _mark(f"{self._folder}/{BLOCKED}")
        if mark != self._blocked[0]:
            self._blocked = (mark, frozenset(read_blocked(self._folder, [])))
        return self._blocked[1]

    def _pack(self) -> Pack | None:
        try:
            return packed(self._folder)
        except RecordError:
            return None  # the report says what is wrong with it


def _mark(path: str) -> Mark:
    """Return size and time of a file, which tell whether it was written."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a path object for each file of many cells takes longer
    except OSError:
        return NOTHING
    return found.st_size, found.st_mtime_ns
