"""Draws shares as horizontal bars, one panel for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from harness.report.render.escape import clean, cut
from harness.report.render.plot_style import NARROW, PALETTE, TEXT_COLOUR, WIDTH

PANELS_IN_A_ROW = 3
NAME_COLUMNS, TITLE_COLUMNS = 17, 32
# In inches: the height of a bar, and of a panel's title and axis; the width of the names.
BAR, ROUND, NAMES = 0.19, 0.55, 1.25


@dataclass(frozen=True, slots=True)
class Bar:
    """A share in [0, 1] with its interval, and the larger one that holds it."""

    name: str
    value: float
    low: float
    high: float
    whole: float


def bar_panels(panels: Mapping[str, Sequence[Bar]], *, axis: str, narrow: bool = False) -> Canvas:
    """Draw a panel for each name: the shares dark, a line for their intervals, and the larger shares light behind them.

    `narrow`: one below the other, for a phone.
    """
    columns = 1 if narrow else min(PANELS_IN_A_ROW, len(panels))
    in_rows = [list(panels.values())[start : start + columns] for start in range(0, len(panels), columns)]
    most = [max(1, *map(len, of_row)) if of_row else 1 for of_row in in_rows]
    height = sum(ROUND + BAR * bars for bars in most) + 0.3
    width = NARROW if narrow else WIDTH
    # A layout that is computed takes longer than the drawing.
    canvas = Canvas(figsize=(width, height))
    grid = canvas.add_gridspec(
        len(most),
        columns,
        height_ratios=most,
        left=NAMES / width,
        right=1 - 0.16 / width,
        top=1 - 0.28 / height,
        bottom=0.48 / height,
        hspace=ROUND / (BAR * sum(most) / len(most)),
        # The names of the next panel stand in the space between two.
        wspace=NAMES * columns / (width - columns * NAMES),
    )
    for place, (title, bars) in enumerate(panels.items()):
        axes = canvas.add_subplot(grid[place])
        lines = range(len(bars))
        axes.barh(lines, [100 * bar.whole for bar in bars], height=0.62, color=PALETTE[0], alpha=0.3, linewidth=0)
        axes.barh(lines, [100 * bar.value for bar in bars], height=0.62, color=PALETTE[0], linewidth=0)
        for line, bar in enumerate(bars):
            axes.plot([100 * bar.low, 100 * bar.high], [line, line], color=TEXT_COLOUR, linewidth=1.0, solid_capstyle="butt")
        axes.set_yticks(lines, [cut(clean(bar.name), NAME_COLUMNS) for bar in bars])
        axes.set_ylim(most[place // columns] - 0.5, -0.5)
        axes.set_xlim(0.0, 100.0)
        axes.tick_params(axis="both", labelsize=7.5, length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_title(cut(clean(title), TITLE_COLUMNS), loc="left", size=8.5, pad=3)
    canvas.text(0.5, 0.1 / height, clean(axis), size=8, ha="center", va="bottom")
    return canvas
