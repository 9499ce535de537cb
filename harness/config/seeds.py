"""Many seeds as a short text, `0-29,35`: Hydra takes seconds to read a list of thousands, and every manifest would hold it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RANGE = re.compile(r"\d+(-\d+)?")
MOST = 10_000_000


def as_text(seeds: Sequence[int]) -> str:
    """Write seeds in their order; `from_text` reads it back."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1][1:] = [seed]
        else:
            runs.append([seed])
    return ",".join("-".join(map(str, run)) for run in runs)


def from_text(text: str) -> list[int]:
    """Return the seeds of a text such as `0-29,35`, both ends included; empty for one that is not such a text, or means too many."""
    parts = text.replace(" ", "").split(",")
    if not all(_RANGE.fullmatch(part) for part in parts):
        return []
    ranges = [range(int(low), int(high or low) + 1) for low, _, high in (part.partition("-") for part in parts)]
    if sum(map(len, ranges)) > MOST or not all(ranges):
        return []
    return [seed for numbers in ranges for seed in numbers]
