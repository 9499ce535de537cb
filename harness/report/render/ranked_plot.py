"""Draws the ranked intervals of the page's first screen, for a wide page and for a narrow one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Annotation

from harness.report.render.document import Tone
from harness.report.render.escape import clean, cut
from harness.report.render.plot_style import FAINT_COLOUR, PALETTE, TEXT_COLOUR
from harness.report.render.plots import drawable

COLOURS: dict[Tone, str] = {"good": PALETTE[0], "bad": PALETTE[1]}
# A row below 0 that reaches so many times as far as all others would squeeze them, and is clipped; at most this share of the rows are.
FAR, MOST_CLIPPED = 3.0, 0.34
# Shares of the axis: what is left free at its ends, and how far from them the tip of an arrow stands.
NAME_COLUMNS, PAD, ARROW = 40, 0.06, 0.015
# In inches. In a narrow drawing, name and figures stand above their interval.
WIDE, NARROW, ROW, NARROW_ROW, MARGINS, HEAD = 7.2, 3.7, 0.235, 0.36, 0.62, 0.24


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: a value with its interval, NaN where there is none, and both in words. `hollow`: nothing is concluded of it."""

    name: str
    value: float
    low: float
    high: float
    text: str = ""
    tone: Tone = ""
    hollow: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest value that is drawn."""
        known = [end for end in (self.low, self.value, self.high) if drawable(end)]
        return (min(known), max(known)) if known else (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one head."""

    head: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Panel:
    """Rows on one axis."""

    axis: str
    groups: tuple[Group, ...]

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The rows of all groups."""
        return tuple(bar for group in self.groups for bar in group.bars)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis: 0 and all rows are on it, but for those that reach so far that the others would be squeezed."""
        far_first = sorted(self.bars, key=_reach, reverse=True)
        below = next((place for place, bar in enumerate(far_first) if not bar.value < 0), len(far_first))
        most = min(below, int(len(far_first) * MOST_CLIPPED))
        cuts = [place for place in range(1, most + 1) if _reach(far_first[place - 1]) > FAR * _reach(far_first[place]) > 0]
        kept = [end for bar in far_first[max(cuts, default=0) :] for end in bar.ends]
        low, high = min([0.0, *kept]), max([0.0, *kept])
        pad = PAD * (high - low or 1.0)
        return low - pad, high + pad

    @property
    def is_clipped(self) -> bool:
        """Whether a row reaches beyond the axis."""
        low, high = self.limits
        return any(bar.ends[0] < low or bar.ends[1] > high for bar in self.bars)


def _reach(bar: Bar) -> float:
    return max(map(abs, bar.ends))


def ranked_drawing(panels: Sequence[Panel], *, narrow: bool = False) -> Canvas:
    """Draw every row as a point with its interval around a line at 0, its name and its figures beside it or, if `narrow`, above it."""
    row = NARROW_ROW if narrow else ROW
    heights = [len(panel.bars) * row + len(panel.groups) * HEAD + MARGINS for panel in panels]
    canvas = Canvas(figsize=(NARROW if narrow else WIDE, sum(heights)), layout="constrained")
    grid = canvas.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, panel in zip((line[0] for line in grid), panels, strict=True):
        _panel(axes, panel, row, narrow=narrow)
    return canvas


def _panel(axes: Axes, panel: Panel, row: float, *, narrow: bool) -> None:
    """Draw one panel; heights are in inches, from the top down."""
    low, high = panel.limits
    axes.set_xlim(low, high)
    axes.grid(axis="x")
    y, places, names = 0.0, [], []
    for group in panel.groups:
        _write(axes, (0.0, y + HEAD / 2), group.head, right=False, size=7.5).set(style="italic")
        y += HEAD
        for bar in group.bars:
            middle = y + (0.72 * row if narrow else row / 2)
            # The line at 0 leaves out the words.
            axes.plot([0.0, 0.0], [y + 0.48 * row if narrow else y, y + row], color=TEXT_COLOUR, linewidth=0.8)
            _bar(axes, bar, middle, (low, high))
            if narrow:
                _write(axes, (0.0, y + 0.26 * row), cut(clean(bar.name), NAME_COLUMNS), right=False, size=8)
                _write(axes, (1.0, y + 0.26 * row), bar.text, right=True, size=8)
            else:
                _write(axes, (1.0, middle), f"  {bar.text}", right=False, size=8)
            places.append(middle)
            names.append("" if narrow else cut(clean(bar.name), NAME_COLUMNS))
            y += row
    axes.set_ylim(y + 0.04, 0.0)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(clean(panel.axis))


def _write(axes: Axes, place: tuple[float, float], words: str, *, right: bool, size: float) -> Annotation:
    return axes.annotate(
        clean(words),
        place,
        xycoords=("axes fraction", "data"),
        ha="right" if right else "left",
        va="center",
        size=size,
        annotation_clip=False,
    )


def _bar(axes: Axes, bar: Bar, y: float, limits: tuple[float, float]) -> None:
    low, high = limits
    colour = COLOURS.get(bar.tone, FAINT_COLOUR)
    ends, inset = [min(max(end, low), high) for end in bar.ends], ARROW * (high - low)
    if not math.isnan(bar.low):
        axes.plot(ends, [y, y], color=colour, linewidth=2.0 if bar.tone else 1.4, solid_capstyle="butt")
    for end, marker, beyond in ((low + inset, "<", bar.ends[0] < low), (high - inset, ">", bar.ends[1] > high)):
        if beyond:
            axes.plot([end], [y], marker=marker, markersize=6, color=colour)
    if drawable(bar.value) and low <= bar.value <= high:
        face = "none" if bar.hollow else colour
        axes.plot([bar.value], [y], marker="o", markersize=5, color=colour, markerfacecolor=face, markeredgewidth=1.2)
