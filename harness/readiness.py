"""What `python -m harness.doctor` says of one task, LLM or device: is it ready to run, and if not, what makes it so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """One row of the doctor's table: `reason` says what is (not) there, `command` makes it ready (empty when it is)."""

    name: str
    ready: bool
    reason: str
    command: str = ""
