"""Draws the figures over tasks: one panel with a curve for every arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from harness.report.render.escape import clean, cut
from harness.report.render.marks import Marks
from harness.report.render.plot_style import FAINT_COLOUR, PALETTE
from harness.report.render.plots import NAME_COLUMNS, Curve, drawable


def curves_of(frame: pd.DataFrame, column: str, marks: Marks, accents: Mapping[str, int]) -> list[Curve]:
    """Return the curve of every arm of a frame with the columns arm, `column`, low and high."""
    found = []
    for arm, part in frame.groupby("arm", sort=False):
        values, lows, highs = ([float(value) for value in part[name]] for name in (column, "low", "high"))
        found.append(Curve(marks.name(str(arm)), values, lows, highs, accents.get(str(arm))))
    return found


def bands(
    lines: Sequence[Curve], places: Sequence[float], *, axis: tuple[str, str], best_low: bool = False, ends: bool = False
) -> Canvas:
    """Draw curves with their bands over `places`. `axis` names the horizontal and the vertical axis.

    Colours come twice: whole lines first, then dashed ones without a band, which would cover the others. Further arms are grey.
    `best_low`: low values are better, and stand on top. `ends`: lines at 0 and 1 of the horizontal axis, which else holds whole numbers.
    """
    canvas = Canvas(figsize=(7.2, 4.1), layout="constrained")
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
    named = sorted((line.accent, cut(clean(line.name), NAME_COLUMNS)) for line in lines if line.accent is not None)
    handles = {str(line.get_label()): line for line in axes.get_lines()}
    canvas.legend([handles[f"arm {accent}"] for accent, _ in named], [n for _, n in named], loc="outside lower center", ncols=3)
    return canvas


def _band(axes: Axes, line: Curve, places: Sequence[float]) -> None:
    values, lows, highs = (
        [value if drawable(value) else math.nan for value in row] for row in (line.values, line.lows, line.highs)
    )
    if line.accent is None or line.accent >= 2 * len(PALETTE):
        axes.plot(places, values, color=FAINT_COLOUR, linewidth=0.8, alpha=0.45)
        return
    colour, first = PALETTE[line.accent % len(PALETTE)], line.accent < len(PALETTE)
    if first:
        axes.fill_between(places, lows, highs, color=colour, alpha=0.1, linewidth=0)
    axes.plot(places, values, "-" if first else "--", color=colour, linewidth=1.6 if first else 1.1, label=f"arm {line.accent}")
