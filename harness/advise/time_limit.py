"""End a block after so many seconds, in the middle of a training too, with nothing lost but that training."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

# A training may use SIGALRM for itself; this one says what it means, and the harness records what its handler raises (see `signals.py`).
SIGNAL = signal.SIGXCPU


class TimeIsUp(BaseException):
    """Raised by the signal of a time limit. It is no Exception, so that no training takes it for a failure of its own."""


@contextlib.contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeIsUp in the block after so many seconds; None: never. Only in the main thread."""
    if seconds is None:
        yield
        return
    signal.signal(SIGNAL, _raise)
    timer = threading.Timer(max(seconds, 0.0), os.kill, (os.getpid(), SIGNAL))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # Not the handler before: a signal that is on its way would end the process without a word.
        signal.signal(SIGNAL, signal.SIG_IGN)


def _raise(*_: object) -> None:
    raise TimeIsUp
