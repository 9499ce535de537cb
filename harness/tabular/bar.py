"""Progress of a table in the making: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

LINE_SECONDS = 30.0


class Bar:
    """Counts up to `total`, and tells of it on standard error with the time that is left. Use as a context manager."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._count = name, total, 0
        self._started = self._told = time.monotonic()
        self._live: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
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
        """Count one more."""
        self._count += 1
        if self._live is not None:
            self._live.advance(self._task)
            return
        now = time.monotonic()
        if now - self._told >= LINE_SECONDS or self._count == self._total:
            self._told = now
            left = (now - self._started) / self._count * (self._total - self._count)
            print(f"{self._name}: {self._count} of {self._total} trainings, {left:.0f} s left", file=sys.stderr, flush=True)
