"""Ctrl-C and SIGTERM, kept in mind.

Both raise KeyboardInterrupt where the program just is. That may be in the middle of somebody else's clean-up, from which it comes out as
that one's own error, or not at all: so it is also noted here, and whoever would take such an error for a training's or a method's asks.
"""

from __future__ import annotations

import signal
import threading

_STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
_asked: list[int] = []


def heed_signals() -> None:
    """From now on, have Ctrl-C and SIGTERM stop this process in order; what came before is forgotten. Only in the main thread."""
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as nohup leaves it
        signal.signal(signal.SIGINT, _stop)


def ignore_signals() -> None:
    """From now on, let Ctrl-C and SIGTERM be: all is done, and what Python does at its end would complain about them."""
    for number in _STATUS:
        signal.signal(number, signal.SIG_IGN)


def stop_status() -> int | None:
    """Return the exit status of a command that was asked to stop, None when it was not."""
    return _STATUS[signal.Signals(_asked[0])] if _asked else None


def stop_if_asked() -> None:
    """Raise KeyboardInterrupt when the process was asked to stop, and something swallowed it."""
    if _asked:
        raise KeyboardInterrupt


def _stop(number: int, _: object) -> None:
    _asked.append(number)
    raise KeyboardInterrupt
