"""Progress of a sweep: a live view on a terminal, plain lines elsewhere.

A thread reads the cells' folders, so that the view is the same whether the cells run in this process, in joblib's workers or on
a cluster that shares the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cell import Cell
from harness.console import duration, say
from harness.errors import shown
from harness.store.archive import packed
from harness.store.cell_folder import FAILURE, SUMMARY, TRIALS, every_trial_crashed
from harness.trial import GIVEN

POLL_SECONDS = 0.25
# A scan of very many cells must not eat the time of the training beside it.
POLL_PER_SCAN = 20.0
SHOWN_CELLS = 8
SHOWN_ENDED = 20
SHOWN_ERRORS = 10


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
class Watched:
    """What the view knows of one cell. `stale_failure_ns` is the time of a failure that an earlier launch left.

    `file` and `size` say which trials were read: a cell that trains anew begins another file. `crashes` are those not told yet.
    """

    cell: Cell
    path: Path
    file: int = 0
    size: int = 0
    trials: int = 0
    best: float | None = None
    done: bool = False
    failed: bool = False
    begun: bool = False
    stale_failure_ns: int = 0
    crashes: list[Crashed] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Task, arm and seed in one short phrase."""
        return f"{self.cell.task.name} {self.cell.arm} seed {self.cell.seed}"

    @property
    def best_text(self) -> str:
        """The best validation score so far."""
        if self.failed:
            return "failed"
        if self.best is None:
            return "no score: every trial failed" if self.done else "no score yet"
        return f"best {self.cell.task.objective.text(self.best)}"

    def read(self) -> bool:
        """Read what the cell's folder has more than at the last look; say whether the cell ended by that."""
        if not self.begun:
            self.begun = self.path.exists()
            if not self.begun:  # most of many, at any time
                return False
        with contextlib.suppress(OSError), (self.path / TRIALS).open("rb") as file:
            number = os.fstat(file.fileno()).st_ino
            if number != self.file:
                self.file, self.size, self.trials, self.best = number, 0, 0, None
            file.seek(self.size)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self.size += len(whole)
            for line in whole.splitlines():
                # Only what is shown: a damaged line is for the cell's own reader to complain about.
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    self._take(json.loads(line))
                self.trials += 1
        was = self.done or self.failed
        self.done = (self.path / SUMMARY).exists()
        self.failed = not self.done and self.failure_ns() > self.stale_failure_ns
        return (self.done or self.failed) and not was

    def _take(self, row: Mapping[str, Any]) -> None:
        score = row.get("val_score_pct")
        if score is not None and (self.best is None or self.cell.task.objective.better(score, self.best)):
            self.best = float(score)
        if row.get("status") == "crashed" and row.get("source") != GIVEN:
            self.crashes.append(Crashed(self.trials + 1, str(row.get("error")), str(row.get("raised_at") or "")))

    def failure_ns(self) -> int:
        """Return when the cell failed, in nanoseconds since 1970; 0 when it has not."""
        with contextlib.suppress(OSError):
            return (self.path / FAILURE).stat().st_mtime_ns
        return 0


@dataclass
class Tally:
    """All cells of a sweep, and how far they are."""

    cells: list[Watched]
    started: float = field(default_factory=time.monotonic)
    before: int = 0
    trials_before: int = 0
    told: set[tuple[str, str]] = field(default_factory=set)

    def scan(self) -> list[Watched]:
        """Read every cell that is not done, and return those that ended since the last look."""
        return [watched for watched in self.cells if not watched.done and watched.read()]

    def begin(self) -> None:
        """Take what is there already as done before; what failed before is tried again now."""
        for watched in self.cells:
            watched.begun = watched.path.exists()
            watched.stale_failure_ns = watched.failure_ns() if watched.begun else 0
        self.scan()
        for watched in self.cells:
            watched.crashes.clear()
            if watched.stale_failure_ns and every_trial_crashed(watched.path):
                watched.trials, watched.best = 0, None  # it trains anew
        self.before = self.done
        self.trials_before = self.trials

    def new_errors(self) -> Iterator[str]:
        """Yield a line for each error that was not told yet, however many trials and cells it ended."""
        for watched in self.cells:
            for crashed in watched.crashes:
                if crashed.kind in self.told or len(self.told) > SHOWN_ERRORS:
                    continue
                self.told.add(crashed.kind)
                place = f" ({crashed.place})" if crashed.place else ""
                more = "there are more errors: see trials.jsonl of each cell" if len(self.told) > SHOWN_ERRORS else ""
                yield more or f"{watched.label}, trial {crashed.trial} failed: {crashed.error}{place}"
            watched.crashes.clear()

    @property
    def done(self) -> int:
        """How many cells are done."""
        return sum(watched.done for watched in self.cells)

    @property
    def trials(self) -> int:
        """How many trials are behind us; a cell that ended counts in full, also when it ended early."""
        return sum(watched.cell.all_trials if watched.done or watched.failed else watched.trials for watched in self.cells)

    def seconds_left(self) -> float | None:
        """Estimate from the trials since the start; None while there are none."""
        done = self.trials - self.trials_before
        left = sum(watched.cell.all_trials for watched in self.cells) - self.trials
        return (time.monotonic() - self.started) / done * left if done else None


