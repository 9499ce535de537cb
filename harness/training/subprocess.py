"""Train in a child process. It is killed when a trial takes too long or too much memory, and the next trial starts a new one.

The child is a plain `python -c`. A child of `multiprocessing` would run the caller's main script again, could not start inside a joblib
worker, and could not start worker processes for the task.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from typing import ClassVar

from harness.errors import HarnessError, SettingsError
from harness.signals import GROUP_WIDE, poll_until, stop_if_asked, stop_if_asked_soon, stops_noted
from harness.space import Config
from harness.task import TaskSpec
from harness.training.build import build_task
from harness.training.failure import Failure, located
from harness.training.isolation import Isolation
from harness.training.memory import used_mb
from harness.training.trainer import outcome_of, run_epochs
from harness.trial import Epoch, Outcome, Status

# Limit for the start of a child: it imports the task's libraries and loads its data before the trial's clock starts.
START_SECONDS = 120.0
# The longest single wait for the child; operating systems refuse waits of many days.
LONGEST_WAIT_SECONDS = 3600.0
# Interval between two measurements of memory. One core writes at most 2 GB/s, so a training gains at most 0.1 GB in between.
MEMORY_POLL_SECONDS = 0.05
# The child gets its parent's sys.path, so that it finds the same modules.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = sys.argv[3:]; "  # the parent handles Ctrl-C
    "from harness.training.subprocess import serve; serve(int(sys.argv[1]), int(sys.argv[2]))"
)


class InChild:
    """Trains in a child process, which is killed when a trial exceeds its time or memory limit.

    Whatever a training does to the child, even crashing it, becomes an outcome. When the child cannot load the task, `train` raises
    HarnessError, because that says nothing about the configuration.

    `time_limit_seconds`: None for no limit. `memory_limit_mb`: resident memory, in megabytes of 10^6 bytes, of the child and of all
    processes that it started, libraries and data included; Linux only (SettingsError elsewhere). `keep`: close() keeps the idle child for
    the next trainer of the same task, because starting one takes a second; `end_idle` ends it.
    """

    _idle: ClassVar[InChild | None] = None

    def __init__(
        self,
        spec: TaskSpec,
        time_limit_seconds: float | None,
        *,
        memory_limit_mb: float | None = None,
        keep: bool = False,
    ) -> None:
        if memory_limit_mb is not None and not sys.platform.startswith("linux"):
            raise SettingsError("limits.trial_memory_mb: what processes share can be told on Linux only; leave it out here")
        self._spec = spec
        self._limit = math.inf if time_limit_seconds is None else time_limit_seconds
        self._memory_limit_mb = memory_limit_mb
        self._keep = keep
        self._training = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def train(self, config: Config, *, seed: int) -> Outcome:
        stop_if_asked()
        with stops_noted():
            outcome = self._train(config, seed)
            stop_if_asked(failed=not outcome.ok)
        return outcome

    def _train(self, config: Config, seed: int) -> Outcome:
        pipe = self._pipe or self._start()
        started = time.perf_counter()
        curve: list[Epoch] = []
        self._training = True
        try:
            pipe.send((config, seed))
            failure = self._collect(pipe, curve, started + self._limit)
            self._training = False
        except TimeoutError:
            self._kill()
            text = f"not finished after {self._limit:g} s (limits.trial_seconds)"
            return Outcome.failed(Status.TIMEOUT, text, tuple(curve), time.perf_counter() - started)
        except _TooMuchMemory:
            self._kill()
            failure = Failure(f"used more than {self._memory_limit_mb:g} MB of memory (limits.trial_memory_mb)")
        except (EOFError, OSError):
            failure = Failure(f"the training process died ({self._ended()})")
        if failure is not None and self._memory_limit_mb is not None and failure.error.partition(":")[0].endswith("MemoryError"):
            failure = replace(failure, error=f"{failure.error} (limits.trial_memory_mb={self._memory_limit_mb:g})")
        return outcome_of(curve, failure, time.perf_counter() - started, self._spec.objective)

    def start(self) -> int:
        """Start the child, unless it runs already, and return its process id. Raises HarnessError when it cannot load the task."""
        if self._pipe is None:
            self._start()
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """Kill the child, or keep it idle for the next trainer of its task (see `keep`)."""
        if not self._keep or self._training or self._process is None or self._process.poll() is not None:
            self._kill()
        elif InChild._idle is not self:
            end_idle()
            InChild._idle = self

    def _kill(self) -> None:
        # In this order: a child whose pipe is closed begins to end what it started, and would be killed half-way.
        if self._process is not None:
            _kill_with_descendants(self._process)
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        self._training = False

    def _start(self) -> Connection:
        self._kill()
        idle, InChild._idle = InChild._idle, None
        if idle is not None and idle._pipe is not None:
            if self._keep and idle._spec == self._spec and idle._process is not None and idle._process.poll() is None:
                self._process, self._pipe = idle._process, idle._pipe
                return self._pipe
            idle._kill()
        ours, theirs = Pipe()
        self._pipe = ours
        with theirs:
            command = [sys.executable, "-c", _START, str(theirs.fileno()), str(os.getpid()), *map(str, sys.path)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        try:
            ours.send(self._spec)
            problem = ours.recv() if _has_message(ours, START_SECONDS) else f"not ready after {START_SECONDS:g} s"
        except (EOFError, OSError):
            problem = self._ended()
        except BaseException:  # a stop
            self._kill()
            raise
        if problem:
            self._kill()
            raise HarnessError(f"the training process of task '{self._spec.name}' cannot start: {problem}")
        return ours

    def _collect(self, pipe: Connection, curve: list[Epoch], deadline: float) -> Failure | None:
        """Append the epochs that the child sends to `curve`, until it says that it is done. Return how it failed, or None."""
        # The deadline is checked before each epoch too, because a training may yield epochs without end.
        wait = LONGEST_WAIT_SECONDS if self._memory_limit_mb is None else MEMORY_POLL_SECONDS
        measured = time.perf_counter()
        while (left := deadline - (now := time.perf_counter())) > 0:
            if self._memory_limit_mb is not None and now - measured >= MEMORY_POLL_SECONDS:
                measured = now
                self._refuse_too_much(self._memory_limit_mb)
            if _has_message(pipe, min(left, wait)):
                message = pipe.recv()
                if message is None or isinstance(message, Failure):
                    return message
                curve.append(message)
        raise TimeoutError

    def _refuse_too_much(self, limit_mb: float) -> None:
        assert self._process is not None
        if used_mb(self._process.pid, limit_mb) > limit_mb:
            raise _TooMuchMemory

    def _ended(self) -> str:
        """Wait for the child that died, and say how it ended."""
        process = self._process
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        code = process.returncode
        self._kill()
        if code is not None and -code in GROUP_WIDE:  # perhaps a signal to the whole process group, not the training's failure
            stop_if_asked_soon()
        if code is None:
            return "it closed its pipe"
        if code >= 0:
            return f"exit status {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"{name}, out of memory perhaps" if name == "SIGKILL" else f"{name}, a crash in native code perhaps"


class _TooMuchMemory(Exception):
    pass


def _has_message(pipe: Connection, seconds: float) -> bool:
    """Wait for a message, at most so long, and say whether there is one."""
    return bool(poll_until(lambda part: pipe.poll(part) or None, seconds))


def _kill_with_descendants(process: subprocess.Popen[bytes]) -> None:
    import psutil  # noqa: PLC0415 - 20 ms, and only a trial with a limit has a child

    others: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        # Find them before killing their parent; afterwards they cannot be found.
        others = psutil.Process(process.pid).children(recursive=True)
    groups = [other.pid for other in others if _leads_group(other.pid)]
    process.kill()
    for group in groups:
        # What a program in a process group of its own has started may have lost its parent; it is still in that group.
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    for other in others:
        with contextlib.suppress(psutil.Error):
            other.kill()
    process.wait()


def _leads_group(number: int) -> bool:
    try:
        return os.getpgid(number) == number
    except OSError:
        return False


def end_idle() -> None:
    """Kill the idle child that a closed trainer kept, if there is one."""
    idle, InChild._idle = InChild._idle, None
    if idle is not None:
        idle._kill()


def serve(descriptor: int, parent: int) -> None:
    """Run in the child: build the task once, then train each configuration that the parent sends, until the parent closes the pipe."""
    _die_with(parent)
    pipe = Connection(descriptor)
    os.set_inheritable(descriptor, False)
    with contextlib.suppress(EOFError, ConnectionError):  # the parent closed the pipe or died
        spec = pipe.recv()
        isolation = Isolation()
        try:
            with isolation.building():
                task = build_task(spec)
        # The boundary to foreign code: the parent raises a HarnessError with this text.
        except Exception as error:
            pipe.send(str(error) if isinstance(error, HarnessError) else located(error))
            return
        pipe.send(None)
        while True:
            config, seed = pipe.recv()
            with isolation.training(seed):
                ended = run_epochs(task, config, seed, pipe.send, spec.objective)
            pipe.send(ended)


def _die_with(parent: int) -> None:
    """Make the operating system kill this process when its parent ends, for whatever reason."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # the parent had ended before the call above
        os._exit(0)
