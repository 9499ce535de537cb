"""What the sections are written from, and what expectations are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import Frames, rows_of
from harness.report.analysis.intervals import Resampling
from harness.report.analysis.normalised import NORMALISED, Scales
from harness.report.analysis.objectives import Objectives
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import ScoreBook
from harness.report.render.marks import Marks
from harness.report.render.units import pool_name
from harness.report.study_data import StudyData
from harness.trial import Objective


@dataclass(frozen=True)
class Pool:
    """Tasks whose scores may be averaged, and what is computed over them.

    `objective`: what their scores are. `margin`: of non-inferiority, in their unit. `place` counts the pools from 1; it is 0 where the
    study has one pool. `noninferiority` has a row per arm with its gap and its verdict.
    """

    objective: Objective
    tasks: tuple[str, ...]
    margin: float
    noninferiority: pd.DataFrame
    contrasts: pd.DataFrame
    place: int = 0

    @property
    def name(self) -> str:
        """The tasks and their unit, `price, in k$`; empty where the study has one pool and it is not of normalised scores."""
        if self.objective == NORMALISED:
            return f"all {len(self.tasks)} tasks, in normalised scores"
        return pool_name(self.objective, self.tasks) if self.place else ""

    @property
    def of(self) -> str:
        """The end of a title, `: price, in k$`; empty where the study has one pool."""
        return f": {self.name}" if self.place else ""

    def data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Add to rows of differences what they are in, where that is not points of a percentage."""
        if not self.place and self.objective.is_percentage and self.objective.sign > 0:
            return frame
        return frame.assign(metric=self.objective.name, unit=self.objective.unit)

    def key(self, key: str) -> str:
        """Return the key of a table or figure of this pool."""
        return f"{key}_{self.place}" if self.place else key


@dataclass(frozen=True)
class Normalised:
    """The normalised scores of the tasks that have some (`scales`), as books of both scores, which hold these tasks alone.

    `pool`: all tasks with their contrasts in normalised scores, where the scores themselves may not be averaged and every task has a scale.
    """

    scales: Scales
    frames: Frames
    test: ScoreBook
    val: ScoreBook
    pool: Pool | None = None


@dataclass(frozen=True)
class Findings:
    """All that `harness.report.compute.find` computes from a study.

    `reference` is the arm that gaps are measured to, and the reason for this choice. `pools`: the tasks that may be averaged, with gaps,
    verdicts and contrasts. `test` and `val` are the books of the two score tables. `normalised`: the same scores without a unit.
    """

    study: StudyData
    options: Options
    frames: Frames
    arms: dict[str, Arm]
    reference: tuple[str, str]
    index: ScoreIndex
    pools: tuple[Pool, ...]
    test: ScoreBook
    val: ScoreBook
    funnel: pd.DataFrame
    marks: Marks
    normalised: Normalised

    @property
    def objectives(self) -> Objectives:
        """What the scores of every task are."""
        return self.frames.objectives

    @property
    def contrast_pools(self) -> tuple[Pool, ...]:
        """The pools whose contrasts answer the questions: all tasks in normalised scores where points of all may not be averaged."""
        return self.pools if self.normalised.pool is None else (self.normalised.pool,)

    @property
    def noninferiority(self) -> pd.DataFrame:
        """Gaps and verdicts of all pools; column `pool` names the pool where there are several."""
        return _stacked(self.pools, [pool.noninferiority for pool in self.pools])

    @property
    def contrasts(self) -> pd.DataFrame:
        """The contrasts of all pools; column `pool` names the pool where there are several."""
        return _stacked(self.pools, [pool.contrasts for pool in self.pools])

    @property
    def absent(self) -> list[str]:
        """The arms without a done cell."""
        ran = set(self.frames.done["arm"])
        return [name for name in self.arms if name not in ran]

    @property
    def how(self) -> Resampling:
        """The settings of every interval."""
        return Resampling(self.options.confidence, self.options.resamples, self.options.seed)


def _stacked(pools: Sequence[Pool], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    if len(pools) == 1:
        return frames[0]
    rows: list[dict[str, Any]] = [
        {"pool": pool.name, **entry} for pool, frame in zip(pools, frames, strict=True) for entry in rows_of(frame)
    ]
    return pd.DataFrame(rows, columns=["pool", *frames[0].columns])
