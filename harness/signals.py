"""Record each signal that asks the process to stop, so that a stop is never taken for a failed training or method.

Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt at whatever line the program runs. A launcher or a test runner uses more signals
(SIGUSR2 shortly before a time limit, SIGALRM for a test that takes too long), and its handlers raise exceptions of its own.

Such an exception may be raised in the middle of a training. The training's code may catch it, or turn it into another error. So this
module records every such signal, and the harness calls `stop_if_asked` before it treats an error as the training's or the method's.

Python runs signal handlers in the main thread only. Any other thread must ask by itself: what waits there waits through `poll_until` or
`pause`, which call `stop_if_asked` several times a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# Signals by which launchers and test runners end a program. A training that uses one for itself sets its handler while it trains.
_FOREIGN = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGALRM)
_RECORDED = tuple(map(int, (*_STATUS, *_FOREIGN)))
# Signals that are often sent to a whole process group, so that a child may die before its parent receives the signal.
GROUP_WIDE = frozenset({*_STATUS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU})
# A signal to a whole group reaches all its processes within this time, also on a busy machine.
GROUP_SECONDS = 1.0
_POLL_SECONDS = 0.02
# How often a waiting thread that is not the main one asks whether it must stop.
THREAD_POLL_SECONDS = 0.2

T = TypeVar("T")
Handler = Callable[[int, FrameType | None], object]
# `_signal.getsignal`, because `signal.getsignal` converts its result to an enumeration, which takes a microsecond.
_handler: Callable[[int], object] = sys.modules["_signal"].getsignal
_asked: list[int] = []  # signals that ask this process to stop
_raised: list[BaseException] = []  # exceptions raised by handlers of other programs
_passed: list[int] = []  # signals whose handler did not raise
_handled = 0  # how many signals the handlers below have received
_depth = 0
_threads_must_end = threading.Event()  # set while the main thread waits for the others to end early


class Interrupted(BaseException):
    """A signal handler of another program raised an exception, which is the `__cause__`.

    It is not an Exception, so that no `except Exception` takes it for a failure.
    """


def handle_stop_signals() -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt from now on, and forget earlier signals. Only in the main thread.

    A signal that is ignored (SIGHUP under nohup) stays ignored, and a launcher's own handler stays.
    """
    for noted in (_asked, _raised, _passed):
        noted.clear()
    if not in_main_thread():
        return
    for number in _STATUS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def ignore_stop_signals() -> None:
    """Ignore these signals from now on. Call it when all work is done, because Python prints errors for signals during its shutdown."""
    for number in _STATUS:
        signal.signal(number, signal.SIG_IGN)


def stop_status() -> int | None:
    """Return the exit status of a command that was asked to stop, None when it was not."""
    return _STATUS[signal.Signals(_asked[0])] if _asked else None


def stop_if_asked(*, failed: bool = False) -> None:
    """Raise an exception when a signal has asked this process to stop; else do nothing.

    Raises KeyboardInterrupt, or what a launcher's handler raised; an ordinary exception of a handler becomes the cause of Interrupted.
    `failed` says that the current work failed. Then a signal whose handler did not raise counts too, because it may have ended other
    processes. A thread that is not the main one gets KeyboardInterrupt for every kind of stop, also inside `ending_threads`.
    """
    if not in_main_thread() and (_raised or _asked or _threads_must_end.is_set()):
        raise KeyboardInterrupt
    if _raised:
        error = _raised[0]
        if isinstance(error, Exception):
            raise Interrupted(str(error)) from error
        raise error
    if _asked:
        raise KeyboardInterrupt
    if failed and _passed:
        raise Interrupted(f"{signal.Signals(_passed[0]).name} arrived, and what was going on failed")


def stop_if_asked_soon() -> None:
    """Call `stop_if_asked(failed=True)` until a signal to the whole process group has had the time to arrive here too."""
    deadline = time.monotonic() + GROUP_SECONDS
    while time.monotonic() < deadline:
        stop_if_asked(failed=True)
        time.sleep(_POLL_SECONDS)
    stop_if_asked(failed=True)


def in_main_thread() -> bool:
    """Say whether the caller runs in the thread that gets the signals."""
    return threading.current_thread() is threading.main_thread()


