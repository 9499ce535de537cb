"""What the sections are written from, and what expectations are checked against."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import Frames
from harness.report.analysis.intervals import Resampling
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import ScoreBook
from harness.report.render.marks import Marks
from harness.report.study_data import StudyData


@dataclass(frozen=True)
class Findings:
    """All that `harness.report.compute.find` computes from a study.

    `reference` is the arm that gaps are measured to, and the reason for this choice. `noninferiority` has a row per arm with its gap
    and its verdict. `test` and `val` are the books of the two score tables.
    """

    study: StudyData
    options: Options
    frames: Frames
    arms: dict[str, Arm]
    reference: tuple[str, str]
    index: ScoreIndex
    noninferiority: pd.DataFrame
    contrasts: pd.DataFrame
    test: ScoreBook
    val: ScoreBook
    funnel: pd.DataFrame
    marks: Marks

    @property
    def absent(self) -> list[str]:
        """The arms without a done cell."""
        ran = set(self.frames.done["arm"])
        return [name for name in self.arms if name not in ran]

    @property
    def how(self) -> Resampling:
        """The settings of every interval."""
        return Resampling(self.options.confidence, self.options.resamples, self.options.seed)
