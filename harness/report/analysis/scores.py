"""The scores of the main table: per arm and task, and averaged over tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from harness.report.analysis.frames import Frames, rows_of
from harness.report.analysis.objectives import Objectives


def score_frame(frames: Frames, score: str) -> pd.DataFrame:
    """Return one row per arm and task: planned and done cells, cells with a score, mean, sd (n - 1) and extremes over seeds.

    `score` is test or val. Scores are oriented, as in the frames.
    """
    planned = frames.cells.groupby(["arm", "task"], sort=False).size().rename("planned")
    groups = frames.done.groupby(["arm", "task"], sort=False)[score]
    found = groups.agg(done="size", scored="count", mean="mean", sd="std", min="min", max="max")
    return planned.to_frame().join(found).fillna({"done": 0, "scored": 0}).astype({"done": int, "scored": int}).reset_index()


def average_frame(scores: pd.DataFrame, frames: Frames, score: str) -> pd.DataFrame:
    """Return one row per arm: the mean of its task means, NaN unless every task of the study has one, and all are of one kind.

    The sd is over seeds, of the per-seed averages of the seeds that have all tasks.
    """
    tasks = frames.cells["task"].nunique()
    wide = frames.done.pivot_table(index=["arm", "seed"], columns="task", values=score)
    whole = wide.dropna() if wide.shape[1] == tasks else wide.iloc[:0]
    sd = whole.mean(axis=1).groupby("arm").std()
    per_arm = scores.groupby("arm", sort=False)
    averages = pd.DataFrame(
        {
            "tasks": per_arm["mean"].count(),
            "mean": per_arm["mean"].mean(),
            "cells": per_arm["scored"].sum(),
            "planned": per_arm["planned"].sum(),
        }
    )
    averages["sd"] = sd.reindex(averages.index)
    alike = _objectives(frames, score).shared is not None
    averages.loc[(averages["tasks"] < tasks) | (not alike), ["mean", "sd"]] = float("nan")
    return averages.reset_index()


def _objectives(frames: Frames, score: str) -> Objectives:
    return frames.objectives.of_validation if score == "val" else frames.objectives


def rank_frame(scores: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Return one row per arm that has a score on every task: its mean rank (1 is best, ties share), best first."""
    wide = scores.pivot_table(index="task", columns="arm", values="mean").reindex(list(tasks)).dropna(axis=1)
    means = wide.rank(axis=1, ascending=False).mean().rename("mean_rank").rename_axis("arm").reset_index()
    return means.sort_values("mean_rank", kind="stable", ignore_index=True)


def best_arms(scores: pd.DataFrame, digits: Callable[[str], int] = lambda _: 1) -> dict[str, set[str]]:
    """Return, for each task, the arms with the best mean as it is printed, among those all of whose cells have a score.

    `digits` says with how many decimals a task's means are printed.
    """
    best: dict[str, set[str]] = {}
    shown: dict[str, float] = {}
    for entry in rows_of(scores):
        task, mean = entry["task"], round(entry["mean"], digits(entry["task"]))
        if entry["scored"] < entry["planned"] or pd.isna(mean):
            continue
        if mean > shown.get(task, float("-inf")):
            shown[task], best[task] = mean, set()
        if mean == shown[task]:
            best[task].add(entry["arm"])
    return best


def order_by_average(averages: pd.DataFrame) -> list[str]:
    """Return the arms from the best average down; those without one follow in the order of the plan."""
    return list(averages.sort_values("mean", ascending=False, kind="stable", na_position="last")["arm"])


@dataclass(frozen=True)
class ScoreBook:
    """The numbers for the tables of one score (test or val), oriented. `order` holds the arms with a done cell, best first.

    Where tasks may not be averaged, the best arm is the one with the best mean rank (`ranks`).
    """

    score: str
    tasks: tuple[str, ...]
    order: tuple[str, ...]
    scores: pd.DataFrame
    averages: pd.DataFrame
    objectives: Objectives = field(default_factory=lambda: Objectives({}))

    @classmethod
    def of(cls, frames: Frames, score: str) -> ScoreBook:
        """Compute means, spreads and averages."""
        scores = score_frame(frames, score)
        averages = average_frame(scores, frames, score)
        tasks = tuple(dict.fromkeys(frames.cells["task"]))
        ran = set(frames.done["arm"])
        objectives = _objectives(frames, score)
        best_first = order_by_average(averages) if objectives.shared else _order_by_rank(scores, tasks)
        order = tuple(arm for arm in best_first if arm in ran)
        return cls(score, tasks, order, scores, averages, objectives)

    @property
    def ranks(self) -> dict[str, float]:
        """The mean rank over tasks of every arm that has a score on all of them."""
        return {entry["arm"]: entry["mean_rank"] for entry in rows_of(rank_frame(self.scores, self.tasks))}

    @property
    def natural_scores(self) -> pd.DataFrame:
        """`scores` in the tasks' own directions, as they are shown."""
        return self.objectives.natural(self.scores, "mean", ends=("min", "max"))

    @property
    def natural_averages(self) -> pd.DataFrame:
        """`averages` in the direction that all tasks share."""
        return self.objectives.natural(self.averages, "mean")


def _order_by_rank(scores: pd.DataFrame, tasks: Sequence[str]) -> list[str]:
    ranked = [str(arm) for arm in rank_frame(scores, tasks)["arm"]]
    return list(dict.fromkeys([*ranked, *scores["arm"]]))


TITLES = {
    "test": ("scores", "Test score of the configuration that validation chose"),
    "val": ("validation", "Validation score of the same configuration"),
}
