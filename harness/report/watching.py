"""`--watch`: build the page of a study again and again while it runs, and the whole report when every planned cell is done."""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from harness.console import duration
from harness.errors import HarnessError, RecordError
from harness.report.analysis.options import Options, with_overrides
from harness.report.analysis.trial_table import trial_rows, trial_table
from harness.report.assemble import build_report
from harness.report.command import default_out, produce
from harness.report.compute import find
from harness.report.growth import Growth, Look
from harness.report.render.escape import clean
from harness.report.render.write import PAGE, end_refresh, write_report
from harness.report.sections.expectations import read_expectations
from harness.report.sources.records import read_study
from harness.store.plan import PLAN, find_study

# How long to wait for a study whose command was started just now.
PLAN_SECONDS = 60.0
# Unless the command line says how long: so long after a page at least, and so many times as long as it took.
PAUSE_SECONDS = 30.0
BUILDS_PER_PAUSE = 5.0
POLL_SECONDS = 1.0
# Looks at very many cells must not take the time of the trainings beside them.
POLL_PER_LOOK = 50.0


def watch_study(given: argparse.Namespace, seconds: float | None) -> int:
    """Build the page whenever records were written, and return the exit status of the last report. Raises HarnessError.

    `seconds` is the least time between two pages. The first page may raise, and the last one; what is wrong with one in between is
    printed, since the next records may mend it.
    """
    with_overrides(Options(), given.overrides)
    if given.check:
        read_expectations(given.check)  # the last page is judged by it; a mistake in it is told now
    folder = wait_for_plan(given.study)
    out = given.out or default_out(folder, given.source, folder.resolve().name)
    watcher = Watcher(folder, out, given, seconds)
    try:
        watcher.follow()
    finally:
        end_refresh(out)
    print()
    return produce(folder, given)


def wait_for_plan(name: str) -> Path:
    """Return the folder of a study once it has a plan. Raises RecordError when there is none after `PLAN_SECONDS`."""
    until, told = time.monotonic() + PLAN_SECONDS, False
    while True:
        try:
            return _planned(name)
        except RecordError as error:
            if time.monotonic() >= until:
                raise
            if not told:
                print(f"report: {error}; waiting for it for {duration(PLAN_SECONDS)}", file=sys.stderr, flush=True)
                told = True
        time.sleep(min(POLL_SECONDS, PLAN_SECONDS))


def _planned(name: str) -> Path:
    folder = find_study(name)
    if folder is None or not Growth(folder).look().planned:
        raise RecordError(f"{name}: no study there ({PLAN} is missing, or plans no cell)")
    return folder


@dataclass
class Watcher:
    """Follows one study. `look` is what the last page was built from, `at_rest_since` when the study was seen to change no more."""

    folder: Path
    out: Path
    given: argparse.Namespace
    seconds: float | None
    look: Look | None = None
    build_seconds: float = 0.0
    ready_at: float = 0.0
    changed_at: float = field(default_factory=time.monotonic)

    @property
    def pause(self) -> float:
        """Seconds from a page to the next one."""
        return self.seconds or max(PAUSE_SECONDS, BUILDS_PER_PAUSE * self.build_seconds)

    def follow(self) -> None:
        """Build pages until the study is over: every cell is done, or no cell that is left changes any more."""
        growth, mark = Growth(self.folder), 0
        print(f"Watching {clean(str(self.folder))}; the page is {clean(str(self.out / PAGE))}. Ctrl-C ends this.", flush=True)
        while True:
            began = time.monotonic()
            look = growth.look()
            look_seconds = time.monotonic() - began
            if look.mark != mark:
                mark, self.changed_at = look.mark, began
            if look.is_complete or (look.is_at_rest and self.look == look and began - self.changed_at >= self.pause):
                return
            if began >= self.ready_at and (self.look is None or self.look.mark != mark):
                self.build(look)
            time.sleep(max(min(POLL_SECONDS, self.pause), POLL_PER_LOOK * look_seconds))

    def build(self, look: Look) -> None:
        """Build the page of what is there, and say so in one line. Raises HarnessError for the first page."""
        began = time.monotonic()
        try:
            self._write(look)
        except HarnessError as error:
            if self.look is None:
                raise
            print(f"{_clock()}  {look}; no new page: {clean(str(error))}", flush=True)
        else:
            self.build_seconds = time.monotonic() - began
            print(f"{_clock()}  {look}; page built in {self.build_seconds:.1f} s", flush=True)
        self.look, self.ready_at = look, time.monotonic() + self.pause

    def _write(self, look: Look) -> None:
        study = read_study(self.folder)
        report = build_report(find(study, with_overrides(Options(), self.given.overrides)), self.given.cell)
        built = ("Built", f"{datetime.now():%Y-%m-%d %H:%M:%S}, with {look}")
        report = replace(report, facts=(built, *report.facts))
        write_report(report, self.out, trial_table(tuple(trial_rows(study))), math.ceil(self.pause))


def _clock() -> str:
    return f"{datetime.now():%H:%M:%S}"
