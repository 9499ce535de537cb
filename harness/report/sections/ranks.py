"""Ranks over tasks with a critical difference, for studies with enough tasks."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from harness.report.analysis.options import Options
from harness.report.analysis.scores import ScoreBook, rank_frame
from harness.report.render.document import Figure, Section, number
from harness.report.render.plots import ranks_drawing
from harness.report.render.units import validation_notes

LEAST_TASKS, LEAST_ARMS = 12, 3


def mean_ranks(book: ScoreBook) -> pd.DataFrame:
    """Return one row per arm that has a score on every task: its mean rank (1 is best, ties share), best first."""
    return rank_frame(book.scores, book.tasks)


def critical_difference(arms: int, tasks: int, confidence: float) -> float:
    """Return Nemenyi's critical difference of mean ranks (Demsar 2006, section 3.2.2)."""
    quantile = float(stats.studentized_range.ppf(confidence, arms, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(arms * (arms + 1) / (6 * tasks))


def friedman_p(book: ScoreBook) -> float:
    """Return the p value of Friedman's test over the arms that have a score on every task."""
    wide = book.scores.pivot_table(index="task", columns="arm", values="mean").reindex(book.tasks).dropna(axis=1)
    if np.ptp(wide.to_numpy()) == 0:
        return 1.0
    return float(stats.friedmanchisquare(*(wide[arm] for arm in wide.columns)).pvalue)


def rank_section(book: ScoreBook, options: Options, withheld: Collection[str] = ()) -> tuple[Section, ...]:
    """Build the critical-difference diagram, without the arms of which nothing is concluded; nothing with fewer than 12 tasks."""
    book = replace(book, scores=book.scores[~book.scores["arm"].isin(list(withheld))])
    if len(book.tasks) < LEAST_TASKS:
        return ()
    ranks = mean_ranks(book)
    if len(ranks) < LEAST_ARMS:
        return ()
    difference = critical_difference(len(ranks), len(book.tasks), options.confidence)
    lines = list(zip(ranks["arm"].astype(str), ranks["mean_rank"].astype(float), strict=True))
    figure = Figure(
        "ranks",
        f"Mean ranks over {len(book.tasks)} tasks (1 is best); a bar joins arms that Nemenyi's test does not tell apart",
        f"Mean ranks from {lines[0][0]} at {lines[0][1]:.2f} to {lines[-1][0]} at {lines[-1][1]:.2f}.",
        ranks.assign(critical_difference=difference, friedman_p=friedman_p(book)),
        lambda: ranks_drawing(lines, difference),
    )
    text = f"Friedman's test of equal ranks: p = {number(friedman_p(book), 4)}. Critical difference: {number(difference, 2)} ranks."
    return (Section("ranks", "Ranks over tasks", (text, *validation_notes(book.objectives), figure)),)
