"""Values with their intervals, one below the other; and mean ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation
from matplotlib.transforms import ScaledTranslation

from harness.report.render.document import number
from harness.report.render.escape import clean
from harness.report.render.plot_style import FAINT_COLOUR, NARROW, PALETTE, WIDTH
from harness.report.render.plots.reach import Span, reach
from harness.report.render.plots.values import NAME_COLUMNS, drawable, name

# Of a name that stands above its interval, as on a phone, and of a name at the left there.
NARROW_COLUMNS, NARROW_NAMES = 52, 24
ROW, NARROW_ROW = 0.25, 0.36  # inches a line
# For the figures of what lies beyond an axis, as a share of it.
ROOM = 0.16


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a forest plot; `word` is shown at its right. `said`: its figures in words, for one that lies beyond the axis."""

    name: str
    value: float
    low: float
    high: float
    strong: bool = False
    word: str = ""
    group: str = ""
    said: str = ""


def beyond(lines: Sequence[Line], *, margin: float | None, even: float = 0.0) -> list[Line]:
    """Return the lines that do not fit on the axis of `forest`, which marks them with an arrow and their figures in words."""
    ends = _ends(lines, margin, even)
    return [line for line in lines if drawable(line.value) and ends is not None and _is_beyond(line, ends)]


def _ends(lines: Sequence[Line], margin: float | None, even: float) -> Span | None:
    """Return the ends of an axis that is cut, with room for the figures of what lies beyond it."""
    ends = reach([_span(line) for line in lines if drawable(line.value)], [even] if margin is None else [even, margin])

    if ends is None:
        return None
    room = ROOM * (ends[1] - ends[0])
    below, above = (any(drawable(line.value) and out(line.value) for line in lines) for out in (ends[0].__gt__, ends[1].__lt__))
    return ends[0] - room * below, ends[1] + room * above


def _span(line: Line) -> Span:
    """Return the ends of the interval; the value alone where there is none."""
    whole = drawable(line.low) and drawable(line.high)
    return (min(line.low, line.value), max(line.high, line.value)) if whole else (line.value, line.value)


def _is_beyond(line: Line, ends: Span) -> bool:
    low, high = _span(line)
    return low < ends[0] or high > ends[1]


def forest(
    lines: Sequence[Line], *, axis: str, margin: float | None, even: float = 0.0, whole: bool = False, narrow: bool = False
) -> Canvas:
    """Draw values with intervals, one below the other, every group under its name, with a dashed line at `margin`.

    A line stands at `even`, where the two sides are equal. A line far off does not stretch the axis (`reach`), unless it is `whole`: an
    arrow points to it, and its figures stand beside it.
    """
    lines = [line for line in lines if drawable(line.value)]
    ends = None if whole else _ends(lines, margin, even)
    places, heads, bottom = _rows(lines)
    size = (NARROW, 0.9 + NARROW_ROW * max(bottom, 1.0)) if narrow else (WIDTH, 0.9 + ROW * max(bottom, 1.0))
    canvas = Canvas(figsize=size, layout=ConstrainedLayoutEngine(rect=(0.0, 0.0, 0.985, 1.0)))
    axes = canvas.add_subplot()
    axes.axvline(even, color=FAINT_COLOUR, linewidth=0.8)
    if margin is not None:
        axes.axvline(margin, color=PALETTE[1], linewidth=1.0, linestyle=(0, (4, 3)))
    if ends is not None:
        axes.set_xlim(*ends)
    for y, line in zip(places, lines, strict=True):
        _interval(axes, y, line, ends)
    for y, head in heads.items():
        _annotate(axes, 0.0, y, name(head, 60 if narrow else 90)).set(size=8, style="italic")
    _names(axes, places, lines, narrow=narrow)
    axes.set_ylim(max(bottom, 1.0) - 0.4, -0.9 if narrow else -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(clean(axis))
    return canvas


def _rows(lines: Sequence[Line]) -> tuple[list[float], dict[float, str], float]:
    """Return the height of every line, of the head of every group, and the height below all, from the top down."""
    places, heads, place = [], {}, 0.0
    for index, line in enumerate(lines):
        if line.group and (index == 0 or line.group != lines[index - 1].group):
            place += 0.5 * (index > 0)
            heads[place] = line.group
            place += 1.0
        places.append(place)
        place += 1.0
    return places, heads, place


def _names(axes: Axes, places: Sequence[float], lines: Sequence[Line], *, narrow: bool) -> None:
    """Write the names at the left; on a phone above the intervals, where they take no room from them."""
    if not narrow:
        axes.set_yticks(places, [name(line.name) for line in lines])
        return
    axes.set_yticks([])
    for y, line in zip(places, lines, strict=True):
        _annotate(axes, 0.0, y - 0.45, name(line.name, NARROW_COLUMNS)).set(size=8)


def _interval(axes: Axes, y: float, line: Line, ends: Span | None) -> None:
    colour, width = PALETTE[0], 2.6 if line.strong else 1.4
    if drawable(line.low) and drawable(line.high):
        axes.plot([line.low, line.high], [y, y], color=colour, linewidth=width, solid_capstyle="butt")
    axes.plot([line.value], [y], marker="o", markersize=6.0 if line.strong else 4.5, color=colour)
    if line.word:
        _annotate(axes, 1.0, y, line.word).set(size=7.5)
    if ends is not None and _is_beyond(line, ends):
        _arrow(axes, y, line, ends)


def _arrow(axes: Axes, y: float, line: Line, ends: Span) -> None:
    """Point to what lies beyond the axis, and say its figures where the value itself is out of sight."""
    low, high = _span(line)
    for edge, mark, out in ((ends[0], "<", low < ends[0]), (ends[1], ">", high > ends[1])):
        if out:
            inwards = ScaledTranslation((4 if mark == "<" else -4) / 72, 0.0, axes.figure.dpi_scale_trans)
            axes.plot([edge], [y], marker=mark, markersize=6, color=PALETTE[0], zorder=3, transform=axes.transData + inwards)
    if not ends[0] <= line.value <= ends[1]:
        left = line.value < ends[0]
        words = line.said or number(line.value, 2, sign=True)
        text = _annotate(axes, 0.0 if left else 1.0, y, words)
        text.set(size=7.5, ha="left" if left else "right", position=(11 if left else -11, 0))


def _annotate(axes: Axes, across: float, y: float, words: str) -> Annotation:
    return axes.annotate(
        words, (across, y), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center"
    )


def ranks_drawing(ranks: Sequence[tuple[str, float]], difference: float, *, narrow: bool = False) -> Canvas:
    """Draw mean ranks, best first, and a bar over each longest run of arms within the critical difference."""
    canvas = Canvas(figsize=(NARROW if narrow else WIDTH, 1.0 + 0.24 * len(ranks)), layout="constrained")
    axes = canvas.add_subplot()
    for place, (_, rank) in enumerate(ranks):
        axes.plot([rank], [place], "o", markersize=4.5, color=PALETTE[0])
    reach = 0
    for place, (_, rank) in enumerate(ranks):
        last = max(other for other, (_, value) in enumerate(ranks) if value - rank <= difference)
        if last > place and last > reach:
            middle, ends = (place + last) / 2, [rank - 0.05, ranks[last][1] + 0.05]
            axes.plot(ends, [middle, middle], color=FAINT_COLOUR, linewidth=3, solid_capstyle="butt", alpha=0.6)
        reach = max(reach, last)
    axes.set_yticks(range(len(ranks)), [name(arm, NARROW_NAMES if narrow else NAME_COLUMNS) for arm, _ in ranks])
    axes.set_ylim(len(ranks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("mean rank")
    return canvas
