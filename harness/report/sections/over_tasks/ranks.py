"""Ranks over tasks: at the end, with a critical difference, and after every trial."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from harness.report.analysis.frames import rows_by
from harness.report.analysis.intervals import Resampling, task_band
from harness.report.analysis.options import Options
from harness.report.analysis.over_tasks import Complete, incumbent_ranks
from harness.report.analysis.scores import ScoreBook, rank_frame
from harness.report.render.document import Figure, Item, Table, Text, columns, number, row
from harness.report.render.marks import Marks
from harness.report.render.plots import bands, curves_of, ranks_drawing
from harness.report.render.units import validation_notes
from harness.report.sections.anytime import SHOWN_TRIALS, Histories

LEAST_ARMS = 3


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


def rank_items(book: ScoreBook, options: Options) -> tuple[Item, ...]:
    """Build the critical-difference diagram of a book with enough tasks; nothing with fewer than three arms."""
    ranks = mean_ranks(book)
    if len(ranks) < LEAST_ARMS:
        return ()
    p = friedman_p(book)
    difference = critical_difference(len(ranks), len(book.tasks), options.confidence)
    lines = list(zip(ranks["arm"].astype(str), ranks["mean_rank"].astype(float), strict=True))
    figure = Figure(
        "ranks",
        f"Mean ranks over {len(book.tasks)} tasks (1 is best); a bar joins arms that Nemenyi's test does not tell apart",
        f"Mean ranks from {lines[0][0]} at {lines[0][1]:.2f} to {lines[-1][0]} at {lines[-1][1]:.2f}.",
        ranks.assign(critical_difference=difference, friedman_p=p),
        lambda: ranks_drawing(lines, difference),
        narrow=lambda: ranks_drawing(lines, difference, narrow=True),
    )
    said = "p < 0.0001" if p < 0.0001 else f"p = {number(p, 4)}"
    text = f"Friedman's test of equal ranks: {said}. Critical difference: {number(difference, 2)} ranks."
    return (text, *validation_notes(book.objectives), figure)


def anytime_rank_frame(histories: Histories, complete: Complete, how: Resampling) -> pd.DataFrame:
    """Return one row per arm and trial: the incumbent's mean rank over tasks, and its band, which draws tasks."""
    ranks = incumbent_ranks(histories.test, complete)
    means = ranks.mean(axis=0)
    frames = []
    for place, arm in enumerate(complete.arms):
        low, high = task_band(ranks[:, place], how)
        trials = range(1, histories.budget + 1)
        frames.append(pd.DataFrame({"arm": arm, "trial": trials, "mean_rank": means[place], "low": low, "high": high}))
    return pd.concat(frames, ignore_index=True).assign(tasks=len(complete.tasks))


def anytime_rank_items(frame: pd.DataFrame, accents: Mapping[str, int], marks: Marks, options: Options) -> tuple[Item, ...]:
    """Build the figure and the table of ranks over the trials."""
    percent, tasks, budget = f"{100 * options.confidence:g} %", int(frame["tasks"].iloc[0]), int(frame["trial"].max())
    title = (
        f"Mean rank of the incumbent over {tasks} tasks after each trial (1 is best, on top), with {percent} bands that draw tasks"
    )
    lines = curves_of(frame, "mean_rank", marks, accents)
    last = {line.name: line.values[-1] for line in lines}
    first = min(last, key=lambda name: last[name])
    figure = Figure(
        "anytime_ranks",
        title,
        f"Curves of {len(lines)} arms over {budget} trials; {first} ends first, at a mean rank of {last[first]:.2f}.",
        frame,
        lambda: bands(lines, range(1, budget + 1), axis=("trials", "mean rank"), best_low=True),
        narrow=lambda: bands(lines, range(1, budget + 1), axis=("trials", "mean rank"), best_low=True, narrow=True),
    )
    return (figure, _table(frame, marks, tasks))


def _table(frame: pd.DataFrame, marks: Marks, tasks: int) -> Table:
    budget = int(frame["trial"].max())
    shown = sorted({trial for trial in SHOWN_TRIALS if trial <= budget} | {budget})
    found = rows_by(frame, "arm", "trial")
    best = {trial: number(frame.loc[frame["trial"] == trial, "mean_rank"].min(), 2) for trial in shown}
    order = sorted(dict.fromkeys(frame["arm"]), key=lambda arm: found[arm, budget]["mean_rank"])
    rows = []
    for arm in order:
        texts = [number(found[arm, trial]["mean_rank"], 2) for trial in shown]
        last = found[arm, budget]
        cells = [Text(text, strong=text == best[trial]) for text, trial in zip(texts, shown, strict=True)]
        rows.append(row(marks.name(arm), *cells, f"{number(last['low'], 2)} to {number(last['high'], 2)}"))
    heads = columns("arm", *(f"after {trial}" for trial in shown), f"band after {budget}")
    notes = (
        "A rank is of the mean test score over seeds that a study of so many trials would have reported; arms that tie share the mean of "
        "their ranks, and arms with more seeds without any success by then stand behind the others.",
        *marks.notes(order),
    )
    return Table("anytime_ranks_table", f"Mean ranks over {tasks} tasks after so many trials", heads, tuple(rows), frame, notes)