def poll_until(wait: Callable[[float], T | None], seconds: float) -> T | None:
    """Return what `wait(seconds)` returns: None when nothing came in this time. `wait` is a blocking call with a timeout.

    A signal ends a blocking call in the main thread only. In another thread, `wait` is called for short times, and `stop_if_asked`
    between them.
    """
    if in_main_thread():
        return wait(min(seconds, threading.TIMEOUT_MAX))
    deadline = time.monotonic() + seconds
    while True:
        stop_if_asked()
        left = max(0.0, deadline - time.monotonic())
        found = wait(min(left, THREAD_POLL_SECONDS))
        if found is not None or left <= THREAD_POLL_SECONDS:
            return found


def pause(seconds: float) -> None:
    """Sleep, and end early when the process is asked to stop."""
    if in_main_thread():
        time.sleep(seconds)
    else:
        poll_until(time.sleep, seconds)


@contextlib.contextmanager
def ending_threads() -> Iterator[None]:
    """Make `stop_if_asked` raise KeyboardInterrupt in every other thread during the block, in which the main thread waits for their end."""
    _threads_must_end.set()
    try:
        yield
    finally:
        _threads_must_end.clear()


@contextlib.contextmanager
def stops_noted() -> Iterator[None]:
    """Record what signal handlers raise while foreign code runs in the block, and raise it again at the end of the block.

    It records the handlers that are set at the start of the block. Handlers that foreign code sets in the block are its own. But Ctrl-C,
    SIGTERM and SIGHUP come from outside: they stop this process even when foreign code handles them. Only in the main thread.
    """
    if not in_main_thread():
        yield
        return
    global _depth
    _passed.clear()
    wrapped, pipe = _wrap_handlers(), _get_signal_pipe()
    before = pipe.begin()
    _depth += 1
    try:
        try:
            yield
        finally:
            pipe.end(before)
        stop_if_asked()
    except Exception:
        stop_if_asked()
        raise
    finally:
        _depth -= 1
        for number, recording in wrapped.items():
            if _handler(number) is recording:
                signal.signal(number, recording.handler)
        if not _depth:
            _raised.clear()


class _RecordingHandler:
    """A wrapper around a handler of another program, which records whether it raised."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        global _handled
        _handled += 1
        try:
            self.handler(number, frame)
        except BaseException as error:
            _raised.append(error)
            raise
        if number in GROUP_WIDE:
            _passed.append(number)


def _wrap_handlers() -> dict[int, _RecordingHandler]:
    wrapped = {}
    for number in _RECORDED:
        handler = _handler(number)
        if callable(handler) and handler is not _stop and not isinstance(handler, _RecordingHandler):
            wrapped[number] = recording = _RecordingHandler(handler)
            signal.signal(number, recording)
    return wrapped


class _SignalPipe:
    """Receives the number of every signal, whichever handler is set, through `signal.set_wakeup_fd`."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._handled = _handled

    def begin(self) -> int:
        """Start receiving. Return the former wake-up descriptor, for `end`."""
        before = signal.set_wakeup_fd(-1)
        if before not in (-1, self._write):  # the descriptor of an event loop, which handles signals itself
            signal.set_wakeup_fd(before)
            return before
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        if self._handled != _handled:
            self._drain()
        return before

    def end(self, before: int) -> None:
        """Stop receiving. Record a signal that ends programs, when no handler of this module has received it since `begin`."""
        if before != self._write:
            signal.set_wakeup_fd(before)
        handled, self._handled = self._handled, _handled
        came = [number for number in self._drain() if number in _STATUS]
        if came and handled == _handled:
            _asked.append(came[0])

    def _drain(self) -> bytes:
        self._handled = _handled
        try:
            return os.read(self._read, 4096)
        except BlockingIOError:
            return b""


_signal_pipe: _SignalPipe | None = None


def _get_signal_pipe() -> _SignalPipe:
    global _signal_pipe
    if _signal_pipe is None:
        _signal_pipe = _SignalPipe()
        os.register_at_fork(before=_block_signals, after_in_parent=_unblock_signals, after_in_child=_reset_in_fork)
    return _signal_pipe


_blocked: list[set[int]] = []


def _block_signals() -> None:
    """Before a fork: block signals until `_reset_in_fork` has run in the new process."""
    _blocked.append({int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, _STATUS)})


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _blocked.pop())


def _reset_in_fork() -> None:
    """In a process that foreign code forked: restore the default handlers, so that a signal ends it as it would without the harness."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)
        for number in _STATUS:
            if signal.getsignal(number) is _stop:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _unblock_signals()


def _stop(number: int, _: object) -> None:
    global _handled
    _handled += 1
    _asked.append(number)
    raise KeyboardInterrupt
