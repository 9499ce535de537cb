"""What asks a process to stop, kept in mind, so that a stop never passes for what a training or a method did.

Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt where the program just is. A launcher or a test runner has signals of its own
(SIGUSR2 shortly before a time limit, SIGALRM for a test that takes too long), whose handlers raise what they like. Each of these may
be raised in the middle of a training, and come out of it as an ordinary error, or not at all: so it is also noted here, and whoever
would take an error for a training's or a method's asks first.
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
from typing import Any

_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# With what launchers and test runners end a program. A training that has a use of its own for one sets its handler while it trains.
_FOREIGN = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGALRM)
_NOTED = tuple(map(int, (*_STATUS, *_FOREIGN)))
# With what a whole process group is ended, so that a child may die of it before its parent hears of it.
GROUP_WIDE = frozenset({*_STATUS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU})
# A signal to a whole group reaches its processes within that time of each other, also on a busy machine.
GROUP_SECONDS = 1.0
_POLL_SECONDS = 0.02

Handler = Callable[[int, FrameType | None], Any]
# The function behind signal.getsignal, which makes an enumeration of what this returns, a microsecond each.
_handler: Callable[[int], Any] = sys.modules["_signal"].getsignal
_asked: list[int] = []  # signals that stop this process
_raised: list[BaseException] = []  # what others' handlers raised
_passed: list[int] = []  # signals whose handler let the program go on
_heard = 0  # how many signals came to one of the handlers below
_depth = 0


class Interrupted(BaseException):
    """Somebody else's signal handler ended what was going on; what it raised is the `__cause__`.

    Not an Exception, so that nothing on its way takes it for a failure of its own.
    """


def heed_signals() -> None:
    """From now on, have Ctrl-C, SIGTERM and SIGHUP stop this process in order; what came before is forgotten. Only in the main thread.

    A signal that is ignored (SIGHUP under nohup) stays so, and a launcher's own handler stays in its place.
    """
    for noted in (_asked, _raised, _passed):
        noted.clear()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _STATUS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def ignore_signals() -> None:
    """From now on, let those signals be: all is done, and what Python does at its end would complain about them."""
    for number in _STATUS:
        signal.signal(number, signal.SIG_IGN)


def stop_status() -> int | None:
    """Return the exit status of a command that was asked to stop, None when it was not."""
    return _STATUS[signal.Signals(_asked[0])] if _asked else None


def stop_if_asked(*, failed: bool = False) -> None:
    """Raise what asked this process to stop, when something swallowed it or made it an error of its own.

    That is KeyboardInterrupt, or what a launcher's handler raised (an ordinary exception as the cause of Interrupted). `failed`: what
    was going on came to no good end. Then a signal that its handler let pass counts too, for it may have ended other processes.
    """
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
    """Do as `stop_if_asked` for what failed, once a signal that was sent to all processes had the time to arrive here too."""
    deadline = time.monotonic() + GROUP_SECONDS
    while time.monotonic() < deadline:
        stop_if_asked(failed=True)
        time.sleep(_POLL_SECONDS)
    stop_if_asked(failed=True)


@contextlib.contextmanager
def stops_noted() -> Iterator[None]:
    """Note what signal handlers raise while foreign code runs; at the end of the block, raise it, whatever came of it meanwhile.

    The handlers that are there at the beginning are noted when they raise. Those that foreign code sets meanwhile are its own, but for
    Ctrl-C, SIGTERM and SIGHUP: these come from outside, and stop this process whatever the handler does. Only in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _depth
    _passed.clear()
    wrapped, arrivals = _wrap_handlers(), _noted_arrivals()
    before = arrivals.begin()
    _depth += 1
    try:
        try:
            yield
        finally:
            arrivals.end(before)
        stop_if_asked()
    except Exception:
        stop_if_asked()
        raise
    finally:
        _depth -= 1
        for number, noting in wrapped.items():
            if _handler(number) is noting:
                signal.signal(number, noting.handler)
        if not _depth:
            _raised.clear()


class _Noting:
    """Somebody else's handler, and a note of what it does."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        global _heard
        _heard += 1
        try:
            self.handler(number, frame)
        except BaseException as error:
            _raised.append(error)
            raise
        if number in GROUP_WIDE:
            _passed.append(number)


def _wrap_handlers() -> dict[int, _Noting]:
    wrapped = {}
    for number in _NOTED:
        handler = _handler(number)
        if callable(handler) and handler is not _stop and not isinstance(handler, _Noting):
            wrapped[number] = noting = _Noting(handler)
            signal.signal(number, noting)
    return wrapped


class _Arrivals:
    """The numbers of signals as the system delivers them, whatever handler there is, through Python's own wake-up descriptor."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._heard = _heard

    def begin(self) -> int:
        """Have them written down from now on. Return the descriptor that was there before, for `end`."""
        before = signal.set_wakeup_fd(-1)
        if before not in (-1, self._write):  # an event loop's, whose program does what is to be done about signals
            signal.set_wakeup_fd(before)
            return before
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        if self._heard != _heard:
            self._take()
        return before

    def end(self, before: int) -> None:
        """Note one that ends programs and came to none of the handlers of this module since `begin`."""
        if before != self._write:
            signal.set_wakeup_fd(before)
        heard, self._heard = self._heard, _heard
        came = [number for number in self._take() if number in _STATUS]
        if came and heard == _heard:
            _asked.append(came[0])

    def _take(self) -> bytes:
        self._heard = _heard
        try:
            return os.read(self._read, 4096)
        except BlockingIOError:
            return b""


_arrivals: _Arrivals | None = None


def _noted_arrivals() -> _Arrivals:
    global _arrivals
    if _arrivals is None:
        _arrivals = _Arrivals()
        os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_come, after_in_child=_forget_in_fork)
    return _arrivals


_blocked: list[set[int]] = []


def _hold_signals() -> None:
    """Before a fork: a signal that comes to the new process at once must find it as `_forget_in_fork` leaves it."""
    _blocked.append({int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, _STATUS)})


def _let_signals_come() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _blocked.pop())


def _forget_in_fork() -> None:
    """In a process that foreign code forks: a signal to it is its own, and ends it as it would without the harness."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)
        for number in _STATUS:
            if signal.getsignal(number) is _stop:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _let_signals_come()


def _stop(number: int, _: object) -> None:
    global _heard
    _heard += 1
    _asked.append(number)
    raise KeyboardInterrupt
