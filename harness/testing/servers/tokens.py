"""How the doubles count tokens, cut replies at a limit, and find loops in a reply."""

from __future__ import annotations

import re

from harness.testing.servers.replies import CHATTER_BYTES

_TOKEN = re.compile(r"[^\W\d_]{1,6}|\d{1,2}|[^\w\s]|_|\n")
_LONGEST_LOOP = 30


def count_tokens(text: str) -> int:
    """Return the number of tokens, about as a usual vocabulary would count them."""
    return len(_TOKEN.findall(text))


def cut_at(text: str, limit: int) -> tuple[str, int, bool]:
    """Return the first `limit` tokens of a text, their number, and whether the text was cut. A negative limit means no limit."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    if not 0 < limit < len(ends):
        return text, len(ends), False
    # A reply of megabytes (fault `chatter`) is sent whole, but counted as cut.
    return text if len(text) >= CHATTER_BYTES - 100 else text[: ends[limit - 1]], limit, True


def before_loop(text: str) -> str | None:
    """Return a text up to the place where one token has come more than 30 times in a row; None when there is no such place."""
    run, last = 0, ""
    for match in _TOKEN.finditer(text):
        run = run + 1 if match[0] == last else 1
        last = match[0]
        if run > _LONGEST_LOOP:
            return text[: match.end()]
    return None
