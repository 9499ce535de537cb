"""One cell: its trials, and the curves of its trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from harness.report.render.plot_style import FAINT_COLOUR, PALETTE, WIDTH
from harness.report.render.plots.values import drawable, drawn, in_lines

HEIGHT = 2.6


def cell_drawing(scores: Sequence[float | None], trainings: Sequence[Sequence[float]], *, axis: str, lower: bool = False) -> Canvas:
    """Draw one cell: at the left the score of every trial and the best so far, at the right the validation curve of every training.

    `lower`: lower scores are better.
    """
    scores = [score if score is not None and drawable(score) else None for score in scores]
    # A layout that is computed takes most of the time, and a page has a drawing for every arm.
    canvas = Canvas(figsize=(WIDTH, HEIGHT))
    canvas.subplots_adjust(left=0.085, right=0.99, top=0.96, bottom=0.19, wspace=0.16)
    left, right = canvas.subplots(1, 2, width_ratios=(3, 2))
    numbers = range(1, len(scores) + 1)
    known = [score for score in scores if score is not None]
    worst = (max if lower else min)(known, default=0.0)
    left.plot([n for n, s in zip(numbers, scores, strict=True) if s is not None], known, "o", markersize=4, color=FAINT_COLOUR)
    left.plot([n for n, s in zip(numbers, scores, strict=True) if s is None], [worst] * scores.count(None), "x", color=PALETTE[1])
    # Of what is drawn, and not of the trials: a score that has no place on the axis is no best one here.
    best = (np.fmin if lower else np.fmax).accumulate([math.nan if score is None else score for score in scores])
    left.step(numbers, best, where="post", color=PALETTE[0], linewidth=1.6)
    left.set_xlabel("trial (line: the best so far)")
    left.set_ylabel(in_lines(axis))
    for number, curve in enumerate(trainings, start=1):
        share = number / max(len(trainings), 1)
        marker = {"marker": "o", "markersize": 4} if len(curve) == 1 else {}
        values = [drawn(value) for value in curve]
        right.plot(range(1, len(curve) + 1), values, color=PALETTE[0], alpha=0.2 + 0.8 * share, linewidth=0.9, **marker)
    right.set_xlabel("epoch (later trials darker)")
    for axes, count in ((left, len(scores)), (right, max(map(len, trainings), default=1))):
        axes.grid(axis="y")
        axes.set_xlim(0.5, max(count, 2) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    return canvas
