"""How far an axis reaches, so that a few values far off do not squeeze the others together.

Every figure uses this one rule. What lies beyond is never dropped without a word: the figure marks it with an arrow, a note below names
it, and the CSV of the figure holds every number.
"""

from __future__ import annotations

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
    spans, and at least one, may be left out, and only where the others then need at most `gain` of the room.
    """
    spans = [(low, high) for low, high in spans if drawable(low) and drawable(high)]
    held = [value for value in held if drawable(value)]
    if len(spans) < LEAST:
        return None
    whole = _hull(spans, held)
    most = max(1, int(len(spans) * share))
    by_low, by_high = sorted(range(len(spans)), key=lambda i: spans[i][0]), sorted(range(len(spans)), key=lambda i: -spans[i][1])
    for count in range(1, most + 1):
        kept = []
        for below in range(count + 1):
            out = {*by_low[:below], *by_high[: count - below]}
            kept.append(_hull([span for place, span in enumerate(spans) if place not in out], held))
        low, high = min(kept, key=lambda hull: hull[1] - hull[0])
        if high - low <= gain * (whole[1] - whole[0]) and high > low:
            return low - PAD * (high - low), high + PAD * (high - low)
    return None


def _hull(spans: Sequence[Span], held: Sequence[float]) -> Span:
    return min([*(low for low, _ in spans), *held]), max([*(high for _, high in spans), *held])
