"""Find a value for each name in a reply.

Source: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. For each name, four forms are tried in turn, and
the first form that matches anywhere in the text wins by its first match. Names are not anchored: `dropout` is found in
`attention_dropout`. So a sentence in the reasoning can beat the answer; that is part of what is rebuilt here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.optimizers.published.dimension import LISTED

END_OF_THINKING = "</think>"
_VALUE = r"([^\s,]+)"
_LIST = r"(\[[^\]]*\])"
FORMS = (
    ("name: v", r"{name}\s*:\s*{value}"),
    ("name = v", r"{name}\s*=\s*{value}"),
    ("name v", r"{name}\s+{value}"),
    ("**name**: v", r"\*\*{name}\*\*\s*:\s*{value}"),
)


@dataclass(frozen=True)
class Found:
    """A value as it stands in a reply, and the form in which it was found."""

    text: str
    form: str


def without_thinking(text: str) -> str:
    """Return what stands after the first `</think>`; the whole text where there is none."""
    return text.partition(END_OF_THINKING)[2].strip() if END_OF_THINKING in text else text.strip()


def find(text: str, name: str) -> Found | None:
    """Return the value of a hyperparameter, None where no form matches. White space between its parts may span lines."""
    value = _LIST if name == LISTED else _VALUE
    for form, pattern in FORMS:
        match = re.search(pattern.format(name=re.escape(name), value=value), text, re.IGNORECASE)
        if match:
            return Found(match[1].rstrip(".,;\"'").lstrip("\"'"), form)
    return None


def find_all(text: str, names: Sequence[str]) -> dict[str, Found | None]:
    """Return what is found for each name."""
    return {name: find(text, name) for name in names}
