"""Messages to the user on standard error, one line each."""

from __future__ import annotations

import contextlib
import functools
import sys

from harness.errors import shown


def say(text: str) -> None:
    """Print one line for the user on standard error."""
    with contextlib.suppress(OSError):  # the reader has ended (`2>&1 | head`); the sweep goes on
        print(shown(text), file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Write seconds as `8 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@functools.cache
def say_once(text: str) -> None:
    """Print a warning once per process, although several cells cause it."""
    say(text)
