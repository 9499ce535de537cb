"""Best-so-far curves over the trials."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from harness.report.render.escape import clean, cut
from harness.report.render.plot_style import FAINT_COLOUR, NARROW, WIDTH, look
from harness.report.render.plots.end_labels import LABEL_SIZE, LINE_HEIGHT, End, label_ends
from harness.report.render.plots.reach import reach
from harness.report.render.plots.values import drawable, drawn, in_lines, name

SMALL_COLUMNS = 6
# Panels in a row, up to so many panels; more stand in three columns.
TWO_COLUMNS = 6
# The names at the ends of curves, in columns of text: in one panel, and in one of several.
ALONE, AMONG = 34, 24
# What an axis may leave out of the coloured curves (see `reach`): the first trials of some arms may lie far off.
LEFT_OUT, GAIN = 0.2, 0.6
# About so many trials of a curve have a mark.
MARKED = 4


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of one arm: one value per trial, with an interval; NaN where there is none.

    `accent` is the number of its look, None for grey. From place `whole_from` on, every cell of the arm has a value.
    """

    name: str
    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    accent: int | None = None
    whole_from: int = 0


def cut_panels(panels: Mapping[str, Sequence[Curve]], lower: Collection[str] = ()) -> list[str]:
    """Return the panels whose axis does not show all of the coloured curves. `lower`: those in which lower values are better."""
    return [title for title, lines in panels.items() if _cut_range(lines, lower=title in lower) is not None]


