"""Progress of a sweep: a live view on a terminal, plain lines elsewhere.

A thread reads the cells' folders (see `watched.py`), and shows how far they are, how the arms stand, and what failed.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cell import Cell
from harness.cli.standings import Standings, standings_of
from harness.cli.watched import Tally, Watched, watched_cells
from harness.console import duration, say
from harness.errors import shown
from harness.store.cell_folder import every_trial_crashed

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

POLL_SECONDS = 0.25
# A scan of very many cells must not eat the time of the training beside it.
POLL_PER_SCAN = 20.0
SHOWN_CELLS = 8
SHOWN_ARMS = 8
SHOWN_FAILURES = 3
SHOWN_ENDED = 20
# Without a terminal: so many arms in a line, the least and the most time between two such lines, and of cells that end about two lines a
# second, and one in this time where they are many.
PLAIN_ARMS = 4
PLAIN_STANDING_SECONDS = 30.0
PLAIN_LONGEST_SECONDS = 600.0
PLAIN_CELL_SECONDS = 0.5
PLAIN_MANY_SECONDS = 10.0


@contextlib.contextmanager
def watch(
    by_study: Mapping[Path, Iterable[Cell]],
    mode: str,
    blocked: Iterable[tuple[Path, Cell, str]] = (),
    *,
    standings: bool = True,
) -> Iterator[None]:
    """Show the progress of these cells while the block runs. `mode`: auto | live | plain | off.

    `blocked` are cells of the same command that cannot start, each with its study and the reason. Without `standings`, arms are not
    compared: for a command that compares them itself.
    """
    if mode == "off":
        yield
        return
    tally = Tally(
        [each for study, cells in by_study.items() for each in watched_cells(study, cells)],
        [Watched(cell, study / cell.folder, blocked=reason) for study, cell, reason in blocked],
    )
    tally.begin()
    if mode == "auto":
        mode = "live" if sys.stderr.isatty() else "plain"
    if tally.before:
        say(f"{tally.before} of {len(tally.cells)} cells were done before")
    if tally.done == len(tally.cells):
        yield
        return
    view = (LiveView if mode == "live" else PlainView)(tally, standings=standings)
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(tally, view, stop), daemon=True)
    with view:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _follow(tally: Tally, view: PlainView, stop: threading.Event) -> None:
    tally.read_packed()
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
    """One line for each cell that ends, or now and then for all that ended when those are many; and seldom how the arms stand.

    The arms' line comes after each quarter of the trials, but not within `PLAIN_STANDING_SECONDS` of the last one, and at least every
    `PLAIN_LONGEST_SECONDS` while cells end.
    """

    def __init__(self, tally: Tally, *, standings: bool = True) -> None:
        self.tally = tally
        self.count = tally.before
        self._shows_standings = standings
        self._known: Standings | None = None
        self._held: list[Watched] = []
        self._quiet_until = 0.0
        self._reasons: set[str] = set()
        self._quarter = self._quarters()
        self._told_standing = time.monotonic()

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        """Say what was held back."""
        if self._held:
            self._tell_ended()

    def ended(self, cells: Sequence[Watched]) -> None:
        """Take note that cells are done, or failed."""
        self._known = None
        self._hold(cells)

    def _hold(self, cells: Sequence[Watched]) -> None:
        """Keep them for the next update, which says that they have ended."""
        self._held += cells

    def _tell_ended(self) -> None:
        cells, self._held = self._held, []
        left = self.tally.seconds_left()
        tail = f", {duration(left)} left" if left else ""
        self._quiet_until = time.monotonic() + min(PLAIN_MANY_SECONDS, PLAIN_CELL_SECONDS * len(cells))
        if len(cells) > SHOWN_ENDED:
            self.count += len(cells)
            failed = sum(watched.failed for watched in cells)
            say(
                f"[{self.count}/{len(self.tally.cells)}] {len(cells)} more cells have ended{f', {failed} failed' * bool(failed)}{tail}"
            )
            return
        for watched in cells:
            self.count += 1
            say(f"[{self.count}/{len(self.tally.cells)}] {watched.label}: {watched.best_text}{self._why(watched)}{tail}")

    def _why(self, watched: Watched) -> str:
        """Return why a cell failed, once for each reason."""
        told = not watched.failed or not watched.reason or watched.reason in self._reasons
        if told or every_trial_crashed(watched.path):  # the error of the first of them has a line of its own
            return ""
        self._reasons.add(watched.reason)
        return f": {watched.reason}"

    def tell(self, line: str) -> None:
        """Say something else."""
        say(line)

    def update(self) -> None:
        """Say which cells have ended, and how the arms stand, each where it is time to."""
        if self._held and time.monotonic() >= self._quiet_until:
            self._tell_ended()
        since, quarter = time.monotonic() - self._told_standing, self._quarters()
        is_time = since >= PLAIN_LONGEST_SECONDS or (quarter > self._quarter and since >= PLAIN_STANDING_SECONDS)
        if not is_time or not self._shows_standings or self._known is not None or quarter >= 4:
            return
        standings = self.standings()
        self._quarter, self._told_standing = quarter, time.monotonic()
        if standings.is_worth_showing:
            say(_in_a_line(standings, self.tally))

    def _quarters(self) -> int:
        return 4 * self.tally.trials // max(1, self.tally.all_trials)

    def standings(self) -> Standings:
        """Return how the arms stand. They are computed anew only after cells have ended."""
        if self._known is None:
            self._known = standings_of(self.tally.cells, self.tally.waiting)
        return self._known


def _in_a_line(standings: Standings, tally: Tally) -> str:
    compared = [f"{arm} {standings.comparison.text(arm)}" for arm in standings.comparison.values]
    more = len(compared) - PLAIN_ARMS
    best = ", ".join([*compared[:PLAIN_ARMS], *([f"and {more} more"] if more > 0 else [])])
    troubles = [f"{arm.arm}: {arm.troubles}" for arm in standings.arms if arm.troubles]
    parts = [f"{tally.done} of {len(tally.cells)} cells", *filter(None, [standings.title])]
    return "; ".join([f"{', '.join(parts)}{f': {best}' if best else ''}", *troubles[:PLAIN_ARMS]])


class LiveView(PlainView):
    """A bar over all trials, a line for each cell that runs, a table of the arms, and what failed."""

    def __init__(self, tally: Tally, *, standings: bool = True) -> None:
        super().__init__(tally, standings=standings)
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

    def _hold(self, cells: Sequence[Watched]) -> None:
        """The next redraw shows them."""

    def tell(self, line: str) -> None:
        """Say something above what is redrawn."""
        self._live.console.print(shown(line), markup=False, highlight=False)

    def update(self) -> None:
        """Redraw. Each part gets as many lines as the terminal has left."""
        from rich.console import Group  # noqa: PLC0415

        size = self._live.console.size
        room = size.height - 2
        standings = self.standings()
        failures = [_line(failure) for failure in standings.failures[:SHOWN_FAILURES]][: max(0, room - 1)]
        room -= len(failures)
        running = [w for w in self.tally.cells if w.seen.count and not w.done and not w.failed]
        parts: list[Any] = []
        # Half of the lines for the cells that run, where there are so many.
        arms = min(SHOWN_ARMS, room - 2 - min(len(running), room // 2))
        if self._shows_standings and standings.is_worth_showing and arms > 0:
            parts += _arms_table(standings, arms, size.width)
            room -= len(standings.arms[:arms]) + bool(standings.title) + (len(standings.arms) > arms)
        cells = [_cells_table(running, min(SHOWN_CELLS, room - 1))] if running else []
        self._live.update(Group(self._bar(), *cells, *parts, *failures), refresh=True)

    def _bar(self) -> Table:
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        tally, left = self.tally, self.tally.seconds_left()
        bar = Table.grid(padding=(0, 1))
        tail = f"{duration(left)} left" if left is not None else "starting"
        bar.add_row(
            f"{tally.done} of {len(tally.cells)} cells",
            ProgressBar(total=tally.all_trials, completed=tally.trials, width=30),
            tail,
        )
        return bar


def _line(text: str, style: str = "") -> Text:
    """Return a text that takes one line, however narrow the terminal is."""
    from rich.text import Text  # noqa: PLC0415

    return Text(shown(text), style=style, no_wrap=True, overflow="ellipsis")


def _cells_table(running: Sequence[Watched], most: int) -> Table:
    from rich.table import Table  # noqa: PLC0415

    lines = Table.grid(padding=(0, 1))
    for watched in running[: max(0, most)]:
        lines.add_row(
            _line(watched.label), _line(f"trial {watched.seen.count}/{watched.cell.all_trials}"), _line(watched.best_text)
        )
    if len(running) > most > 0:
        lines.add_row(_line(f"and {len(running) - most} more"))
    return lines


def _arms_table(standings: Standings, most: int, width: int) -> list[Any]:
    """Return the title and the table of the arms; the arms for which there is no room are counted, and what went wrong in them."""
    from rich.table import Table  # noqa: PLC0415

    table = Table.grid(padding=(0, 1))
    table.add_column(max_width=max(8, width // 3))
    for _ in range(2):
        table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for arm in standings.arms[:most]:
        table.add_row(_line(arm.arm), f"{arm.done}/{arm.cells}", standings.comparison.text(arm.arm), _line(arm.troubles, "yellow"))
    parts: list[Any] = [_line(standings.title, "dim")] if standings.title else []
    parts.append(table)
    if rest := standings.arms[most:]:
        together = rest[0]
        for arm in rest[1:]:
            together = together.plus(arm)
        parts.append(_line(f"and {len(rest)} more arms{f': {together.troubles}' if together.troubles else ''}"))
    return parts
