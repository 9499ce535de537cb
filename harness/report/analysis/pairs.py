"""Pairs of cells of two arms: the same task from the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.report.analysis.frames import Frames, rows_of
from harness.report.analysis.intervals import Array
from harness.report.analysis.objectives import Objectives

# Of a difference, in points: what is below is rounding.
LEAST_POINTS = 1e-9


@dataclass(frozen=True)
class Pairs:
    """The differences `first - second` in the task's unit, positive where `first` is better, by task (empty where there is no pair).

    `missing`: seeds planned for both that lack a score on either side, by task.
    """

    first: str
    second: str
    differences: Mapping[str, Array]
    missing: Mapping[str, int]

    @property
    def strata(self) -> list[Array]:
        """The differences of every task that has any."""
        return [values for values in self.differences.values() if len(values)]

    @property
    def together(self) -> Array:
        """All differences in one array."""
        return np.concatenate(self.strata) if self.strata else np.empty(0)

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return sum(map(len, self.differences.values()))

    @property
    def lacking(self) -> int:
        """How many planned pairs have no score."""
        return sum(self.missing.values())

    @property
    def all_tasks(self) -> bool:
        """Whether every task of the study has a pair."""
        return bool(self.differences) and all(map(len, self.differences.values()))


@dataclass(frozen=True)
class ScoreIndex:
    """The oriented scores of all cells by arm, task and seed; NaN where a planned cell has none."""

    scores: Mapping[str, Mapping[str, Mapping[int, float]]]
    tasks: tuple[str, ...]
    objectives: Objectives = field(default_factory=lambda: Objectives({}))

    @classmethod
    def of(cls, frames: Frames, score: str = "test") -> ScoreIndex:
        """Index one score of a study's cells; `score` is a column of `frames.cells`."""
        done = frames.cells["state"] == "done"
        values = frames.cells.assign(value=frames.cells[score].where(done))
        found: dict[str, dict[str, dict[int, float]]] = {}
        for entry in rows_of(values[["arm", "task", "seed", "value"]]):
            found.setdefault(entry["arm"], {}).setdefault(entry["task"], {})[entry["seed"]] = entry["value"]
        return cls(found, tuple(dict.fromkeys(frames.cells["task"])), frames.objectives)

    def only(self, tasks: Sequence[str]) -> ScoreIndex:
        """Return the index of some tasks."""
        return replace(self, tasks=tuple(tasks))

    def pairs(self, first: str, second: str, other: ScoreIndex | None = None) -> Pairs:
        """Pair two arms. With `other`, another index of the same cells, the second arm's scores come from there."""
        ours, theirs = self.scores.get(first, {}), (other or self).scores.get(second, {})
        differences, missing = {}, {}
        for task in self.tasks:
            here, there = ours.get(task, {}), theirs.get(task, {})
            values = np.array([here[seed] - there[seed] for seed in here if seed in there], dtype=np.float64)
            # Equal scores that were summed in another order are a tie.
            values[np.abs(values) < LEAST_POINTS * self.objectives[task].point] = 0.0
            differences[task] = values[~np.isnan(values)]
            missing[task] = int(np.isnan(values).sum())
        return Pairs(first, second, differences, missing)


def sentences(pairs: Pairs, withheld: Mapping[str, str]) -> str:
    """Say why nothing is concluded from these pairs; empty where something may be."""
    return "; ".join(withheld[name] for name in dict.fromkeys((pairs.first, pairs.second)) if name in withheld)
