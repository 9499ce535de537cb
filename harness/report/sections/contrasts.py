"""Contrasts: two arms that differ in one thing, compared on the same task from the same seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.families import FAMILIES, FOLDED, contrasts_of
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import (
    FEW_PAIRS,
    FEW_SEEDS,
    FEW_TASKS,
    Array,
    Resampling,
    is_few,
    probability_of_improvement,
    seed_interval,
    task_interval,
)
from harness.report.analysis.normalised import NORMALISED
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import Pairs, ScoreIndex, sentences
from harness.report.analysis.statistics import holm, rank_biserial, smallest_p
from harness.report.render.document import Column, Figure, Fold, Item, Section, Table, Text, interval, listed, number, row
from harness.report.render.marks import NO_BREAK, Marks
from harness.report.render.plots import Line, beyond, forest
from harness.report.render.units import difference_digits, refused, score_of, steps_of, validation_notes
from harness.report.sections.findings import Findings, Pool
from harness.report.sections.noninferiority import beyond_notes, figures_of
from harness.trial import Objective

LEVEL = 0.05
UNLIKE = "§"


def contrast_frame(
    arms: Mapping[str, Arm], test: ScoreIndex, first_test: ScoreIndex, options: Options, withheld: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row per contrast with effect, both intervals, probability of improvement, rank-biserial correlation and Holm's p.

    `first_test` holds the test scores of the first trials. Holm's correction is within a family. A contrast with an arm of
    `withheld` has its difference, and nothing that would be a finding.
    """
    how = Resampling(options.confidence, options.resamples, options.seed)
    rows = []
    for contrast in contrasts_of(arms):
        pairs = test.pairs(contrast.first, contrast.second, first_test if contrast.family == "first" else None)
        found = {**vars(contrast), **measures(pairs, how), "withheld": sentences(pairs, withheld)}
        rows.append(
            {**found, **dict.fromkeys(CONCLUSIONS, math.nan), "method": "none", "why": found["withheld"]}
            if found["withheld"]
            else found
        )
    frame = pd.DataFrame(rows, columns=CONTRAST_COLUMNS[:-2])
    frame["p_holm"], frame["reachable"] = np.nan, False
    for _, group in frame.groupby("family", sort=False):
        tested = int(group["p"].notna().sum())
        frame.loc[group.index, "p_holm"] = holm(list(group["p"]))
        frame.loc[group.index, "reachable"] = group["smallest_p"] * tested <= LEVEL
    return frame


# What is concluded from the pairs of a contrast.
CONCLUSIONS = (
    "low",
    "high",
    "tasks_low",
    "tasks_high",
    "improvement",
    "improvement_low",
    "improvement_high",
    "rank_biserial",
    "p",
)
CONTRAST_COLUMNS = [
    "family",
    "first",
    "second",
    "unlike",
    "pairs",
    "lacking",
    "tasks",
    "of_tasks",
    "wins",
    "ties",
    "losses",
    "difference",
    "low",
    "high",
    "method",
    "why",
    "few",
    "tasks_low",
    "tasks_high",
    "improvement",
    "improvement_low",
    "improvement_high",
    "rank_biserial",
    "p",
    "smallest_p",
    "withheld",
    "p_holm",
    "reachable",
]


def measures(pairs: Pairs, how: Resampling) -> dict[str, Any]:
    """Return everything that is computed from the pairs of one contrast; differences and intervals in the unit of the scores."""
    values: Array = pairs.together
    strata = pairs.strata
    seeds, tasks, improvement = seed_interval(strata, how), task_interval(strata, how), probability_of_improvement(strata, how)
    return {
        "pairs": pairs.count,
        "lacking": pairs.lacking,
        "tasks": len(strata),
        "of_tasks": len(pairs.differences),
        "wins": int((values > 0).sum()),
        "ties": int((values == 0).sum()),
        "losses": int((values < 0).sum()),
        "difference": seeds.value,
        "low": seeds.low,
        "high": seeds.high,
        "method": seeds.method,
        "why": seeds.why,
        "few": is_few(strata),
        "tasks_low": tasks.low,
        "tasks_high": tasks.high,
        "improvement": improvement.value,
        "improvement_low": improvement.low,
        "improvement_high": improvement.high,
        "rank_biserial": rank_biserial(values) if len(values) else math.nan,
        # Pairs that all tie show no difference, by any test.
        "p": 1.0 if len(values) and not np.any(values) else seeds.p,
        "smallest_p": smallest_p(int((values != 0).sum())),
    }


