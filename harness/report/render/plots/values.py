"""What an axis can show, and what a figure can write."""

from __future__ import annotations

import math
import textwrap

from harness.report.render.escape import clean, cut

NAME_COLUMNS, LABEL_COLUMNS = 40, 26
LARGEST = 1e12


def drawable(value: float) -> bool:
    """Say whether an axis can show a value: it must be finite, and below LARGEST."""
    return abs(value) < LARGEST


def drawn(value: float) -> float:
    """Return the value, NaN for one that no axis can show."""
    return value if drawable(value) else math.nan


def name(text: str, most: int = NAME_COLUMNS) -> str:
    """Return a name of at most `most` columns."""
    return cut(clean(text), most)


def in_lines(label: str) -> str:
    """Break the label of a low panel's axis into lines that are no longer than the panel is high."""
    text = clean(label)
    parts = [text] if len(text) <= LABEL_COLUMNS else text.replace(" (", "\n(").splitlines()
    return "\n".join(line for part in parts for line in textwrap.wrap(part, LABEL_COLUMNS))
