"""What `python -m harness.doctor` says of one task, LLM or device: is it ready to run, and if not, what makes it so."""

from __future__ import annotations

from dataclasses import dataclass

from harness.scrub import one_line

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Readiness:
    """One row of the doctor's table: `reason` says what is (not) there, `command` makes it ready (empty when it is).

    `warning` is one line about what is ready and yet not as one may think; a run prints it too. No text of it can hold a secret.
    """

    name: str
    ready: bool
    reason: str
    command: str = ""
    warning: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "reason", "command", "warning"):
            object.__setattr__(self, name, one_line(getattr(self, name), limit=_LONGEST, guess=False))
