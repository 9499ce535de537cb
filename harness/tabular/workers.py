"""Train the missing entries of a table in several child processes.

Each worker is a thread with its own child process (`training/subprocess.py`). So a training that crashes its process is an entry like any
other, and the children end when this process ends.
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
POLL_SECONDS = 0.2


def train_all(spec: TaskSpec, jobs: Sequence[Job], workers: int, done: Callable[[Entry], None]) -> None:
    """Train each (number, configuration, seed) of `jobs` once, and call `done` with each entry, in this thread.

    Raises what `done` raises, and HarnessError when a child cannot load the task. In both cases the other trainings are stopped.
    """
    waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    for job in (*jobs, *[None] * workers):
        waiting.put(job)
    results: queue.SimpleQueue[Entry | Exception | None] = queue.SimpleQueue()
    running_workers = [Worker(spec, waiting, results) for _ in range(min(workers, len(jobs)))]
    for worker in running_workers:
        worker.start()
    try:
        running = len(running_workers)
        while running:
            # With a timeout, because Ctrl-C is handled only between two waits.
            with contextlib.suppress(queue.Empty):
                found = results.get(timeout=POLL_SECONDS)
                if isinstance(found, Exception):
                    raise found
                if found is None:
                    running -= 1
                else:
                    done(found)
    finally:
        _stop(running_workers)


def _stop(running_workers: Iterable[Worker]) -> None:
    for worker in running_workers:
        worker.stop()
    for worker in running_workers:
        worker.join()


class Worker(threading.Thread):
    """A thread that takes jobs until `stop` is called, and trains them in its child process."""

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
                # After `stop` has killed the child, its last training looks like a crash.
                if not self._stopped:
                    self._results.put(entry)
        except (KeyboardInterrupt, Interrupted):
            pass  # the main thread receives the stop as well
        # The main thread must get any error, or it would wait for ever.
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
        # The processor time of a child that died is unknown.
        cpu = used - before if before is not None and used is not None else outcome.seconds
        return Entry(number, seed, outcome, cpu)

    def stop(self) -> None:
        """Kill the child, and take no more jobs."""
        self._stopped = True
        if self._pid is not None and self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def processor_seconds(pid: int) -> float | None:
    """Return the processor time in seconds that another process has used; None when it has ended or the system does not say."""
    if sys.platform != "linux":
        return None
    try:
        # The clock id of a process on Linux: see clock_getcpuclockid(3) and include/linux/posix-timers.h.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None
