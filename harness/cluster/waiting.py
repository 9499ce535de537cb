"""Wait for jobs of submitit, each by itself: one that ends without a result must not cost the results of the others."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cluster import slurm
from harness.console import say_once
from harness.errors import shown
from harness.run.study import Result

LOOK_SECONDS = 0.5
# SLURM is asked at first after this time, and then more and more rarely.
FIRST_ASK_SECONDS, LONGEST_ASK_SECONDS = 2.0, 30.0
# A result may become visible on this machine so much later than SLURM knows that its job has ended.
RESULT_SECONDS = 15.0
# SLURM's controller may be restarted meanwhile.
SILENCE_SECONDS = 600.0


@dataclass
class Lost:
    """A job that ended without a result: its state (`` where nobody knows it), and the log that it left."""

    job: str
    state: str
    log: Path


@dataclass
class Waiting:
    """The jobs that have not ended. `ended_at` holds when it was first seen that a job without a result has ended."""

    jobs: dict[str, Any]
    ended_at: dict[str, tuple[float, str]] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    answered_at: float = field(default_factory=time.monotonic)

    def take_results(self) -> None:
        """Take the results that are on the disk."""
        for job in [name for name, job in self.jobs.items() if is_there(job.paths.result_pickle)]:
            self.results.append(result_of(self.jobs.pop(job)))
            self.ended_at.pop(job, None)

    def take_ended(self, ended: Mapping[str, str] | None) -> None:
        """Give up the jobs that have ended for a while without a result; all, when nobody has said anything for very long."""
        now = time.monotonic()
        if ended is None:
            if now - self.answered_at > SILENCE_SECONDS:
                self._lose((name, "SILENT") for name in list(self.jobs))
            return
        self.answered_at = now
        for job in [name for name in self.ended_at if name not in ended]:  # queued again
            del self.ended_at[job]
        for job, state in ended.items():
            since, _ = self.ended_at.setdefault(job, (now, state))
            patience = 1.0 if state in slurm.BROKEN else RESULT_SECONDS
            if now - since >= patience:
                self._lose([(job, state)])

    def _lose(self, ended: Iterable[tuple[str, str]]) -> None:
        self.take_results()
        for name, state in ended:
            if name in self.jobs:
                self.lost.append(Lost(name, state, Path(self.jobs.pop(name).paths.stderr)))


def wait(jobs: Sequence[Any], *, on_slurm: bool) -> tuple[list[Result], list[Lost]]:
    """Wait until every job has given its result, or has ended without one."""
    waiting = Waiting({job.job_id: job for job in jobs})
    ask_seconds, asked_at = FIRST_ASK_SECONDS, time.monotonic()
    while True:
        waiting.take_results()
        if not waiting.jobs:
            return waiting.results, waiting.lost
        if time.monotonic() - asked_at >= (FIRST_ASK_SECONDS if waiting.ended_at else ask_seconds):
            waiting.take_ended(slurm_ended(waiting.jobs) if on_slurm else local_ended(waiting.jobs))
            ask_seconds, asked_at = min(LONGEST_ASK_SECONDS, 1.5 * ask_seconds), time.monotonic()
        time.sleep(LOOK_SECONDS)


def slurm_ended(jobs: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the jobs that SLURM says have ended, with their states; None when it does not answer. Tell why it holds jobs back."""
    found = slurm.states(jobs)
    if found is None:
        return None
    for reason in {state.reason for job, state in found.items() if job in jobs and state.is_held}:
        text = shown(reason.strip("()"))
        say_once(f"SLURM holds jobs back ({text}): they start when that changes; Ctrl-C cancels them")
    return slurm.ended(list(jobs), found)


def local_ended(jobs: Mapping[str, Any]) -> dict[str, str]:
    """Return the jobs whose process on this machine has ended."""
    found = {name: str(job.get_info()["jobState"]) for name, job in jobs.items()}
    return {name: "FAILED" if state == "INTERRUPTED" else state for name, state in found.items() if state != "RUNNING"}


def is_there(path: Path) -> bool:
    """Say whether a file exists; listing the folder makes a network file system look anew."""
    with contextlib.suppress(OSError):
        return path.name in os.listdir(path.parent)  # noqa: PTH208 - names, not paths
    return False


def result_of(job: Any) -> Result:
    """Return the result of a job that has one. An error in the job is a line of the result."""
    try:
        result: Result = job.results()[0].return_value
    except Exception as error:
        # A job catches what its cells raise: what comes here is a broken installation, or a time limit that submitit noticed.
        lines = [
            line.strip() for line in str(error).splitlines() if line.strip(" -") and not line.startswith(("You can check", "  - "))
        ]
        return Result(
            stopped=(f"job {job.job_id}: {shown(lines[-1] if lines else type(error).__name__)} (its log: {job.paths.stderr})",)
        )
    return result
