"""The section: which statistics over tasks there are, over which tasks, and why others are withheld."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from harness.report.analysis.over_tasks import COVERED, COVERED_UNLIKE, LEAST_TASKS_RANKED, Complete, scores_of
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import ScoreBook
from harness.report.render.document import Item, Section, listed
from harness.report.sections.anytime import Histories
from harness.report.sections.findings import Findings
from harness.report.sections.over_tasks.improvement import improvement_frame, improvement_items, pairs_of
from harness.report.sections.over_tasks.leave_one_out import leave_one_out_items
from harness.report.sections.over_tasks.profile import profile_frame, profile_items
from harness.report.sections.over_tasks.ranks import anytime_rank_frame, anytime_rank_items, rank_items

NAMES = "ranks over tasks and over trials, the performance profile and the probability of improvement"


def over_tasks_section(found: Findings, accents: Mapping[str, int]) -> Section:
    """Build the section; `accents` are the colours of the arms."""
    order = [arm for arm in found.test.order if arm not in found.withheld]
    complete = Complete.of(found.index, order)
    why = _withheld(complete)
    statistics = [why] if why else [_lead(complete, found), *_statistics(complete, found, accents)]
    return Section("over_tasks", "Statistics over tasks", (*statistics, *leave_one_out_items(found)))


def _withheld(complete: Complete) -> str:
    """Say why nothing that draws tasks is shown; empty where it is."""
    if len(complete.arms) < 2:
        return f"Withheld: {NAMES}, since they compare arms, and fewer than two have a score on some task from every seed."
    if len(complete.tasks) >= LEAST_TASKS_RANKED:
        return ""
    count = f"{len(complete.tasks)} task{'s' * (len(complete.tasks) != 1)}"
    return (
        f"Withheld: {NAMES}. They take every task as one draw, and {count} on which all arms have a score from every seed "
        f"{'are' if len(complete.tasks) != 1 else 'is'} fewer than {LEAST_TASKS_RANKED}. In simulations, 95 % intervals that draw 12 "
        f"tasks hold the mean over other tasks {_times(12)} times in 100, those that draw 6 tasks {_times(6)} times, and where one task in "
        f"ten is unlike the others {COVERED_UNLIKE[12]} and {COVERED_UNLIKE[6]} times.{_left_out(complete)}"
    )


def _lead(complete: Complete, found: Findings) -> str:
    percent = f"{100 * found.options.confidence:g} %"
    unlike = ", ".join(
        f"{times} times with {tasks} tasks" for tasks, times in COVERED_UNLIKE.items() if tasks >= LEAST_TASKS_RANKED
    )
    return (
        f"Over {len(complete.tasks)} tasks and {len(complete.arms)} arms. Every task is taken as one draw from the tasks of its kind: the "
        f"{percent} bands and intervals draw tasks again ({found.options.resamples:,} times, each task with all of its seeds; percentiles, "
        "set wider for the number of tasks after Hesterberg 2015). A band is for one place and one arm at a time. With 12 tasks they hold "
        f"the truth {_times(12)} times in 100 in simulations where 95 are meant, and fewer where a task in ten is unlike the others "
        f"({unlike}). "
        f"Arms with many fallback draws are marked, and count as they are.{_left_out(complete)}"
    )


def _times(tasks: int) -> str:
    least, most = COVERED[tasks]
    return f"{least} to {most}"


def _left_out(complete: Complete) -> str:
    """Say which arms and tasks are left out, as sentences after others."""
    text = ""
    if complete.dropped:
        text += (
            f" Left out: {listed(complete.dropped, 30)}, with a score from every seed on too few tasks (fewer than half of those of the "
            "arm with the most)."
        )
    if complete.lacking:
        each = [f"{task} ({listed(arms, 3)})" for task, arms in complete.lacking.items()]
        text += f" Left out, since an arm lacks a score from some seed there: {listed(each, 30)}."
    return text


def _statistics(complete: Complete, found: Findings, accents: Mapping[str, int]) -> list[Item]:
    marks, how, percent = found.marks, found.how, f"{100 * found.options.confidence:g} %"
    items: list[Item] = [*rank_items(_book(found.test, complete), found.options)]
    ranks = anytime_rank_frame(Histories.of(found.frames), complete, how)
    items += anytime_rank_items(ranks, accents, marks, found.options)
    if found.normalised.scales.complete:
        index = ScoreIndex.of(found.normalised.frames)
        runs = np.concatenate([scores_of(index, arm, task) for arm in complete.arms for task in complete.tasks])
        items += profile_items(profile_frame(index, complete, how), list(runs), accents, marks, percent)
    else:
        items.append("The performance profile is withheld: it compares normalised scores, and not every task has some (see there).")
    frame = improvement_frame(found.index, pairs_of(found, complete), complete, how)
    return [*items, *improvement_items(frame, found.reference[0], marks, percent)]


def _book(book: ScoreBook, complete: Complete) -> ScoreBook:
    """Return the book of the complete tasks and arms."""
    scores = book.scores[book.scores["arm"].isin(complete.arms) & book.scores["task"].isin(complete.tasks)]
    order = tuple(arm for arm in book.order if arm in complete.arms)
    return replace(book, tasks=complete.tasks, scores=scores, order=order)
