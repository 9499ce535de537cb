"""Names of curves at their ends, in the order of their last values and without overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from harness.report.render.plot_style import FAINT_COLOUR

# The height of a label is this many times its font size.
LINE_HEIGHT = 1.25
LABEL_SIZE = 8.0
# From the last place of a curve to its mark, as a share of the curve's width.
LEADER = 0.045


@dataclass(frozen=True, slots=True)
class End:
    """The end of one curve: its name, the last place on the horizontal axis, its last value, and its look (None for a grey curve)."""

    name: str
    x: float
    y: float
    look: dict[str, Any] | None = None


def spread(wanted: Sequence[float], step: float, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Return places as near as can be to `wanted`, at least `step` apart and within the ends, in the same order.

    Where there is no room for all, they overflow at `low`.
    """
    order = sorted(range(len(wanted)), key=lambda place: -wanted[place])
    # Each block holds the sum of its members' wished tops and their number; blocks that would overlap are merged (pool adjacent violators).
    blocks: list[tuple[float, int]] = []
    for number, place in enumerate(order):
        blocks.append((min(max(wanted[place], low), high) + step * number, 1))
        while len(blocks) > 1 and blocks[-1][0] / blocks[-1][1] > blocks[-2][0] / blocks[-2][1]:
            (total, count), (before, many) = blocks.pop(), blocks.pop()
            blocks.append((total + before, count + many))
    tops = [total / count for total, count in blocks for _ in range(count)]
    lowest = low + step * (len(order) - 1)
    found = [0.0] * len(wanted)
    for number, (place, top) in enumerate(zip(order, tops, strict=True)):
        found[place] = min(max(top, lowest), high) - step * number
    return found


def label_ends(axes: Axes, ends: Sequence[End], height: float, size: float = LABEL_SIZE) -> None:
    """Write the name of every curve to the right of its end, with a line from the end to its mark and its name.

    `height` is that of the axes in points, about. Their limits must be set, and are widened for the lines. An end that lies beyond the
    axes is marked with an arrow, and its name should hold its value.
    """
    if not ends:
        return
    (low, high), (left, right) = axes.get_ylim(), axes.get_xlim()
    last = max(end.x for end in ends)
    mark = last + LEADER * (last - left)
    axes.set_xlim(left, max(right, mark))
    shares = [(end.y - low) / (high - low) for end in ends]
    places = spread([min(max(share, 0.0), 1.0) for share in shares], LINE_HEIGHT * size / height)
    for end, share, place in zip(ends, shares, places, strict=True):
        colour, y = (end.look["color"] if end.look else FAINT_COLOUR), low + place * (high - low)
        inside = min(max(end.y, min(low, high)), max(low, high))
        axes.plot([end.x, mark], [inside, y], "-", color=colour, linewidth=0.7, clip_on=False)
        beyond = "^" if share > 1.0 else "v" if share < 0.0 else None
        look = {**(end.look or {"color": FAINT_COLOUR, "marker": ""}), "linestyle": ""}
        axes.plot([mark], [y], clip_on=False, zorder=3, **{**look, **({"marker": beyond} if beyond else {})})
        axes.annotate(end.name, (mark, y), xytext=(6, 0), textcoords="offset points", size=size, va="center", annotation_clip=False)
