"""What crosses from a server into the harness is made harmless here: no secrets, no control characters, no broken Unicode."""

from __future__ import annotations

import os
import re

_SECRET_NAME = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
_SHORTEST_SECRET = 8  # shorter values are words that occur in any text
# What looks like a key although it stands in no variable of ours: a server may echo one in part.
_KEY_LIKE = re.compile(r"\b(?:sk|pk|hf|gsk|xai)[-_][A-Za-z0-9_*-]{6,}|(?i:\bbearer)\s+[A-Za-z0-9._~+/*=-]{6,}")
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def without_secrets(text: str) -> str:
    """Replace the value of every variable of the environment that is named like a secret by `[NAME]`."""
    for name, value in sorted(os.environ.items(), key=lambda item: -len(item[1])):
        if len(value) >= _SHORTEST_SECRET and value in text and _SECRET_NAME.search(name):
            text = text.replace(value, f"[{name}]")
    return text


def foreign_text(text: str) -> str:
    """Return a reply as it may be kept: no secrets of ours, and no half of a surrogate pair (no UTF-8 file could hold it)."""
    whole = text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return without_secrets(whole)


def one_line(text: str, *, limit: int) -> str:
    """Return a foreign error text as one line of at most `limit` characters that is safe to print, log and store."""
    line = _CONTROL.sub(" ", foreign_text(text)[: 50 * limit])
    line = _USER_IN_URL.sub("", _KEY_LIKE.sub("[key]", line))
    line = " ".join(line.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
