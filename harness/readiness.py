"""What `python -m harness.doctor` says of one task, LLM or device: is it ready to run, and if not, what makes it so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.scrub import one_line

_LONGEST = 2000
_SHELL = re.compile(r"(export|pip|python|curl|ollama|hf|wandb|docker|brew|git|make|sudo)\b")


@dataclass(frozen=True, slots=True)
class Readiness:
    """One row of the doctor's table: `reason` says what is (not) there, `command` makes it ready (empty when it is).

    `command` is one for the shell, several of them (a line each), or what to do in words, such as a setting to give.
    `warning` is one line about what is ready and yet not as one may think; a run prints it too. `notice` is one that a run prints once:
    whose model this is. `retired` says that nothing makes it ready again: its provider has ended it. No text of it can hold a secret.
    """

    name: str
    ready: bool
    reason: str
    command: str = ""
    warning: str = ""
    notice: str = ""
    retired: bool = False

    @property
    def state(self) -> str:
        """How it stands, in a word or two."""
        return "ready" if self.ready else "retired" if self.retired else "not ready"

    def __post_init__(self) -> None:
        for name in ("name", "reason", "warning", "notice"):
            object.__setattr__(self, name, one_line(getattr(self, name), limit=_LONGEST, guess=False))
        lines = (one_line(line, limit=_LONGEST, guess=False) for line in self.command.splitlines())
        object.__setattr__(self, "command", "\n".join(filter(None, lines)))

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines of `command`, as they are shown: what a shell takes stands behind a `$`."""
        return tuple(f"$ {line}" if _SHELL.match(line) else line for line in self.command.splitlines())