def contrast_section(found: Findings) -> Section:
    """Build one table per family, and the figure of all contrasts except the gains over the first trial, for each pool of tasks."""
    percent = f"{100 * found.options.confidence:g} %"
    items: list[Item] = [
        f"Each row compares two arms that differ in one thing, over pairs of the same task and seed. The difference is in "
        f"{_unit_words(found)}, averaged over tasks; its {percent} interval is for these tasks (seeds drawn again within each), the one "
        "after it for other tasks of their kind (tasks drawn again too). p is of that same averaged difference being 0, from the same "
        "distribution as the interval for these tasks, with Holm's correction within the table. P(better) is the chance that a pair "
        "favours the first arm, ties counting half. r is the rank-biserial correlation, from −1 to +1, of all pairs put together: it "
        "weighs how many pairs favour an arm, and can disagree with the average."
    ]
    if found.objectives.refusal:
        first = (
            "in points is averaged over all of them. First all of them in normalised scores, then each"
            if found.normalised.pool
            else ""
        )
        items.append(
            refused(found.objectives, f"no difference {first or 'is averaged over all of them. Each'} kind of score by itself")
        )
    items += validation_notes(found.objectives)
    families: set[str] = set()
    for pool in (*([found.normalised.pool] if found.normalised.pool else []), *found.pools):
        present = [family for family in FAMILIES if (pool.contrasts["family"] == family).any()]
        families |= set(present)
        items += _of_pool(pool, present, found.marks, percent)
    absent = [title.partition(":")[0] for family, title in FAMILIES.items() if family not in families]
    if absent and found.study.race is None:  # a race did not ask for them
        items.append(f"Not in this study, for want of arms that differ in just that. {'. '.join(absent)}.")
    return Section("contrasts", "Contrasts: what makes the difference", tuple(items))


def _unit_words(found: Findings) -> str:
    """Say what differences are in: points of test score, or the unit of the tasks' own metric."""
    shared = found.objectives.shared
    if shared is None:
        return "the unit that is named, and above 0 where the first arm is better"
    better = " (above 0: the first arm is better, which has the lower scores)" if shared.sign < 0 else ""
    return f"{_differences(shared)}{better}"


def _differences(objective: Objective) -> str:
    return f"{steps_of(objective)} of {score_of(objective)}"


def _of_pool(pool: Pool, families: Sequence[str], marks: Marks, percent: str) -> list[Item]:
    items: list[Item] = [_figure(pool, marks, percent)] if set(families) - {"first"} else []
    for family in families:
        table = _table(family, pool, marks, percent)
        items.append(Fold(table.title, (table,)) if family in FOLDED else table)
    return items


def _table(family: str, pool: Pool, marks: Marks, percent: str) -> Table:
    frame, digits = pool.contrasts[pool.contrasts["family"] == family], difference_digits(pool.objective)
    heads = (
        Column("arm" if family == "first" else "first − second", numeric=False),
        Column("pairs"),
        Column("difference" if pool.objective.is_percentage else f"difference, {steps_of(pool.objective)}"),
        Column(f"{percent}, these tasks"),
        Column(f"{percent}, other tasks"),
        Column("P(better)"),
        Column("r"),
        Column("p (Holm)"),
    )
    rows = []
    for entry in rows_of(frame):
        difference = entry["difference"]
        rows.append(
            row(
                label(entry, marks),
                pairs_text(entry),
                Text(number(difference, digits, sign=True), value=difference),
                Text(interval(entry["low"], entry["high"], digits), value=difference),
                Text(interval(entry["tasks_low"], entry["tasks_high"], digits), value=difference),
                number(entry["improvement"], 2),
                number(entry["rank_biserial"], 2, sign=True),
                "–" if entry["withheld"] else p_text(entry["p_holm"], bool(entry["reachable"])),
            )
        )
    title = f"{FAMILIES[family]}{pool.of}"
    return Table(pool.key(f"contrasts_{family}"), title, heads, tuple(rows), pool.data(frame), _notes(frame, marks))


