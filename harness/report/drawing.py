"""The figures, in matplotlib. Ink that must follow the page's light or dark scheme has the colour INK, which the page replaces."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from harness.report.escape import clean, cut

# Exact values, so that the page can find them in the SVG and put its own colours there.
INK, FAINT = "#1a1b1e", "#8c8f96"
# Paul Tol's "bright" scheme (SRON/EPS/TN/09-002), readable on white and on black, also without colour vision.
PALETTE = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 100,
    "savefig.dpi": 160,
}
NAME_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a forest plot; `word` stands at its right."""

    name: str
    value: float
    low: float
    high: float
    strong: bool = False
    word: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm's curve: a value a trial, with an interval; NaN where there is none. `accent` numbers its colour; None is grey."""

    name: str
    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    accent: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One arm in a scatter plot."""

    name: str
    x: float
    y: float
    front: bool = False
    kind: str = ""


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's own style, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def forest(lines: Sequence[Line], *, axis: str, margin: float | None) -> Canvas:
    """Draw values with intervals, one below the other, a gap between groups; a dashed line at `margin`."""
    places, place = [], 0.0
    for index, line in enumerate(lines):
        place += 0.6 * (index > 0 and line.group != lines[index - 1].group)
        places.append(place)
        place += 1.0
    canvas = Canvas(figsize=(7.2, 0.9 + 0.24 * max(place, 1.0)), layout="constrained")
    axes = canvas.add_subplot()
    axes.axvline(0.0, color=FAINT, linewidth=0.8)
    if margin is not None:
        axes.axvline(margin, color=PALETTE[1], linewidth=1.0, linestyle=(0, (4, 3)))
    for y, line in zip(places, lines, strict=True):
        colour = PALETTE[0] if line.strong or line.group else FAINT
        if not math.isnan(line.low):
            axes.plot([line.low, line.high], [y, y], color=colour, linewidth=2.2 if line.strong else 1.4, solid_capstyle="butt")
        axes.plot([line.value], [y], marker="o", markersize=4.5, color=colour)
        if line.word:
            axes.annotate(
                line.word,
                (1.0, y),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                size=7,
            )
    axes.set_yticks(places, [_name(line.name) for line in lines])
    axes.set_ylim(max(place, 1.0) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(clean(axis))
    return canvas


def curves(panels: Mapping[str, Sequence[Curve]], *, axis: str, columns: int = 3) -> Canvas:
    """Draw best-so-far curves, one panel a key, with a legend of the coloured arms below."""
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    width = 7.2
    canvas = Canvas(figsize=(width, (2.1 if columns > 1 else 3.4) * rows + 0.7), layout="constrained")
    grid = canvas.subplots(rows, columns, squeeze=False, sharex=True)
    for place, (title, lines) in enumerate(panels.items()):
        axes = grid[place // columns][place % columns]
        for line in sorted(lines, key=lambda c: c.accent is not None):
            _curve(axes, line)
        axes.set_title(_name(title), loc="left")
        axes.grid(axis="y")
    for place in range(len(panels), rows * columns):
        grid[place // columns][place % columns].set_visible(False)
    handles: dict[str, Artist] = {}
    for axes in canvas.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    canvas.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    canvas.supxlabel("trials", size=9)
    canvas.supylabel(clean(axis), size=9)
    return canvas


def _curve(axes: Axes, line: Curve) -> None:
    trials = range(1, len(line.values) + 1)
    if line.accent is None:
        axes.plot(trials, line.values, color=FAINT, linewidth=0.8, alpha=0.45)
        return
    colour = PALETTE[line.accent % len(PALETTE)]
    dashes = "-" if line.accent < len(PALETTE) else "--"
    axes.fill_between(trials, line.lows, line.highs, color=colour, alpha=0.15, linewidth=0)
    axes.plot(trials, line.values, dashes, color=colour, linewidth=1.6, label=_name(line.name))


def scatter(panels: Mapping[str, Sequence[Point]], *, axis: str) -> Canvas:
    """Draw score against cost, one panel a kind of cost (log scale), the Pareto front joined."""
    canvas = Canvas(figsize=(7.2, 3.6 * max(len(panels), 1)), layout="constrained")
    grid = canvas.subplots(max(len(panels), 1), 1, squeeze=False)
    for axes, (title, points) in zip((row[0] for row in grid), panels.items(), strict=False):
        front = sorted((point for point in points if point.front), key=lambda p: p.x)
        axes.step([p.x for p in front], [p.y for p in front], where="post", color=PALETTE[0], linewidth=1.0, alpha=0.7)
        for point in points:
            axes.plot([point.x], [point.y], "o", markersize=5, color=PALETTE[0] if point.front else FAINT)
            axes.annotate(_name(point.name), (point.x, point.y), xytext=(5, 2), textcoords="offset points", size=7)
        axes.set_xscale("log")
        axes.set_xlabel(clean(title))
        axes.set_ylabel(clean(axis))
        axes.grid()
    return canvas


def _name(text: str) -> str:
    return cut(clean(text), NAME_COLUMNS)


def svg_of(canvas: Canvas, key: str) -> str:
    """Return a figure as SVG, the same bytes for the same figure; `key` keeps its ids apart from another figure's."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": key, "svg.fonttype": "none"}):
        canvas.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return out.getvalue()


def png_of(canvas: Canvas) -> bytes:
    """Return a figure as PNG on white."""
    out = io.BytesIO()
    canvas.savefig(out, format="png", facecolor="white", metadata={"Software": None})
    return out.getvalue()


def told_cell(scores: Sequence[float | None], trainings: Sequence[Sequence[float]]) -> Canvas:
    """Draw one cell: the score of every trial with the best so far, and beside it the validation curve of every training."""
    canvas = Canvas(figsize=(7.2, 2.5), layout="constrained")
    left, right = canvas.subplots(1, 2, width_ratios=(3, 2))
    numbers = range(1, len(scores) + 1)
    known = [score for score in scores if score is not None]
    low = min(known) if known else 0.0
    left.plot([n for n, s in zip(numbers, scores, strict=True) if s is not None], known, "o", markersize=4, color=FAINT)
    left.plot([n for n, s in zip(numbers, scores, strict=True) if s is None], [low] * scores.count(None), "x", color=PALETTE[1])
    best: list[float] = []
    for score in scores:
        best.append(max([*best[-1:], *([] if score is None else [score])], default=math.nan))
    left.step(numbers, best, where="post", color=PALETTE[0], linewidth=1.6)
    left.set_xlabel("trial")
    left.set_ylabel("validation score, %")
    for number, curve in enumerate(trainings, start=1):
        finite = [value if math.isfinite(value) else math.nan for value in curve]
        share = number / max(len(trainings), 1)
        right.plot(range(1, len(curve) + 1), finite, color=PALETTE[0], alpha=0.2 + 0.8 * share, linewidth=0.9)
    right.set_xlabel("epoch (later trials darker)")
    for axes in (left, right):
        axes.grid(axis="y")
    return canvas
