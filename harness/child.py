"""Train in a child process, which is killed when a trial's time is up, and replaced for the next trial."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import signal
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from harness.build import build_task
from harness.errors import HarnessError
from harness.space import Config
from harness.training import checked_epochs, describe, outcome_of
from harness.trial import Epoch, Outcome, Status

# A child must import the task's libraries and load its data before the trial's own clock starts.
START_SECONDS = 120.0


class InChild:
    """Trains in a child process, which is killed when a trial's time is up."""

    def __init__(self, spec: Mapping[str, Any], time_limit_seconds: float) -> None:
        self._spec = dict(spec)
        self._limit = time_limit_seconds
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def train(self, config: Config, *, seed: int) -> Outcome:
        started = time.perf_counter()
        curve: list[Epoch] = []
        try:
            pipe = self._child()
            started = time.perf_counter()
            pipe.send((config, seed))
            error = self._collect(pipe, curve, started + self._limit)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            error = f"the training process died (exit code {self._ended()}); out of memory, or a crash in native code"
        except TimeoutError:
            self.close()
            text = f"not finished after {self._limit:g} s (limits.trial_seconds)"
            return Outcome.failed(Status.TIMEOUT, text, tuple(curve), time.perf_counter() - started)
        return outcome_of(curve, error, time.perf_counter() - started)

    def close(self) -> None:
        """End the child, at once and for certain."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _child(self) -> Connection:
        if self._pipe is not None:
            return self._pipe
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._spec), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(START_SECONDS):
            raise TimeoutError
        ready = self._pipe.recv()
        if isinstance(ready, HarnessError):
            raise ready
        return self._pipe

    def _collect(self, pipe: Connection, curve: list[Epoch], deadline: float) -> str | None:
        while True:
            if not pipe.poll(max(0.0, deadline - time.perf_counter())):
                raise TimeoutError
            message = pipe.recv()
            if not isinstance(message, Epoch):
                return None if message is None else str(message)  # the end, and the error if there was one
            curve.append(message)

    def _ended(self) -> int | None:
        process, code = self._process, None
        if process is not None:
            process.join(5)
            code = process.exitcode
        self.close()
        return code


def _serve(pipe: Connection, spec: Mapping[str, Any]) -> None:
    """Run in the child: build the task once, then train what is asked for until the parent goes away."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
    try:
        task = build_task(spec)
    except HarnessError as error:
        pipe.send(error)
        return
    pipe.send(None)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            config, seed = pipe.recv()
            error_text = None
            try:
                for epoch in checked_epochs(task, config, seed):
                    pipe.send(epoch)
                    if epoch.non_finite():
                        break
            except (EOFError, BrokenPipeError):
                return
            except (Exception, SystemExit) as raised:
                error_text = describe(raised)
            pipe.send(error_text)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
