"""Train what is missing of a table, in child processes side by side.

A thread a worker drives its own child (`child.py`), so that a training that crashes the process is an entry like any other, and the
children end with this process however that ends.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from harness.signals import Interrupted
from harness.space import Config
from harness.tabular.journal import Entry
from harness.task import TaskSpec
from harness.training.subprocess import InChild

Job: TypeAlias = tuple[int, Config, int]
NAP_SECONDS = 0.2


def train_all(spec: TaskSpec, jobs: Sequence[Job], workers: int, done: Callable[[Entry], None]) -> None:
    """Train each (number, configuration, seed) of `jobs` once, and hand each entry to `done`, in this thread.

    `spec` is a task's settings, as `build_task` takes them. Raises what `done` raises, and HarnessError when a child cannot load the
    task; the other trainings are broken off then.
    """
    waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    for job in (*jobs, *[None] * workers):
        waiting.put(job)
    results: queue.SimpleQueue[Entry | Exception | None] = queue.SimpleQueue()
    crew = [Worker(spec, waiting, results) for _ in range(min(workers, len(jobs)))]
    for worker in crew:
        worker.start()
    try:
        running = len(crew)
        while running:
            # Only a wait that ends now and then lets Ctrl-C in.
            with contextlib.suppress(queue.Empty):
                found = results.get(timeout=NAP_SECONDS)
                if isinstance(found, Exception):
                    raise found
                if found is None:
                    running -= 1
                else:
                    done(found)
    finally:
        _stop(crew)


def _stop(crew: Iterable[Worker]) -> None:
    for worker in crew:
        worker.stop()
    for worker in crew:
        worker.join()


class Worker(threading.Thread):
    """Takes jobs until it is told to stop, and drives one child with them."""

    def __init__(
        self,
        spec: TaskSpec,
        waiting: queue.SimpleQueue[Job | None],
        results: queue.SimpleQueue[Entry | Exception | None],
    ) -> None:
        super().__init__(daemon=True)
        self._child = InChild(spec, math.inf)
        self._waiting, self._results = waiting, results
        self._pid: int | None = None
        self._stopped = False

    def run(self) -> None:
        try:
            while (job := self._waiting.get()) is not None and not self._stopped:
                entry = self._train(*job)
                # A child that was killed to stop looks like a training that crashed.
                if not self._stopped:
                    self._results.put(entry)
        except (KeyboardInterrupt, Interrupted):
            pass  # what stops this process stops its main thread too
        # Whatever it is, the main thread must hear of it, or it would wait for ever.
        except Exception as error:
            self._results.put(error)
        finally:
            self._child.close()
            self._results.put(None)

    def _train(self, number: int, config: Config, seed: int) -> Entry:
        self._pid = self._child.start()
        before = processor_seconds(self._pid)
        outcome = self._child.train(config, seed=seed)
        used = processor_seconds(self._pid)
        # A child that died with its training has no clock any more.
        cpu = used - before if before is not None and used is not None else outcome.seconds
        return Entry(number, seed, outcome, cpu)

    def stop(self) -> None:
        """Kill the child, and take no more jobs."""
        self._stopped = True
        if self._pid is not None and self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def processor_seconds(pid: int) -> float | None:
    """Return the processor time that another process has used; None when it is gone, and where the system does not say."""
    if sys.platform != "linux":
        return None
    try:
        # Linux numbers the clock of a process so: see clock_getcpuclockid(3) and include/linux/posix-timers.h.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
