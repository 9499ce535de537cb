"""The figures over tasks: one panel with a curve for every arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from harness.report.render.escape import clean
from harness.report.render.marks import Marks
from harness.report.render.plot_style import FAINT_COLOUR, NARROW, PALETTE, WIDTH, look
from harness.report.render.plots.curves import ALONE, Curve
from harness.report.render.plots.end_labels import End, label_ends
from harness.report.render.plots.values import drawable, drawn, name

HEIGHT = 4.6


def curves_of(frame: pd.DataFrame, column: str, marks: Marks, accents: Mapping[str, int]) -> list[Curve]:
    """Return the curve of every arm of a frame with the columns arm, `column`, low and high."""
    found = []
    for arm, part in frame.groupby("arm", sort=False):
        values, lows, highs = ([float(value) for value in part[each]] for each in (column, "low", "high"))
        found.append(Curve(marks.name(str(arm)), values, lows, highs, accents.get(str(arm))))
    return found


def bands(
    lines: Sequence[Curve],
    places: Sequence[float],
    *,
    axis: tuple[str, str],
    best_low: bool = False,
    ends: bool = False,
    narrow: bool = False,
) -> Canvas:
    """Draw curves with their bands over `places`. `axis` names the horizontal and the vertical axis.

    Colours come twice: first with full marks, then with hollow ones and without a band, which would cover the others. Further arms are
    grey. `best_low`: low values are better, and stand on top. `ends`: lines at 0 and 1 of the horizontal axis, which else holds whole
    numbers; there all curves end at one place, and a legend names them.
    """
    canvas = Canvas(figsize=(NARROW if narrow else WIDTH, HEIGHT), layout="constrained")
    axes = canvas.add_subplot()
    for end in (0.0, 1.0) if ends else ():
        axes.axvline(end, color=FAINT_COLOUR, linewidth=0.8, linestyle=(0, (4, 3)))
    for line in sorted(lines, key=lambda curve: -1 if curve.accent is None else -curve.accent):
        _band(axes, line, places)
    if best_low:
        axes.invert_yaxis()
    if not ends:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.margins(x=0.01)
    axes.grid(axis="y")
    axes.set_xlabel(clean(axis[0]))
    axes.set_ylabel(clean(axis[1]))
    axes.set_xlim(*axes.get_xlim())
    axes.set_ylim(*axes.get_ylim())
    named = [line for line in lines if line.accent is not None and line.accent < 2 * len(PALETTE) and drawable(line.values[-1])]
    if ends:
        _legend(canvas, axes, named, narrow=narrow)
    else:
        ended = [End(name(line.name, ALONE), float(places[-1]), float(line.values[-1]), look(line.accent or 0)) for line in named]
        label_ends(axes, ended, 72 * (HEIGHT - 0.7))
    return canvas


def _legend(canvas: Canvas, axes: Axes, named: Sequence[Curve], *, narrow: bool) -> None:
    """Name curves that all end at one place: the one with the highest mean first."""
    handles = {line.get_label(): line for line in axes.get_lines()}
    order = sorted(named, key=lambda line: -sum(map(float, line.values)))
    texts = [name(line.name, ALONE) for line in order]
    where: Literal["outside lower center", "outside right upper"] = "outside lower center" if narrow else "outside right upper"
    canvas.legend([handles[f"arm {line.accent}"] for line in order], texts, loc=where, ncols=2 if narrow else 1, handlelength=3.4)


def _band(axes: Axes, line: Curve, places: Sequence[float]) -> None:
    values, lows, highs = ([drawn(value) for value in row] for row in (line.values, line.lows, line.highs))
    if line.accent is None or line.accent >= 2 * len(PALETTE):
        axes.plot(places, values, color=FAINT_COLOUR, linewidth=0.8, alpha=0.6)
        return
    looks, first = look(line.accent), line.accent < len(PALETTE)
    if first:
        axes.fill_between(places, lows, highs, color=looks["color"], alpha=0.1, linewidth=0)
    every = max(1, len(places) // 10)
    start = line.accent * every // (2 * len(PALETTE))
    axes.plot(places, values, linewidth=1.5 if first else 1.1, markevery=(start, every), label=f"arm {line.accent}", **looks)
