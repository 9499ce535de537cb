"""Draws shares as horizontal bars, one panel for each task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from harness.report.render.escape import clean, cut
from harness.report.render.plot_style import PALETTE, TEXT_COLOUR

PANELS_IN_A_ROW = 3
NAME_COLUMNS, TITLE_COLUMNS = 17, 32
# In inches: of a bar, and of a panel's title and axis.
BAR, ROUND = 0.19, 0.55


@dataclass(frozen=True, slots=True)
class Bar:
    """A share in [0, 1] with its interval, and the larger one that holds it."""

    name: str
    value: float
    low: float
    high: float
    whole: float


def bar_panels(panels: Mapping[str, Sequence[Bar]], *, axis: str) -> Canvas:
    """Draw a panel for each name: the shares dark, a line for their intervals, and the larger shares light behind them."""
    columns = min(PANELS_IN_A_ROW, len(panels))
    rows = math.ceil(len(panels) / columns)
    most = max((len(bars) for bars in panels.values()), default=1)
    height = rows * (ROUND + BAR * most) + 0.3
    # A layout that is computed takes longer than the drawing.
    canvas = Canvas(figsize=(7.2, height))
    canvas.subplots_adjust(
        left=0.16, right=0.985, top=1 - 0.28 / height, bottom=0.48 / height, hspace=ROUND / (BAR * most), wspace=0.75
    )
    for place, (title, bars) in enumerate(panels.items(), start=1):
        axes = canvas.add_subplot(rows, columns, place)
        lines = range(len(bars))
        axes.barh(lines, [100 * bar.whole for bar in bars], height=0.62, color=PALETTE[0], alpha=0.3, linewidth=0)
        axes.barh(lines, [100 * bar.value for bar in bars], height=0.62, color=PALETTE[0], linewidth=0)
        for line, bar in enumerate(bars):
            axes.plot([100 * bar.low, 100 * bar.high], [line, line], color=TEXT_COLOUR, linewidth=1.0, solid_capstyle="butt")
        axes.set_yticks(lines, [cut(clean(bar.name), NAME_COLUMNS) for bar in bars])
        axes.set_ylim(most - 0.5, -0.5)
        axes.set_xlim(0.0, 100.0)
        axes.tick_params(axis="both", labelsize=7.5, length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_title(cut(clean(title), TITLE_COLUMNS), loc="left", size=8.5, pad=3)
    canvas.text(0.5, 0.1 / height, clean(axis), size=8, ha="center", va="bottom")
    return canvas
