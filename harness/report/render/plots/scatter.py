"""Score against cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, NullLocator

from harness.report.render.document import number
from harness.report.render.escape import clean
from harness.report.render.plot_style import FAINT_COLOUR, NARROW, PALETTE, WIDTH
from harness.report.render.plots.reach import reach
from harness.report.render.plots.values import drawable, name

# As shares of the axes: the height of a name, the width of one of its letters in a wide drawing, and the gap to its point.
LABEL_HEIGHT, LETTER, GAP = 0.05, 0.0072, 0.015


@dataclass(frozen=True, slots=True)
class Point:
    """One arm in a scatter plot. `said`: its score in words, for one that lies beyond the axis."""

    name: str
    x: float
    y: float
    front: bool = False
    said: str = ""


def beyond_points(panels: Mapping[str, Sequence[Point]]) -> list[Point]:
    """Return the points that lie beyond the vertical axis of their panel; the drawing marks them with an arrow at its edge."""
    found: dict[str, Point] = {}
    for points in panels.values():
        ends = _ends(points)
        if ends is not None:
            found |= {p.name: p for p in points if drawable(p.y) and not ends[0] <= p.y <= ends[1]}
    return list(found.values())


def _ends(points: Sequence[Point]) -> tuple[float, float] | None:
    return reach([(point.y, point.y) for point in points])


def scatter(panels: Mapping[str, Sequence[Point]], *, axis: str, narrow: bool = False) -> Canvas:
    """Draw score against cost, one panel per kind of cost (log scale); a line joins the Pareto front."""
    canvas = Canvas(figsize=(NARROW if narrow else WIDTH, 3.9 * max(len(panels), 1)), layout="constrained")
    grid = canvas.subplots(max(len(panels), 1), 1, squeeze=False)
    panels = {title: [p for p in points if drawable(p.x) and drawable(p.y)] for title, points in panels.items()}
    for axes, (title, points) in zip((row[0] for row in grid), panels.items(), strict=False):
        ends = _ends(points)
        front = sorted((point for point in points if point.front), key=lambda p: p.x)
        axes.step([p.x for p in front], [p.y for p in front], where="post", color=PALETTE[0], linewidth=1.0, alpha=0.7)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.14)
        if ends:
            axes.set_ylim(*ends)
        for point in points:
            y, mark = _placed(point, ends)
            colour = PALETTE[0] if point.front else FAINT_COLOUR
            axes.plot([point.x], [y], mark, markersize=5, color=colour, clip_on=False, zorder=3)
        _label(axes, points, ends, narrow=narrow)
        axes.set_xlabel(clean(title))
        axes.set_ylabel(clean(axis))
        axes.grid()
    return canvas


def _placed(point: Point, ends: tuple[float, float] | None) -> tuple[float, str]:
    """Return where a point is drawn, and its mark: an arrow at the edge for one that lies beyond the axis."""
    if ends is None or ends[0] <= point.y <= ends[1]:
        return point.y, "o"
    return (ends[0], "v") if point.y < ends[0] else (ends[1], "^")


def _label(axes: Axes, points: Sequence[Point], ends: tuple[float, float] | None, *, narrow: bool) -> None:
    """Write the names of the points; a name moves down until it covers no other. Beyond the axis, it has its value."""
    taken: list[tuple[float, float, float]] = []
    axes.autoscale_view()
    for point in sorted(points, key=lambda p: -p.y):
        shown, mark = _placed(point, ends)
        text = name(point.name, 18 if narrow else 24) + ("" if mark == "o" else f" {point.said or number(point.y)}")
        x, y = map(float, axes.transAxes.inverted().transform(axes.transData.transform((point.x, shown))))
        width = LETTER * len(text) * (WIDTH / NARROW if narrow else 1.0)
        # A name that would run out of the drawing stands at the left of its point.
        left = x + GAP + width > 1.0
        start = x - GAP - width if left else x + GAP
        place = y + LABEL_HEIGHT / 2
        for other_start, other_end, other in sorted(taken, key=lambda t: -t[2]):
            if other_start < start + width and start < other_end and abs(other - place) < LABEL_HEIGHT:
                place = other - LABEL_HEIGHT
        taken.append((start, start + width, place))
        axes.annotate(
            text,
            (point.x, shown),
            xytext=(x - GAP if left else x + GAP, place),
            textcoords="axes fraction",
            size=7.5,
            va="center",
            ha="right" if left else "left",
            arrowprops={"arrowstyle": "-", "color": FAINT_COLOUR, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2},
        )