def curves(
    panels: Mapping[str, Sequence[Curve]], *, labels: Mapping[str, str], lower: Collection[str] = (), narrow: bool = False
) -> Canvas:
    """Draw curves, one panel per key, dotted where some cell has no value. Every coloured arm is named at the end of its curve.

    Grey arms are named too in a single wide panel, where there is room. `labels` holds the name of each panel's axis. `lower`: the panels
    in which lower values are better.
    """
    columns = 1 if narrow or len(panels) == 1 else 2 if len(panels) <= TWO_COLUMNS else 3
    rows = math.ceil(len(panels) / columns)
    height = 4.0 if len(panels) == 1 else 2.5
    canvas = Canvas(figsize=(NARROW if narrow else WIDTH, height * rows + 0.2), layout="constrained")
    grid = canvas.subplots(rows, columns, squeeze=False)
    for place, (title, lines) in enumerate(panels.items()):
        axes = grid[place // columns][place % columns]
        alone = len(panels) == 1
        _panel(axes, lines, 0.13 if alone else 0.0 if narrow else 0.07, lower=title in lower)
        _label(axes, lines, 72 * (height - 0.75), alone=alone and not narrow)
        if len(panels) > 1:
            axes.set_title(name(title), loc="left")
        axes.set_ylabel(in_lines(labels[title]))
        if place + columns >= len(panels):
            axes.set_xlabel("trials")
    for place in range(len(panels), rows * columns):
        grid[place // columns][place % columns].set_visible(False)
    return canvas


def _panel(axes: Axes, lines: Sequence[Curve], shade: float, *, lower: bool) -> None:
    """Draw the curves of one panel; `shade` is the opacity of the bands."""
    for line in sorted(lines, key=lambda c: c.accent is not None):
        _curve(axes, line, shade)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    trials = max((len(line.values) for line in lines), default=1)
    axes.set_xlim(1.0 - 0.02 * trials, float(max(trials, 2)))
    _frame_coloured(axes, lines, lower=lower)


def _label(axes: Axes, lines: Sequence[Curve], height: float, *, alone: bool) -> None:
    """Name the curves of one panel, whose `height` is in points: all of them where it stands `alone` and they have room."""
    room = int(height / (LINE_HEIGHT * LABEL_SIZE))
    named = [line for line in lines if line.accent is not None or (alone and len(lines) <= room)]
    label_ends(axes, [end for line in named if (end := _end(axes, line, ALONE if alone else AMONG))], height)
    axes.spines["bottom"].set_bounds(axes.get_xlim()[0], max(2, *(len(line.values) for line in lines)) if lines else 2)


def _end(axes: Axes, line: Curve, columns: int) -> End | None:
    """Return the end of a curve; one that lies beyond the axis has its value in its name. None for a curve without a value."""
    places = [place for place, value in enumerate(line.values) if drawable(value)]
    if not places:
        return None
    value, (low, high) = float(line.values[places[-1]]), axes.get_ylim()
    text = name(line.name, columns)
    text += f" {value:.3g}".replace("-", "−") if not low <= value <= high else ""
    return End(text, float(places[-1] + 1), value, None if line.accent is None else look(line.accent))


def small_curves(
    panels: Mapping[str, Sequence[Curve]], *, labels: Mapping[str, str], lower: Collection[str] = (), narrow: bool = False
) -> Canvas:
    """Draw the same curves in many small panels, whose axes have few numbers. One legend names the arms, the best at the end first.

    `lower`: the panels in which lower values are better.
    """
    columns = 3 if narrow else SMALL_COLUMNS
    rows = math.ceil(len(panels) / columns)
    height = 1.35 * rows + 1.2
    # A layout that is computed takes seconds for so many panels.
    canvas = Canvas(figsize=(NARROW if narrow else WIDTH, height))
    left = 0.12 if narrow else 0.055
    canvas.subplots_adjust(left=left, right=0.99, top=1 - 0.3 / height, bottom=1.15 / height, hspace=0.6, wspace=0.45)
    for place, (title, lines) in enumerate(panels.items()):
        axes = canvas.add_subplot(rows, columns, place + 1)
        for line in lines:
            _curve(axes, line, 0.0)
        axes.set_title(cut(clean(title), 20), loc="left", size=7.5, pad=2)
        axes.tick_params(labelsize=6.5, length=2, pad=1.5)
        axes.locator_params(axis="y", nbins=3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=2))
        _frame_coloured(axes, lines, lower=title in lower)
    canvas.text(0.5, 0.75 / height, "trials", size=8, ha="center")
    same = set(labels.values())
    said = clean(same.pop()) if len(same) == 1 else "scores, in the tasks' units"
    canvas.text(0.004, 0.5, said, size=8, rotation=90, va="center")
    _legend(canvas, _final_order(panels, lower), 2 if narrow else 4)
    return canvas


def _final_order(panels: Mapping[str, Sequence[Curve]], lower: Collection[str]) -> list[str]:
    """Return the names of the coloured curves by their mean rank at the end over the panels, the best first."""
    ranks: dict[str, list[int]] = {}
    for title, lines in panels.items():
        last = {line.name: line.values[-1] for line in lines if line.accent is not None and len(line.values)}
        known = {each: value if title in lower else -value for each, value in last.items() if drawable(value)}
        for each, value in known.items():
            ranks.setdefault(name(each), []).append(sum(other < value for other in known.values()))
    return sorted(ranks, key=lambda each: sum(ranks[each]) / len(ranks[each]))


def _legend(canvas: Canvas, order: Sequence[str], columns: int) -> None:
    """Name every coloured curve once, below the panels."""
    handles: dict[str, Artist] = {}
    for axes in canvas.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    named = [*(each for each in order if each in handles), *(each for each in handles if each not in order)]
    canvas.legend([handles[each] for each in named], named, loc="lower center", ncols=columns, handlelength=3.4)


def _curve(axes: Axes, line: Curve, shade: float) -> None:
    values, lows, highs = ([drawn(value) for value in row] for row in (line.values, line.lows, line.highs))
    line = replace(line, values=values, lows=lows, highs=highs)
    trials = range(1, len(line.values) + 1)
    if line.accent is None:
        axes.plot(trials, line.values, color=FAINT_COLOUR, linewidth=0.8, alpha=0.6)
        return
    looks = look(line.accent)
    if shade:
        axes.fill_between(trials, line.lows, line.highs, color=looks["color"], alpha=shade, linewidth=0)
    early = [value if place <= line.whole_from else math.nan for place, value in enumerate(line.values)]
    whole = [value if place >= line.whole_from else math.nan for place, value in enumerate(line.values)]
    axes.plot(trials, early, ":", color=looks["color"], linewidth=1.4)
    axes.plot(trials, whole, linewidth=1.5, markevery=max(1, len(whole) // MARKED), label=name(line.name), **looks)


def _cut_range(lines: Sequence[Curve], *, lower: bool) -> tuple[float, float] | None:
    """Return the range of an axis that leaves out bad values of the coloured curves; None where it can show them all."""
    coloured = [[float(value) for value in line.values if drawable(value)] for line in lines if line.accent is not None]
    coloured = [values for values in coloured if values]
    # An arm that ends far from the others does not count at all, and of the others the first trials need not be seen.
    best = [(min if lower else max)(values[-1] for values in coloured)] if coloured else []
    ends = reach([(values[-1], values[-1]) for values in coloured], best, gain=GAIN)
    near = [values for values in coloured if ends is None or ends[0] <= values[-1] <= ends[1]]
    every = [value for values in near for value in values]
    good = [(min if lower else max)(every)] if every else []
    cut = reach([(value, value) for value in every], good, share=LEFT_OUT, gain=GAIN)
    return cut or (None if ends is None else _padded(near))


def _padded(curves_: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Return the range of values with some room; None where they are all one."""
    shown = [value for values in curves_ for value in values]
    pad = 0.12 * (max(shown) - min(shown)) if shown else 0.0
    return (min(shown) - pad, max(shown) + pad) if pad else None


def _frame_coloured(axes: Axes, lines: Sequence[Curve], *, lower: bool) -> None:
    """Set the range by the coloured curves, so that neither a bad grey arm, a wide interval, nor a first trial far off flattens them.

    What is better than all of them is always in sight, grey or not.
    """
    shown = [[v for v in line.values if drawable(v)] for line in lines if line.accent is not None]
    if (ends := _cut_range(lines, lower=lower) or _padded(shown)) is not None:
        every, pad = [v for line in lines for v in line.values if drawable(v)], 0.04 * (ends[1] - ends[0])
        axes.set_ylim(min(ends[0], min(every) - pad) if lower else ends[0], ends[1] if lower else max(ends[1], max(every) + pad))
