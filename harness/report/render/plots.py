"""Draws the figures with matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from harness.report.render.escape import clean, cut
from harness.report.render.plot_style import FAINT_COLOUR, PALETTE

NAME_COLUMNS, LABEL_COLUMNS = 40, 26
LARGEST = 1e12
# The parts of a stacked bar: colour, and the colour of the number in it. Each differs from its neighbours in lightness too.
SHARES = (
    ("#4477aa", "white"),
    ("#bbbbbb", "black"),
    ("#ee6677", "black"),
    ("#aa3377", "white"),
    ("#ccbb44", "black"),
    ("#228833", "white"),
)

SMALL_COLUMNS = 6
# Of a name in a scatter plot, as shares of the axes.
LABEL_WIDTH, LABEL_HEIGHT = 0.22, 0.05


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a forest plot; `word` is shown at its right."""

    name: str
    value: float
    low: float
    high: float
    strong: bool = False
    word: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of one arm: one value per trial, with an interval; NaN where there is none.

    `accent` is the number of its colour, None for grey. From place `whole_from` on, every cell of the arm has a value.
    """

    name: str
    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    accent: int | None = None
    whole_from: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One arm in a scatter plot."""

    name: str
    x: float
    y: float
    front: bool = False
    kind: str = ""


def forest(lines: Sequence[Line], *, axis: str, margin: float | None, even: float = 0.0) -> Canvas:
    """Draw values with intervals, one below the other, every group under its name, with a dashed line at `margin`.

    A line stands at `even`, where the two sides are equal.
    """
    lines = [line for line in lines if drawable(line.value)]
    places, heads, place = [], {}, 0.0
    for index, line in enumerate(lines):
        if line.group and (index == 0 or line.group != lines[index - 1].group):
            place += 0.5 * (index > 0)
            heads[place] = line.group
            place += 1.0
        places.append(place)
        place += 1.0
    canvas = Canvas(figsize=(7.2, 0.9 + 0.24 * max(place, 1.0)), layout="constrained")
    axes = canvas.add_subplot()
    axes.axvline(even, color=FAINT_COLOUR, linewidth=0.8)
    if margin is not None:
        axes.axvline(margin, color=PALETTE[1], linewidth=1.0, linestyle=(0, (4, 3)))
    for y, line in zip(places, lines, strict=True):
        _interval(axes, y, line)
    for y, head in heads.items():
        _annotate(axes, 0.0, y, _name(head, 90)).set(size=8, style="italic")
    axes.set_yticks(places, [_name(line.name) for line in lines])
    axes.set_ylim(max(place, 1.0) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(clean(axis))
    return canvas


def _interval(axes: Axes, y: float, line: Line) -> None:
    colour = PALETTE[0] if line.strong or line.group else FAINT_COLOUR
    if drawable(line.low) and drawable(line.high):
        axes.plot([line.low, line.high], [y, y], color=colour, linewidth=2.2 if line.strong else 1.4, solid_capstyle="butt")
    axes.plot([line.value], [y], marker="o", markersize=4.5, color=colour)
    if line.word:
        _annotate(axes, 1.0, y, line.word).set(size=7)


def _annotate(axes: Axes, across: float, y: float, words: str) -> Annotation:
    return axes.annotate(
        words, (across, y), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center"
    )


def curves(panels: Mapping[str, Sequence[Curve]], *, labels: Mapping[str, str], columns: int = 3) -> Canvas:
    """Draw best-so-far curves, one panel per key, dotted where some cell has no value. The legend below names the coloured arms.

    `labels` holds the name of each panel's axis; one that is the same for all stands at the left of each row.
    """
    alike = len(set(labels.values())) == 1
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    canvas = Canvas(figsize=(7.2, (2.0 if columns > 1 else 3.2) * rows + 0.7), layout="constrained")
    grid = canvas.subplots(rows, columns, squeeze=False)
    for place, (title, lines) in enumerate(panels.items()):
        axes = grid[place // columns][place % columns]
        for line in sorted(lines, key=lambda c: c.accent is not None):
            _curve(axes, line, 0.13 if len(panels) == 1 else 0.07)
        axes.set_title(_name(title), loc="left")
        axes.grid(axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        _frame_coloured(axes, lines)
        if place // columns == rows - 1 or place + columns >= len(panels):
            axes.set_xlabel("trials")
        if place % columns == 0 or not alike:
            axes.set_ylabel(_in_lines(labels[title]))
    for place in range(len(panels), rows * columns):
        grid[place // columns][place % columns].set_visible(False)
    _legend(canvas, "outside lower center")
    return canvas


def small_curves(panels: Mapping[str, Sequence[Curve]], *, labels: Mapping[str, str]) -> Canvas:
    """Draw the same curves in many small panels, whose axes have few numbers. One legend names the arms."""
    rows = math.ceil(len(panels) / SMALL_COLUMNS)
    height = 1.25 * rows + 0.9
    # A layout that is computed takes seconds for so many panels.
    canvas = Canvas(figsize=(7.2, height))
    canvas.subplots_adjust(left=0.07, right=0.99, top=1 - 0.25 / height, bottom=0.85 / height, hspace=0.65, wspace=0.5)
    for place, (title, lines) in enumerate(panels.items()):
        axes = canvas.add_subplot(rows, SMALL_COLUMNS, place + 1)
        for line in lines:
            _curve(axes, line, 0.0)
        axes.set_title(cut(clean(title), 18), loc="left", size=7, pad=2)
        axes.tick_params(labelsize=6, length=2, pad=1.5)
        axes.locator_params(axis="y", nbins=3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=2))
        _frame_coloured(axes, lines)
    canvas.text(0.5, 0.45 / height, "trials", size=8, ha="center")
    same = set(labels.values())
    canvas.text(
        0.005, 0.5, clean(same.pop()) if len(same) == 1 else "scores, in the tasks' units", size=8, rotation=90, va="center"
    )
    _legend(canvas, "lower center")
    return canvas


def _legend(canvas: Canvas, loc: Literal["outside lower center", "lower center"]) -> None:
    """Name every coloured curve once, below the panels."""
    handles: dict[str, Artist] = {}
    for axes in canvas.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    canvas.legend(list(handles.values()), list(handles), loc=loc, ncols=3)


def _curve(axes: Axes, line: Curve, shade: float) -> None:
    values, lows, highs = ([_drawn(value) for value in row] for row in (line.values, line.lows, line.highs))
    line = replace(line, values=values, lows=lows, highs=highs)
    trials = range(1, len(line.values) + 1)
    if line.accent is None:
        axes.plot(trials, line.values, color=FAINT_COLOUR, linewidth=0.8, alpha=0.45)
        return
    colour = PALETTE[line.accent % len(PALETTE)]
    axes.fill_between(trials, line.lows, line.highs, color=colour, alpha=shade, linewidth=0)
    whole = [value if place >= line.whole_from else math.nan for place, value in enumerate(line.values)]
    axes.plot(trials, line.values, ":", color=colour, linewidth=1.4)
    axes.plot(trials, whole, "-", color=colour, linewidth=1.6, label=_name(line.name))


def _frame_coloured(axes: Axes, lines: Sequence[Curve]) -> None:
    """Set the range by the coloured curves, so that a grey arm far below or a wide interval does not flatten them."""
    shown = [v for line in lines if line.accent is not None for v in line.values if drawable(v)]
    if shown and max(shown) > min(shown):
        pad = 0.12 * (max(shown) - min(shown))
        axes.set_ylim(min(shown) - pad, max(shown) + pad)


def stacked(bars: Mapping[str, Sequence[float]], parts: Sequence[str], *, axis: str) -> Canvas:
    """Draw a bar per name, made of shares of 1; `parts` names them in order. A part of at least 6 % has its number in it."""
    canvas = Canvas(figsize=(7.2, 1.3 + 0.3 * max(len(bars), 1)), layout="constrained")
    axes = canvas.add_subplot()
    for number, part in enumerate(parts):
        values = [100 * shares[number] for shares in bars.values()]
        lefts = [100 * sum(shares[:number]) for shares in bars.values()]
        colour, text = SHARES[number % len(SHARES)]
        axes.barh(
            range(len(bars)), values, left=lefts, height=0.62, color=colour, edgecolor="white", linewidth=0.6, label=_name(part)
        )
        for place, (left, value) in enumerate(zip(lefts, values, strict=True)):
            if value >= 6.0:
                axes.text(left + value / 2, place, f"{value:.0f}", ha="center", va="center", size=7, color=text)
    axes.set_yticks(range(len(bars)), [_name(name) for name in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0.0, 100.0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel(clean(axis))
    canvas.legend(loc="outside lower center", ncols=3)
    return canvas


def scatter(panels: Mapping[str, Sequence[Point]], *, axis: str) -> Canvas:
    """Draw score against cost, one panel per kind of cost (log scale); a line joins the Pareto front."""
    canvas = Canvas(figsize=(7.2, 3.6 * max(len(panels), 1)), layout="constrained")
    grid = canvas.subplots(max(len(panels), 1), 1, squeeze=False)
    panels = {title: [p for p in points if drawable(p.x) and drawable(p.y)] for title, points in panels.items()}
    for axes, (title, points) in zip((row[0] for row in grid), panels.items(), strict=False):
        front = sorted((point for point in points if point.front), key=lambda p: p.x)
        axes.step([p.x for p in front], [p.y for p in front], where="post", color=PALETTE[0], linewidth=1.0, alpha=0.7)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.14)
        for point in points:
            axes.plot([point.x], [point.y], "o", markersize=5, color=PALETTE[0] if point.front else FAINT_COLOUR)
        _label(axes, points)
        axes.set_xlabel(clean(title))
        axes.set_ylabel(clean(axis))
        axes.grid()
    return canvas


def _label(axes: Axes, points: Sequence[Point]) -> None:
    """Write the names of the points; a name moves down until it covers no other."""
    taken: list[tuple[float, float]] = []
    axes.autoscale_view()
    for point in sorted(points, key=lambda p: -p.y):
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((point.x, point.y)))
        place = float(y) + LABEL_HEIGHT / 2
        for other_x, other_y in sorted(taken, key=lambda t: -t[1]):
            if abs(other_x - x) < LABEL_WIDTH and abs(other_y - place) < LABEL_HEIGHT:
                place = other_y - LABEL_HEIGHT
        taken.append((float(x), place))
        line = {"arrowstyle": "-", "color": FAINT_COLOUR, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            _name(point.name, 24),
            (point.x, point.y),
            xytext=(float(x) + 0.02, place),
            textcoords="axes fraction",
            size=7,
            va="center",
            arrowprops=line,
        )


def drawable(value: float) -> bool:
    """Say whether an axis can show a value: it must be finite, and below LARGEST."""
    return abs(value) < LARGEST


def _drawn(value: float) -> float:
    return value if drawable(value) else math.nan


def _name(text: str, most: int = NAME_COLUMNS) -> str:
    return cut(clean(text), most)


def _in_lines(label: str) -> str:
    """Break the label of a low panel's axis into lines that are no longer than the panel is high."""
    text = clean(label)
    parts = [text] if len(text) <= LABEL_COLUMNS else text.replace(" (", "\n(").splitlines()
    return "\n".join(line for part in parts for line in textwrap.wrap(part, LABEL_COLUMNS))


def cell_drawing(scores: Sequence[float | None], trainings: Sequence[Sequence[float]], *, axis: str, lower: bool = False) -> Canvas:
    """Draw one cell: at the left the score of every trial and the best so far, at the right the validation curve of every training.

    `lower`: lower scores are better.
    """
    scores = [score if score is not None and drawable(score) else None for score in scores]
    canvas = Canvas(figsize=(7.2, 2.5), layout="constrained")
    left, right = canvas.subplots(1, 2, width_ratios=(3, 2))
    numbers = range(1, len(scores) + 1)
    known = [score for score in scores if score is not None]
    worst = (max if lower else min)(known, default=0.0)
    left.plot([n for n, s in zip(numbers, scores, strict=True) if s is not None], known, "o", markersize=4, color=FAINT_COLOUR)
    left.plot([n for n, s in zip(numbers, scores, strict=True) if s is None], [worst] * scores.count(None), "x", color=PALETTE[1])
    # Of what is drawn, and not of the trials: a score that has no place on the axis is no best one here.
    best = (np.fmin if lower else np.fmax).accumulate([math.nan if score is None else score for score in scores])
    left.step(numbers, best, where="post", color=PALETTE[0], linewidth=1.6)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    left.set_xlabel("trial")
    left.set_ylabel(_in_lines(axis))
    for number, curve in enumerate(trainings, start=1):
        share = number / max(len(trainings), 1)
        right.plot(
            range(1, len(curve) + 1), [_drawn(value) for value in curve], color=PALETTE[0], alpha=0.2 + 0.8 * share, linewidth=0.9
        )
    right.set_xlabel("epoch (later trials darker)")
    for axes in (left, right):
        axes.grid(axis="y")
    return canvas


def ranks_drawing(ranks: Sequence[tuple[str, float]], difference: float) -> Canvas:
    """Draw mean ranks, best first, and a bar over each longest run of arms within the critical difference."""
    canvas = Canvas(figsize=(7.2, 1.0 + 0.24 * len(ranks)), layout="constrained")
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
    axes.set_yticks(range(len(ranks)), [_name(name) for name, _ in ranks])
    axes.set_ylim(len(ranks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("mean rank")
    return canvas
