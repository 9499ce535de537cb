"""The number by which a reader sorts a table cell of the page."""

from __future__ import annotations

import math
import re

from harness.report.render.document import Text

_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?"
# What may stand before a number: `over 5,000`, `~93.5`, `$0.02`.
_FIRST = re.compile(rf"(?:[a-z]+ )?[~<>≤≥$]? ?({_NUMBER})(?![\w.])")
_INTERVAL = re.compile(rf"\[({_NUMBER}), ({_NUMBER})\]")


def sort_value(text: Text) -> float | None:
    """Return the number of a cell; None where it holds none, which sorts last.

    It is the cell's own `value`, or the first number in its text; of an interval without an estimate, the middle.
    """
    words = text.text.replace("−", "-").strip()
    if words in ("", "–"):
        return None
    if text.value is not None:
        return float(text.value) if math.isfinite(text.value) else None
    if ends := _INTERVAL.fullmatch(words):
        return (_plain(ends[1]) + _plain(ends[2])) / 2
    found = _FIRST.match(words)
    return _plain(found[1]) if found else None


def _plain(number: str) -> float:
    return float(number.replace(",", ""))
