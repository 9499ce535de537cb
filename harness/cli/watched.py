"""What the progress view knows of the cells of a command. It reads their folders, and nothing else.

So it is the same whether the cells run in this process, in joblib's workers or on a cluster that shares the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.errors import RecordError
from harness.store.archive import packed
from harness.store.cell_folder import FAILURE, SUMMARY, TRIALS, every_trial_crashed, read_json
from harness.store.plan import BLOCKED
from harness.trial import GIVEN, Objective

SHOWN_ERRORS = 10
FALLBACK = "fallback"


@dataclass(frozen=True)
class Crashed:
    """A trial whose training raised. Two with equal `kind` are one error: the same class of exception, from the same line."""

    trial: int
    error: str
    place: str

    @property
    def kind(self) -> tuple[str, str]:
        """What tells errors apart: their texts may hold the numbers of a configuration."""
        return self.error.partition(":")[0], self.place or self.error


@dataclass
class Trials:
    """What is counted of a cell's trials. `failed` maps a status to its trials, of the cell's own.

    `asked` are the trials whose configuration an LLM was asked for, `fallback` those of them that a random draw replaced. `crashes` are
    the errors that were not told yet.
    """

    count: int = 0
    best: float | None = None
    failed: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    fallback: int = 0
    crashes: list[Crashed] = field(default_factory=list)

    def take(self, row: Mapping[str, Any], objective: Objective) -> None:
        """Count one line of trials.jsonl. Raises TypeError and AttributeError for one that is damaged."""
        score, source, status = row.get("val_score_pct"), str(row.get("source")), str(row.get("status", "ok"))
        if score is not None and (self.best is None or objective.better(score, self.best)):
            self.best = float(score)
        if source.startswith("llm") or source == FALLBACK:
            self.asked += 1
            self.fallback += source == FALLBACK
        if status != "ok" and source != GIVEN:
            self.failed[status] = self.failed.get(status, 0) + 1
            if status == "crashed":
                self.crashes.append(Crashed(self.count + 1, str(row.get("error")), str(row.get("raised_at") or "")))


@dataclass
class Watched:
    """What the view knows of one cell. `stale_failure_ns` is the time of a failure that an earlier launch left.

    `file` and `size` say which trials were read: a cell that trains anew begins another file. `reason` says why the cell failed, `blocked`
    why it cannot start; both are empty otherwise. A cell in the study's pack is `packed`: its trials are not read.
    """

    cell: Cell
    path: Path
    file: int = 0
    size: int = 0
    seen: Trials = field(default_factory=Trials)
    done: bool = False
    failed: bool = False
    begun: bool = False
    packed: bool = False
    reason: str = ""
    blocked: str = ""
    stale_failure_ns: int = 0

    @property
    def label(self) -> str:
        """Task, arm and seed in one short phrase."""
        return f"{self.cell.task.name} {self.cell.arm} seed {self.cell.seed}"

    @property
    def study(self) -> Path:
        """The folder of the study."""
        return self.path.parents[2]

    @property
    def best_text(self) -> str:
        """The best validation score so far."""
        if self.failed:
            return "failed"
        if self.seen.best is None:
            return "no score: every trial failed" if self.done else "no score yet"
        return f"best {self.cell.task.objective.text(self.seen.best)}"

    def read(self) -> bool:
        """Read what the cell's folder has more than at the last look; say whether the cell ended by that."""
        if not self.begun:
            self.begun = self.path.exists()
            if not self.begun:  # most of many, at any time
                return False
        with contextlib.suppress(OSError), (self.path / TRIALS).open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            if number != self.file:
                self.file, self.size, self.seen = number, 0, Trials()
            file.seek(self.size)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self.size += len(whole)
            for line in whole.splitlines():
                # Only what is shown: a damaged line is for the cell's own reader to complain about.
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    self.seen.take(json.loads(line), self.cell.task.objective)
                self.seen.count += 1
        was = self.done or self.failed
        self.done = (self.path / SUMMARY).exists()
        self.failed = not self.done and self.failure_ns() > self.stale_failure_ns
        ended = (self.done or self.failed) and not was
        if ended and self.failed:
            self.reason = _first_line(self.path)
        return ended

    def read_packed(self) -> None:
        """Read the result of a cell in the study's pack. The report names what is damaged."""
        with contextlib.suppress(RecordError, TypeError, ValueError):
            pack = packed(self.study)
            if pack is not None:
                summary = read_json(pack.open(self.cell.folder) / SUMMARY)
                score, failed = summary.get("val_score_pct"), summary.get("failures", {})
                self.seen = Trials(self.cell.all_trials, None if score is None else float(score), dict(failed))

    def failure_ns(self) -> int:
        """Return when the cell failed, in nanoseconds since 1970; 0 when it has not."""
        with contextlib.suppress(OSError):
            return (self.path / FAILURE).stat().st_mtime_ns
        return 0


