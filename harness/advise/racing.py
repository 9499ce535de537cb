"""Run a race: a seed of all methods that are still in it, a look, and so on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.advise.candidates import Candidate, lacking
from harness.cell import Cell
from harness.cli.forecast import forecast
from harness.cli.progress import watch
from harness.console import duration, say
from harness.errors import CellBusy, CellsFailed, SettingsError, StorageError
from harness.report.analysis.advice import standing_of
from harness.report.analysis.race import FIRST_LOOK, Standing
from harness.report.sources.records import read_study
from harness.run.study import Result, add_to_plan, block, blocked_by, is_done, run_cells
from harness.store.cell_folder import SUMMARY, read_json
from harness.store.race import Race, write_race

# A race that is over sooner needs no forecast.
WORTH_TELLING_SECONDS = 20.0


@dataclass
class Racing:
    """A race in progress. `ready` can run here; `aside` maps an arm that failed in this command to the reason."""

    study: Path
    race: Race
    ready: list[Candidate]
    most_seeds: int
    ends_at: float | None = None
    aside: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    forecast_told: bool = False

    @property
    def progress(self) -> str:
        """How progress is shown."""
        return self.ready[0].settings.progress

    def run(self) -> Standing:
        """Run seeds until one method is left or no seed is. Raises CellsFailed when no method can run, CellBusy, StorageError."""
        while True:
            standing = self._look()
            if len(standing.alive) < 2 or standing.seeds >= self.most_seeds:
                return standing
            running = [c for c in self.ready if c.arm not in self.aside and c.arm in (*standing.alive, self.race.baseline)]
            missing = [(c, cell) for c in running if not is_done(self.study, cell := c.cells[standing.seeds])]
            self._say(f"seed {standing.seeds} (number {standing.seeds + 1} of at most {self.most_seeds}): {len(running)} methods")
            self._run_seed(missing)
            if len(self.aside) == len(self.ready):
                raise CellsFailed(f"no method could run: {next(iter(self.aside.values()))}")

    def _say(self, text: str) -> None:
        if self.progress != "off":
            say(text)

    def _look(self) -> Standing:
        """Read the records, and say which methods are dropped now."""
        retried = {candidate.arm for candidate in self.ready} - {*self.aside}
        standing = standing_of(read_study(self.study), self.race, retried)
        for arm, dropped in standing.dropped.items():
            if arm not in self.told:
                self._say(f"dropped after {dropped.after} seeds: {arm}, clearly behind {dropped.leader}")
                self.told.add(arm)
        return standing

    def _run_seed(self, missing: Sequence[tuple[Candidate, Cell]]) -> None:
        add_to_plan(self.study, [cell for _, cell in missing])
        with watch({self.study: [cell for _, cell in missing]}, self.progress, standings=False):
            for candidate, cell in missing:
                result = run_cells([cell], candidate.settings)
                self._note(candidate.arm, result)
                # The baseline trains once, and the first training in a process takes longest.
                if result.done and not self.forecast_told and candidate.arm != self.race.baseline:
                    self.forecast_told = True
                    self._tell_forecast(candidate, cell)

    def _note(self, arm: str, result: Result) -> None:
        """Set a method aside that failed. Raises StorageError when nothing can be written, CellBusy for another process's cell."""
        if result.fatal:
            raise StorageError(result.fatal[0])
        if result.busy:
            raise CellBusy(result.busy[0])
        problems = (*result.refused, *result.failed, *result.blocked)
        if problems:
            self.aside[arm] = problems[0]
            self._say(f"{arm} is not raced: {problems[0]}")

    def _tell_forecast(self, candidate: Candidate, cell: Cell) -> None:
        """Say how long the race may take, by the first cell of this command. Nothing for a short race, or for recorded trainings."""
        summary = read_json(self.study / cell.folder / SUMMARY)
        seconds = summary["train_seconds"] / max(1, summary["trials"])
        a_seed = seconds * sum(1 if c.arm == self.race.baseline else c.settings.budget for c in self.ready)
        if not candidate.settings.evaluator.trains or a_seed * self.most_seeds < WORTH_TELLING_SECONDS:
            return
        first, most = min(FIRST_LOOK, self.most_seeds), self.most_seeds
        short = self.ends_at is not None and time.monotonic() + first * a_seed > self.ends_at
        further = f", {most} seeds at most {duration(most * a_seed)}" if most > first else ""
        self._say(
            f"a training takes about {seconds:.2g} s: {first} seeds of {len(self.ready)} methods {duration(first * a_seed)}{further}"
        )
        if short:
            self._say(f"seconds= ends before the first look, at {first} seeds; the same command goes on")


def prepared(candidates: Sequence[Candidate], study: Path, race: Race) -> list[Candidate]:
    """Write the race, record which methods are blocked, and return the others.

    Raises CellsFailed when fewer than two can run, SettingsError when fewer are asked for.
    """
    blocked = {c.arm: why for c in candidates if (why := lacking(c.settings.optimizer.target) or blocked_by(c.settings))}
    ready = [candidate for candidate in candidates if candidate.arm not in blocked]
    if len(candidates) < 2:
        raise SettingsError(f"a race takes two methods or more, and this is {candidates[0].arm} alone; add more to optimizer=")
    if len(ready) < 2:
        reason, fix = next(iter(blocked.values()))
        help_ = f"; make it ready with: {fix}" if fix else ""
        raise CellsFailed(f"a race takes two methods, and {len(blocked)} of {len(candidates)} are blocked: {reason}{help_}")
    add_to_plan(study, [candidate.cells[0] for candidate in candidates])
    write_race(study, race)
    for candidate in candidates:
        if candidate.arm in blocked:
            block(study, candidate.cells[:1], blocked[candidate.arm])
    return ready


def calls_ahead(ready: Sequence[Candidate], study: Path) -> Iterator[str]:
    """Yield a line for each LLM that many calls may go to."""
    todo = [(c, [cell for cell in c.cells if not is_done(study, cell)]) for c in ready if c.settings.asking]
    yield from forecast(todo, {}, {id(candidate): study for candidate, _ in todo})
