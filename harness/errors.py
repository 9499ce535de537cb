"""Every error that the harness raises on purpose.

    HarnessError                 one line for the user; the command ends with exit status 2
    ├── SettingsError            a setting, task, space or range that makes no sense
    ├── InvalidConfig            a configuration that is not in its space
    ├── RecordError              a record that cannot be read, or must not be written over
    │   └── CellMismatch         the folder holds a cell made with other settings
    ├── StorageError             the disk is full, or the folder cannot be written
    ├── CellBusy                 another process is running this cell
    └── CellsFailed              the sweep is over and some of its cells failed (exit status 1)

    Exhausted                    not an error: the optimizer has nothing left to propose

A training that fails raises none of these: it is an `Outcome` with a status (see `trial.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from harness.scrub import without_secrets


class HarnessError(Exception):
    """The base: its text is one line that says what is wrong and what to do."""

    exit_status = 2


class SettingsError(HarnessError):
    """A setting that cannot be used as it stands."""


class InvalidConfig(HarnessError):
    """A configuration that its space refuses.

    `problems` holds one complaint for each thing that is wrong, in the order of the space.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class RecordError(HarnessError):
    """A record that cannot be read, or that must not be written over."""


class CellMismatch(RecordError):
    """The study already holds this task, arm and seed, made with other settings."""


class StorageError(HarnessError):
    """The run folder cannot be written."""


class CellBusy(HarnessError):
    """Another process holds the cell."""


class CellsFailed(HarnessError):
    """A sweep came to its end, and some of its cells had failed."""

    exit_status = 1


class Exhausted(Exception):
    """Raised by `Optimizer.propose` when it has nothing left to try: the cell ends early, and is complete."""


def printable(text: str) -> str:
    """Return a text without secrets, in which nothing can move a terminal's cursor, change its colours or turn its direction: such
    characters are spelt.
    """
    text = without_secrets(text)
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def near(name: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the nearest known name, else the list of all names (or nothing)."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there is: {', '.join(names)}" if names else ""