def _first_line(path: Path) -> str:
    """Return the first line of why a cell failed."""
    with contextlib.suppress(RecordError):
        return next(iter(str(read_json(path / FAILURE).get("error", "")).splitlines()), "")
    return ""


@dataclass
class Tally:
    """All cells of a sweep, and how far they are. `waiting` are those that are blocked from the start: they are no part of the sweep."""

    cells: list[Watched]
    waiting: list[Watched] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    before: int = 0
    trials_before: int = 0
    told: set[tuple[str, str]] = field(default_factory=set)
    blocked_bytes: dict[Path, int] = field(default_factory=dict)

    def scan(self) -> list[Watched]:
        """Read every cell that is not done, and return those that ended since the last look."""
        self._read_blocked()
        return [watched for watched in self.cells if not watched.done and watched.read()]

    def begin(self) -> None:
        """Take what is there already as done before; what failed or was blocked before is tried again now."""
        for watched in self.cells:
            watched.begun = watched.path.exists()
            watched.stale_failure_ns = watched.failure_ns() if watched.begun else 0
        self.blocked_bytes = {study: _size(study / BLOCKED) for study in {watched.study: None for watched in self.cells}}
        self.scan()
        for watched in self.cells:
            watched.seen.crashes.clear()
            if watched.stale_failure_ns and every_trial_crashed(watched.path):
                watched.seen = Trials()  # it trains anew
        self.before = self.done
        self.trials_before = self.trials

    def read_packed(self) -> None:
        """Read the results of the cells in packs, which may take a second where those are many."""
        for watched in self.cells:
            if watched.packed:
                watched.read_packed()

    def _read_blocked(self) -> None:
        """Note which cells this launch found blocked: its lines stand behind those that were there at its begin."""
        for study, size in self.blocked_bytes.items():
            if _size(study / BLOCKED) <= size:
                continue
            with contextlib.suppress(OSError), (study / BLOCKED).open("rb") as file:
                file.seek(size)
                new = file.read()
                self.blocked_bytes[study] += new.rfind(b"\n") + 1
                self._block(study, new.splitlines())

    def _block(self, study: Path, lines: Iterable[bytes]) -> None:
        of_id = {watched.cell.id: watched for watched in self.cells if watched.study == study}
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a damaged line is for the report to name
                row = json.loads(line)
                of_id[row["cell"]].blocked = str(row["reason"])

    def new_errors(self) -> Iterator[str]:
        """Yield a line for each error that was not told yet, however many trials and cells it ended."""
        for watched in self.cells:
            for crashed in watched.seen.crashes:
                if crashed.kind in self.told or len(self.told) > SHOWN_ERRORS:
                    continue
                self.told.add(crashed.kind)
                place = f" ({crashed.place})" if crashed.place else ""
                more = "there are more errors: see trials.jsonl of each cell" if len(self.told) > SHOWN_ERRORS else ""
                yield more or f"{watched.label}, trial {crashed.trial} failed: {crashed.error}{place}"
            watched.seen.crashes.clear()

    @property
    def done(self) -> int:
        """How many cells are done."""
        return sum(watched.done for watched in self.cells)

    @property
    def trials(self) -> int:
        """How many trials are behind us; a cell that ended counts in full, also when it ended early."""
        return sum(watched.cell.all_trials if watched.done or watched.failed else watched.seen.count for watched in self.cells)

    @property
    def all_trials(self) -> int:
        """How many trials there are when all cells are done."""
        return sum(watched.cell.all_trials for watched in self.cells)

    def seconds_left(self) -> float | None:
        """Estimate from the trials since the start; None while there are none."""
        done = self.trials - self.trials_before
        left = self.all_trials - self.trials
        return (time.monotonic() - self.started) / done * left if done else None


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def watched_cells(study: Path, cells: Iterable[Cell]) -> Iterator[Watched]:
    """Yield the cells of a study as the view sees them at first."""
    pack = packed(study)
    for cell in cells:
        is_packed = pack is not None and cell.folder in pack
        yield Watched(cell, study / cell.folder, done=is_packed, packed=is_packed)
