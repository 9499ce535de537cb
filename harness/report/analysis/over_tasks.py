"""Statistics over tasks: ranks over the trials, the performance profile, and the probability of improvement.

All of them take each task as one draw from the tasks of its kind: their intervals draw tasks (`task_band`). So they are for studies with
many tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.report.analysis.intervals import QUIET, Array, Estimate, Resampling, clopper_pearson, task_band
from harness.report.analysis.pairs import ScoreIndex

# Below, ranks, profiles and probabilities over tasks are withheld: see what is measured of bands that draw fewer.
LEAST_TASKS_RANKED = 12
# How often in 100 a 95 % band that draws so many tasks holds the mean over other tasks (tests/report/analysis/test_over_tasks.py
# measures it). The least and the most of four distributions: normal, exponential, 0 or 1 alike often, and most near 0 or 1.
COVERED = {6: (89, 97), 12: (91, 96)}
# The same where one task in ten is 0 and the others are 1.
COVERED_UNLIKE = {6: 46, 12: 71, 20: 87, 42: 93}
# An arm that is complete on a smaller share of the tasks than this, of those of the most complete arm, is left out before any task is.
LEAST_COMPLETE = 0.5


@dataclass(frozen=True)
class Complete:
    """The tasks on which all compared arms have a score from every planned seed. All statistics over tasks are over these.

    `lacking`: the tasks that are left out, each with the arms that lack a score there. `dropped`: arms that are complete on too few
    tasks to be compared; they would take most tasks with them.
    """

    tasks: tuple[str, ...]
    arms: tuple[str, ...]
    lacking: Mapping[str, tuple[str, ...]]
    dropped: tuple[str, ...]

    @classmethod
    def of(cls, index: ScoreIndex, arms: Sequence[str]) -> Complete:
        """Find them, among these arms."""
        whole = {arm: {task for task in index.tasks if _is_whole(index, arm, task)} for arm in arms}
        most = max(map(len, whole.values()), default=0)
        kept = tuple(arm for arm in arms if len(whole[arm]) >= LEAST_COMPLETE * most and whole[arm])
        lacking = {task: tuple(arm for arm in kept if task not in whole[arm]) for task in index.tasks}
        tasks = tuple(task for task in index.tasks if kept and not lacking[task])
        return cls(tasks, kept, {t: a for t, a in lacking.items() if a}, tuple(arm for arm in arms if arm not in kept))


def _is_whole(index: ScoreIndex, arm: str, task: str) -> bool:
    scores = index.scores.get(arm, {}).get(task, {})
    return bool(scores) and not any(np.isnan(value) for value in scores.values())


def scores_of(index: ScoreIndex, arm: str, task: str) -> Array:
    """Return the scores of an arm on a task, one a seed."""
    return np.array(list(index.scores[arm][task].values()), dtype=np.float64)


@QUIET
def incumbent_ranks(histories: Mapping[tuple[str, str], Array], complete: Complete) -> Array:
    """Return the rank of every arm after every trial on every task, shape (tasks, arms, trials); 1 is best, ties share their mean rank.

    `histories` holds the incumbents' oriented scores, shape (seeds, trials), by arm and task. An arm's place is that of its mean over
    seeds. Where seeds have no success yet, arms with more seeds that have one come first, since a mean over the others would flatter.
    """
    ranks = []
    for task in complete.tasks:
        scores = [histories[arm, task] for arm in complete.arms]
        lacks = stats.rankdata([np.isnan(values).mean(axis=0) for values in scores], method="dense", axis=0)
        counts = np.array([(~np.isnan(values)).sum(axis=0) for values in scores])
        means = np.array([np.nansum(values, axis=0) for values in scores]) / counts
        # Without any success there is no mean, and the share of seeds without one decides alone.
        places = stats.rankdata(-np.where(counts > 0, means, 0.0), method="dense", axis=0)
        ranks.append(stats.rankdata(lacks * (len(scores) + 1) + places, axis=0))
    return np.array(ranks)


def profile(runs: Sequence[Array], taus: Array) -> Array:
    """Return the share of runs whose score is at least tau, shape (tasks, taus); `runs` holds the scores of an arm, by task.

    Averaged over tasks, it is the score distribution of Agarwal et al. 2021 (their figure 2), which follows Dolan and Moré 2002: the
    share of problems that a method solves within tau of the best. Every task has the same weight.
    """
    return np.array([(values[:, None] >= taus).mean(axis=0) for values in runs])


def chances(first: Sequence[Array], second: Sequence[Array], ties: Sequence[float]) -> Array:
    """Return for each task the chance that a run of one arm is better than a run of another, over all pairs of runs; a tie counts half.

    It is the statistic of Mann and Whitney divided by the number of pairs. Scores closer than the task's entry of `ties` tie.
    """
    found = []
    for ours, theirs, tie in zip(first, second, ties, strict=True):
        differences = ours[:, None] - theirs
        differences[np.abs(differences) < tie] = 0.0
        found.append(float(np.mean(0.5 + 0.5 * np.sign(differences))))
    return np.array(found)


def improvement(by_task: Array, how: Resampling) -> Estimate:
    """Estimate the probability of improvement P(X > Y) of Agarwal et al. 2021 from `chances`, with an interval that draws tasks.

    Where all tasks have the same chance, no draw differs. Then the interval is that of Clopper and Pearson with the tasks as draws, the
    widest that chances from 0 to 1 can need.
    """
    value = float(by_task.mean())
    if len(by_task) < 2 or np.ptp(by_task) == 0.0:
        return Estimate(value, *clopper_pearson(value, len(by_task), how), method="clopper-pearson")
    low, high = task_band(by_task[:, None], how)
    return Estimate(value, float(low[0]), float(high[0]), method="tasks drawn")
