"""Draws the figures with matplotlib: a module for each kind of figure, and what they share.

A drawing is as wide as the page. Those with `narrow` are drawn a second time for a phone.
"""

from harness.report.render.plots.bands import bands, curves_of
from harness.report.render.plots.bar_panels import Bar, bar_panels
from harness.report.render.plots.bars import stacked
from harness.report.render.plots.cell import cell_drawing
from harness.report.render.plots.curves import Curve, curves, cut_panels, small_curves
from harness.report.render.plots.forest import Line, beyond, forest, ranks_drawing
from harness.report.render.plots.scatter import Point, beyond_points, scatter
from harness.report.render.plots.values import drawable

__all__ = [
    "Bar",
    "Curve",
    "Line",
    "Point",
    "bands",
    "bar_panels",
    "beyond",
    "beyond_points",
    "cell_drawing",
    "curves",
    "curves_of",
    "cut_panels",
    "drawable",
    "forest",
    "ranks_drawing",
    "scatter",
    "small_curves",
    "stacked",
]
