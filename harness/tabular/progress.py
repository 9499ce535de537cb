"""Progress while a table is made: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS = 30.0


class ProgressBar:
    """Counts trainings up to `total`, and shows the count and the remaining time on standard error. Use as a context manager."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._count = name, total, 0
        self._started = self._last_line = time.monotonic()
        self._live: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("left"),
            )
            self._live = Progress(*columns, console=Console(stderr=True), transient=True)
            self._live.start()
            self._task = self._live.add_task(self._name, total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def advance(self) -> None:
        """Count one more training."""
        self._count += 1
        if self._live is not None and self._task is not None:
            self._live.advance(self._task)
            return
        now = time.monotonic()
        if now - self._last_line >= LINE_SECONDS or self._count == self._total:
            self._last_line = now
            left = (now - self._started) / self._count * (self._total - self._count)
            print(f"{self._name}: {self._count} of {self._total} trainings, {left:.0f} s left", file=sys.stderr, flush=True)
