"""The scores of the main table: per arm and task, and averaged over tasks."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from harness.report.analysis.frames import Frames, rows_of


def score_frame(frames: Frames, score: str) -> pd.DataFrame:
    """Return one row per arm and task: planned and done cells, cells with a score, mean, sd (n - 1) and extremes over seeds.

    `score` is test or val.
    """
    planned = frames.cells.groupby(["arm", "task"], sort=False).size().rename("planned")
    groups = frames.done.groupby(["arm", "task"], sort=False)[score]
    found = groups.agg(done="size", scored="count", mean="mean", sd="std", min="min", max="max")
    return planned.to_frame().join(found).fillna({"done": 0, "scored": 0}).astype({"done": int, "scored": int}).reset_index()


def average_frame(scores: pd.DataFrame, frames: Frames, score: str) -> pd.DataFrame:
    """Return one row per arm: the mean of its task means, NaN unless every task of the study has one.

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
    averages.loc[averages["tasks"] < tasks, ["mean", "sd"]] = float("nan")
    return averages.reset_index()


def best_arms(scores: pd.DataFrame) -> dict[str, set[str]]:
    """Return, for each task, the arms with the highest mean as it is printed, among those all of whose cells have a score."""
    best: dict[str, set[str]] = {}
    shown: dict[str, float] = {}
    for entry in rows_of(scores):
        task, mean = entry["task"], round(entry["mean"], 1)
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
    """The numbers for the tables of one score (test or val). `order` holds the arms with a done cell, best first."""

    score: str
    tasks: tuple[str, ...]
    order: tuple[str, ...]
    scores: pd.DataFrame
    averages: pd.DataFrame

    @classmethod
    def of(cls, frames: Frames, score: str) -> ScoreBook:
        """Compute means, spreads and averages."""
        scores = score_frame(frames, score)
        averages = average_frame(scores, frames, score)
        tasks = tuple(dict.fromkeys(frames.cells["task"]))
        ran = set(frames.done["arm"])
        order = tuple(arm for arm in order_by_average(averages) if arm in ran)
        return cls(score, tasks, order, scores, averages)


TITLES = {
    "test": ("scores", "Test score of the configuration that validation chose"),
    "val": ("validation", "Validation score of the same configuration"),
}
