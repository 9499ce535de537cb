"""Every error that the harness raises on purpose.

    HarnessError                 one line for the user; the command ends with exit status 2
    ├── SettingsError            an invalid setting, task, space or range
    ├── InvalidConfig            a configuration that is not in its space
    ├── RecordError              a record that cannot be read, or must not be overwritten
    │   └── CellMismatch         the folder holds a cell with other settings
    ├── StorageError             the disk is full, or the folder cannot be written
    ├── CellBusy                 another process is running this cell
    └── CellsFailed              the sweep has ended and some of its cells failed (exit status 1)

    Exhausted                    not an error: the optimizer has nothing left to propose

A training that fails raises none of these: it gives an `Outcome` with a status (see `trial.py`).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Sequence

from harness.scrub import without_secrets


class HarnessError(Exception):
    """The base class. Its text is one line that says what is wrong and what to do."""

    exit_status = 2


class SettingsError(HarnessError):
    """An invalid setting."""


class InvalidConfig(HarnessError):
    """A configuration that is not in its space.

    `problems` holds one message per problem, in the order of the space.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class RecordError(HarnessError):
    """A record that cannot be read, or that must not be overwritten."""


class CellMismatch(RecordError):
    """The study already holds this task, arm and seed with other settings."""


class StorageError(HarnessError):
    """A file cannot be written: the disk is full, or the folder is read-only."""


class CellBusy(HarnessError):
    """Another process runs the cell."""


class CellsFailed(HarnessError):
    """The sweep has ended, and some of its cells failed."""

    exit_status = 1


class Exhausted(Exception):
    """Raised by `Optimizer.propose` when it has nothing left to try: the cell ends early, and is complete.

    `Tuner.ask` raises it too, and when the budget is spent.
    """


def printable(text: str) -> str:
    """Return a text without secrets, safe for a terminal: characters that are not printable are escaped as Python does."""
    text = without_secrets(text)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(text: str) -> str:
    """Return a text for the user: `printable`, with paths in the working folder made relative to it."""
    with contextlib.suppress(OSError):
        folder = os.getcwd().rstrip("/")  # noqa: PTH109 - no paths are made of it
        text = re.sub(rf"(?<![^\s'\"(:=]){re.escape(folder)}/(?=.)", "", text) if folder else text
    return printable(text)


_LONGEST_LIST = 320


def near(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the nearest known name, whatever its case, else the list of all names (or nothing).

    The list ends where it would fill the terminal.
    """
    names = sorted(set(known))
    of_lower = {other.lower(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.lower(), of_lower, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{of_lower[close[0]]}'?"
    if len(listed := ", ".join(names)) > _LONGEST_LIST:
        kept = listed[:_LONGEST_LIST].rpartition(", ")[0]
        listed = f"{kept} and {len(names) - len(kept.split(', '))} more"
    return f"; there is: {listed}" if names else ""
