"""Stacked bars: shares of a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure as Canvas

from harness.report.render.escape import clean
from harness.report.render.plot_style import NARROW, WIDTH
from harness.report.render.plots.values import name

# The parts of a stacked bar: colour, and the colour of the number in it. Each differs from its neighbours in lightness too.
SHARES = (
    ("#4477aa", "white"),
    ("#bbbbbb", "black"),
    ("#ee6677", "black"),
    ("#aa3377", "white"),
    ("#ccbb44", "black"),
    ("#228833", "white"),
)


def stacked(bars: Mapping[str, Sequence[float]], parts: Sequence[str], *, axis: str, narrow: bool = False) -> Canvas:
    """Draw a bar per name, made of shares of 1; `parts` names them in order. A part of at least 6 % has its number in it."""
    canvas = Canvas(figsize=(NARROW if narrow else WIDTH, 1.3 + 0.3 * max(len(bars), 1)), layout="constrained")
    axes = canvas.add_subplot()
    for number, part in enumerate(parts):
        values = [100 * shares[number] for shares in bars.values()]
        lefts = [100 * sum(shares[:number]) for shares in bars.values()]
        colour, text = SHARES[number % len(SHARES)]
        axes.barh(
            range(len(bars)), values, left=lefts, height=0.62, color=colour, edgecolor="white", linewidth=0.6, label=name(part)
        )
        for place, (left, value) in enumerate(zip(lefts, values, strict=True)):
            if value >= 6.0:
                axes.text(left + value / 2, place, f"{value:.0f}", ha="center", va="center", size=7, color=text)
    axes.set_yticks(range(len(bars)), [name(bar) for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0.0, 100.0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel(clean(axis))
    canvas.legend(loc="outside lower center", ncols=2 if narrow else 6)
    return canvas
