"""A foreign program in a process group of its own: its output while it runs, and the end of all that it started."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

POLL_SECONDS = 0.05
# A longer line is taken in pieces.
LONGEST_LINE = 65536
# What is still read of the output after the program's end.
MOST_AFTER_END = 1 << 20
# How long a process may be without an environment while it is being started; by how much the clocks of process and trial may differ.
EXEC_SECONDS, CLOCK_SECONDS = 0.5, 1.0
# Every process that a trial starts inherits this variable, so that one in a session of its own is found too.
MARK = "HARNESS_TRIAL_PROCESS"
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINE_END = re.compile(rb"[\r\n]+")


class Program:
    """A running program. Leaving the `with` block kills its process group, and every other process that it started.

    Nothing comes from standard input; standard error goes where standard output goes. Raises OSError when it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._mark, self._began = uuid.uuid4().hex, time.time()
        # A Python program would keep its lines until some kilobytes are there.
        environment = {"PYTHONUNBUFFERED": "1", **os.environ, MARK: self._mark}
        self._process = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def status(self) -> int | None:
        """The exit status, the negative number of the signal that ended the program, or None while it runs."""
        return self._process.poll()

    def output(self) -> Iterator[bytes]:
        """Yield what the program writes until it ends, and nothing (b"") every POLL_SECONDS while it writes nothing."""
        assert self._process.stdout is not None
        descriptor, after_end = self._process.stdout.fileno(), 0
        with selectors.DefaultSelector() as ready:
            ready.register(descriptor, selectors.EVENT_READ)
            while after_end < MOST_AFTER_END:
                ended = self.status is not None
                if ended and not after_end:
                    self._end()  # what it leaves behind could write without end
                if ready.select(0 if ended else POLL_SECONDS):
                    if chunk := os.read(descriptor, LONGEST_LINE):
                        after_end += len(chunk) if ended else 0
                        yield chunk
                        continue
                    ready.unregister(descriptor)
                    break
                if ended:
                    return
                yield b""
        while self.status is None:  # it closed its output and goes on
            yield b""
            time.sleep(POLL_SECONDS)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _kill_marked(self._mark, self._began)


def _kill_marked(mark: str, began: float) -> None:
    """Kill the processes of a trial that left its process group, as workers of `torchrun` do."""
    import psutil  # noqa: PLC0415 - 20 ms

    unknown, deadline = list(psutil.process_iter()), time.monotonic() + EXEC_SECONDS
    while unknown:
        unknown = [process for process in unknown if not _killed_or_foreign(process, mark, began)]
        if time.monotonic() >= deadline:
            return
        time.sleep(POLL_SECONDS if unknown else 0.0)


def _killed_or_foreign(process: psutil.Process, mark: str, began: float) -> bool:
    """Kill a process that has the mark. Return False for one that may have it: younger than the trial, and without an environment yet."""
    import psutil  # noqa: PLC0415 - as above

    with contextlib.suppress(psutil.Error, OSError):
        environ = process.environ()
        if environ.get(MARK) == mark:
            process.kill()
        # While a process is being started it has none for a moment; one that has ended has none either.
        return bool(environ) or process.create_time() < began - CLOCK_SECONDS or process.status() == psutil.STATUS_ZOMBIE
    return True


class LineSplitter:
    """Splits bytes into lines of text, without colours. A carriage return ends a line too, as progress bars write it."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, chunk: bytes) -> Iterator[str]:
        """Yield the lines that end in `chunk`."""
        *whole, self._rest = _LINE_END.split(self._rest + chunk)
        if len(self._rest) > LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        return map(_text, whole)

    def last(self) -> Iterator[str]:
        """Yield the last line, where no line end follows it."""
        rest, self._rest = self._rest, b""
        return iter([_text(rest)] if rest else [])


def _text(line: bytes) -> str:
    return _COLOURS.sub("", line.decode(errors="replace"))