@contextlib.contextmanager
def watch(by_study: Mapping[Path, Iterable[Cell]], mode: str) -> Iterator[None]:
    """Show the progress of these cells while the block runs. `mode`: auto | live | plain | off."""
    if mode == "off":
        yield
        return
    tally = Tally([each for study, cells in by_study.items() for each in _watched(study, cells)])
    tally.begin()
    if mode == "auto":
        mode = "live" if sys.stderr.isatty() else "plain"
    if tally.before:
        say(f"{tally.before} of {len(tally.cells)} cells were done before")
    if tally.done == len(tally.cells):
        yield
        return
    view = LiveView(tally) if mode == "live" else PlainView(tally)
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(tally, view, stop), daemon=True)
    with view:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _watched(study: Path, cells: Iterable[Cell]) -> Iterator[Watched]:
    pack = packed(study)
    for cell in cells:
        yield Watched(cell, study / cell.folder, done=pack is not None and cell.folder in pack)


def _follow(tally: Tally, view: PlainView, stop: threading.Event) -> None:
    while True:
        last = stop.is_set()
        began = time.monotonic()
        ended = tally.scan()
        for line in tally.new_errors():
            view.tell(line)
        if ended:
            view.ended(ended)
        view.update()
        if last:
            return
        stop.wait(max(POLL_SECONDS, POLL_PER_SCAN * (time.monotonic() - began)))


class PlainView:
    """One line for each cell that ends, or for all that ended since the last look when those are many."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.count = tally.before

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""

    def ended(self, cells: Sequence[Watched]) -> None:
        """Say that cells are done, or failed."""
        left = self.tally.seconds_left()
        tail = f", {duration(left)} left" if left else ""
        if len(cells) > SHOWN_ENDED:
            self.count += len(cells)
            say(f"[{self.count}/{len(self.tally.cells)}] {len(cells)} more cells have ended{tail}")
            return
        for watched in cells:
            self.count += 1
            say(f"[{self.count}/{len(self.tally.cells)}] {watched.label}: {watched.best_text}{tail}")

    def tell(self, line: str) -> None:
        """Say something else."""
        say(line)

    def update(self) -> None:
        """Nothing to redraw."""


class LiveView(PlainView):
    """A bar over all trials, and a line for each cell that runs."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        self._live: Any = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._live.__exit__(*details)
        if self.tally.cells:
            failed = sum(watched.failed for watched in self.tally.cells)
            tail = f", {failed} failed" if failed else ""
            took = duration(time.monotonic() - self.tally.started)
            say(f"{self.tally.done} of {len(self.tally.cells)} cells done{tail}, in {took}")

    def ended(self, cells: Sequence[Watched]) -> None:
        """The next redraw shows them."""

    def tell(self, line: str) -> None:
        """Say something above what is redrawn."""
        self._live.console.print(shown(line), markup=False, highlight=False)

    def update(self) -> None:
        """Redraw."""
        from rich.console import Group  # noqa: PLC0415
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        tally, total = self.tally, sum(watched.cell.all_trials for watched in self.tally.cells)
        left = tally.seconds_left()
        head = f"{tally.done} of {len(tally.cells)} cells"
        tail = f"{duration(left)} left" if left is not None else "starting"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(head, ProgressBar(total=total, completed=tally.trials, width=30), tail)
        lines = Table.grid(padding=(0, 1))
        running = [w for w in tally.cells if w.trials and not w.done and not w.failed]
        for watched in running[:SHOWN_CELLS]:
            lines.add_row(Text(watched.label), Text(f"trial {watched.trials}/{watched.cell.all_trials}"), Text(watched.best_text))
        if len(running) > SHOWN_CELLS:
            lines.add_row(Text(f"and {len(running) - SHOWN_CELLS} more"))
        self._live.update(Group(bar, lines), refresh=True)
