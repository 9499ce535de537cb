"""The one place that reads a key: from a variable of the environment, never from a setting, and never shown."""

from __future__ import annotations

import os
import re

from harness.errors import SettingsError
from harness.llm.errors import NotReady
from harness.scrub import remember

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_WORD = 15


def read_key(variable: str) -> str | None:
    """Return the key that a variable of the environment holds, None when it holds none or `variable` is empty.

    White space around it is left out: a file that was read into the variable ends with a line break. Raises NotReady, without showing
    the key, for one that no HTTP header can hold.
    """
    if not variable:
        return None
    remember(variable)
    key = os.environ.get(variable, "").strip()
    problem = _problem(key)
    if problem:
        raise NotReady(f"the key in {variable} {problem} (it is not shown here): export {variable} anew, with the key alone")
    return key or None


def state_of(variable: str) -> str:
    """Say whether a variable holds a key, and never which. Raises NotReady as `read_key` does."""
    return f"{variable} is set" if read_key(variable) else f"{variable} is not set"


def check_variable(variable: str) -> None:
    """Raise SettingsError when `llm.key_env` is no variable's name: it may be the key itself, so it is not shown."""
    if variable and (not _VARIABLE.fullmatch(variable) or _looks_like_a_key(variable)):
        raise SettingsError(
            "llm.key_env takes the name of the variable that holds the key, not the key (it is not shown here): "
            "export LLM_API_KEY=... and give llm.key_env=LLM_API_KEY"
        )


def _problem(key: str) -> str:
    if re.search(r"[\r\n]", key):
        return "holds a line break"
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in key):
        return "holds a control character"
    if not key.isascii():
        place = next(number for number, c in enumerate(key, start=1) if not c.isascii())
        return f"holds a character that is not ASCII, at place {place} of {len(key)}"
    return ""


def _looks_like_a_key(text: str) -> bool:
    return len(text) > _LONGEST_WORD and "_" not in text and any(c.isdigit() for c in text) and not text.isupper()
