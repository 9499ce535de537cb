"""Messages to the user on standard error, one line each."""

from __future__ import annotations

import contextlib
import sys
import threading

from harness.errors import shown


def say(text: str) -> None:
    """Print one line for the user on standard error."""
    with contextlib.suppress(OSError):  # the reader has ended (`2>&1 | head`); the sweep goes on
        # One write with its line end: lines of several threads must not run into each other.
        print(f"{shown(text)}\n", end="", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Write seconds as `8 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_said: set[str] = set()
_saying = threading.Lock()


def say_once(text: str) -> None:
    """Print a warning once per process, although several cells cause it."""
    with _saying:
        if text in _said:
            return
        _said.add(text)
    say(text)