def _notes(frame: pd.DataFrame, marks: Marks) -> tuple[str, ...]:
    """Return the notes of a table: its marks, its dashes, and intervals that may be too short."""
    notes = [f"* below {LEVEL}."] if ((frame["p_holm"] < LEVEL) & frame["reachable"]).any() else []
    if not frame.loc[frame["withheld"] == "", "reachable"].all():
        notes.append(f"“too few”: so few pairs differ that no outcome could bring Holm's p below {LEVEL}.")
    notes += [f"{UNLIKE} {unlike}." for unlike in dict.fromkeys(frame["unlike"]) if unlike]
    without: dict[str, list[str]] = {}
    for entry in rows_of(frame):
        if entry["why"] and entry["pairs"] and not entry["withheld"]:  # the note of the arm's mark says that
            without.setdefault(entry["why"], []).append(label(entry))
    notes += [f"No interval: {listed(labels)}: {why}." for why, labels in without.items()]
    if frame["few"].any():
        notes.append(few_note())
    if frame["tasks_low"].notna().any() and int(frame["tasks"].max()) < FEW_TASKS:
        notes.append(
            f"Other tasks: from fewer than {FEW_TASKS} tasks, an interval for others takes these for a fair draw of their kind, with gains "
            "that are not skewed."
        )
    return (*notes, *marks.notes([*frame["first"], *frame["second"]]))


def few_note() -> str:
    """Return the note for intervals from few pairs."""
    return (
        f"With fewer than {FEW_SEEDS} seeds a task, or {FEW_PAIRS} pairs in all, a rare collapse may not have been seen, and intervals of "
        "skewed differences are too short (see Method)."
    )


def pairs_text(entry: Mapping[str, Any]) -> str:
    """Write the number of pairs; also the planned number and the number of tasks, where some are missing."""
    text = str(entry["pairs"]) if not entry["lacking"] else f"{entry['pairs']} of {entry['pairs'] + entry['lacking']}"
    return text if entry["tasks"] == entry["of_tasks"] else f"{text}, in {entry['tasks']} of {entry['of_tasks']} tasks"


def label(entry: Mapping[str, Any], marks: Marks | None = None) -> str:
    """Name a contrast. With `marks`, the arms have theirs; UNLIKE marks two arms that differ in more than one thing."""
    first, second = ((marks.name(str(entry[side])) if marks else str(entry[side])) for side in ("first", "second"))
    if entry["family"] == "first":
        return first
    return f"{first} − {second}{NO_BREAK}{UNLIKE}" if entry["unlike"] else f"{first} − {second}"


def p_text(p: float, reachable: bool) -> str:
    """Write a p value, with a star below LEVEL; `too few` where so few pairs can never reach it."""
    if math.isnan(p):
        return "–"
    if not reachable:
        return "too few"
    text = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return f"{text} *" if p < LEVEL else text


def _figure(pool: Pool, marks: Marks, percent: str) -> Figure:
    frame = pool.contrasts[pool.contrasts["family"] != "first"]
    known = frame.dropna(subset=["difference"])
    lines = [
        Line(
            label(entry, marks),
            entry["difference"],
            entry["low"],
            entry["high"],
            group=FAMILIES[family].partition(":")[0],
            said=figures_of(entry["difference"], entry["low"], entry["high"], pool.objective),
        )
        for family in FAMILIES
        for entry in rows_of(known[known["family"] == family])
    ]
    unit = "" if pool.objective == NORMALISED else f", {steps_of(pool.objective)}"
    score, better = score_of(pool.objective), " (above 0: better)" if pool.objective.sign < 0 else ""
    axis = f"difference of {score}{unit}{better}"
    return Figure(
        pool.key("contrasts"),
        f"Differences of {score} between arms that differ in one thing, with {percent} intervals for these tasks{pool.of}",
        f"{len(lines)} contrasts in {_differences(pool.objective)}.",
        pool.data(frame),
        lambda: forest(lines, axis=axis, margin=None),
        beyond_notes(beyond(lines, margin=None)),
        lambda: forest(lines, axis=axis, margin=None, narrow=True),
    )
