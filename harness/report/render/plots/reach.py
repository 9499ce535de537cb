"""How far an axis reaches, so that a few values far off do not squeeze the others together.

Every figure uses this one rule. What lies beyond is never dropped without a word: the figure marks it with an arrow, a note below names
it, and the CSV of the figure holds every number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.render.plots.values import drawable

Span = tuple[float, float]

# An axis is cut where at most this share of what it shows (or one of at least LEAST) lies beyond, and the rest then needs at most GAIN
# of the room.
SHARE, GAIN, LEAST = 0.25, 0.45, 4
PAD = 0.06  # of the axis, on either side


def reach(spans: Sequence[Span], held: Sequence[float] = (), share: float = SHARE, gain: float = GAIN) -> Span | None:
    """Return both ends of an axis that leaves out as few far spans as it can; None where nothing needs to be left out.

    A span is (low, high) of one value with its interval. `held` are values that the axis must show in any case. At most `share` of the
    spans, or one, may be left out, and only where the others then need at most `gain` of the room.
    """
    spans = [(low, high) for low, high in spans if drawable(low) and drawable(high)]
    held = [value for value in held if drawable(value)]
    if len(spans) < LEAST:
        return None
    left, kept = max(1, int(len(spans) * share)), spans
    # A very far span hides a less far one, so what is kept is looked at again.
    while fewer := _without_far(kept, held, left, gain):
        left -= len(kept) - len(fewer)
        kept = fewer
    low, high = _hull(kept, held)
    pad = PAD * (high - low)
    return None if kept is spans else (low - pad, high + pad)


def _without_far(spans: Sequence[Span], held: Sequence[float], most: int, gain: float) -> list[Span]:
    """Return the spans without the fewest far ones, at most `most`, that gain so much room; nothing where none do."""
    low, high = _hull(spans, held)
    lows, highs = sorted(span[0] for span in spans), sorted((span[1] for span in spans), reverse=True)
    least, largest = min(held, default=math.inf), max(held, default=-math.inf)
    # A span may be among the lowest and among the highest.
    for count in range(1, min(2 * most, len(spans) - 1) + 1):
        # So many of the lowest are left out, and the others of the highest.
        ends = [(min(lows[below], least), max(highs[count - below], largest)) for below in range(count + 1)]
        best = min(ends, key=lambda pair: pair[1] - pair[0])
        if 0.0 < best[1] - best[0] <= gain * (high - low):
            kept = [span for span in spans if best[0] <= span[0] and span[1] <= best[1]]
            if len(spans) - len(kept) <= most:
                return kept
    return []


def _hull(spans: Sequence[Span], held: Sequence[float]) -> Span:
    """Return the ends of the shortest axis that shows all of this."""
    return min([*(low for low, _ in spans), *held]), max([*(high for _, high in spans), *held])
