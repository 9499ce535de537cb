"""What was computed from a study: all that the sections are written from, and all that expectations are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from harness.errors import SettingsError, near
from harness.report.arms import Arm, arms_of
from harness.report.contrasts import contrast_frame
from harness.report.data import StudyData
from harness.report.frames import Frames, frames_of
from harness.report.funnel import funnel_frame
from harness.report.gaps import gap_frame
from harness.report.options import Options
from harness.report.pairs import ScoreIndex
from harness.report.scores import ScoreBook
from harness.report.statistics import Resampling


@dataclass(frozen=True)
class Findings:
    """`reference` is the arm that gaps are measured to, and why it is that one; `test` and `val` are the books of the two tables."""

    study: StudyData
    options: Options
    frames: Frames
    arms: dict[str, Arm]
    reference: tuple[str, str]
    index: ScoreIndex
    gaps: pd.DataFrame
    contrasts: pd.DataFrame
    test: ScoreBook
    val: ScoreBook
    funnel: pd.DataFrame

    @property
    def how(self) -> Resampling:
        """How intervals are made."""
        return Resampling(self.options.confidence, self.options.resamples, self.options.seed)


def find(study: StudyData, options: Options) -> Findings:
    """Compute everything but the sections' own tables. Raises SettingsError for a reference that the study lacks."""
    frames, arms = frames_of(study), arms_of(study)
    reference = choose_reference(arms, options)
    index = ScoreIndex.of(frames)
    return Findings(
        study=study,
        options=options,
        frames=frames,
        arms=arms,
        reference=reference,
        index=index,
        gaps=gap_frame(index, arms, reference[0], options),
        contrasts=contrast_frame(arms, index, ScoreIndex.of(frames, "first_test"), options),
        test=ScoreBook.of(frames, "test"),
        val=ScoreBook.of(frames, "val"),
        funnel=funnel_frame(study, arms),
    )


def choose_reference(arms: Mapping[str, Arm], options: Options) -> tuple[str, str]:
    """Return the reference arm and why it is that one. Raises SettingsError for one that the study lacks."""
    if options.reference:
        if options.reference not in arms:
            raise SettingsError(f"report.reference={options.reference}: the study has no such arm{near(options.reference, arms)}")
        return options.reference, "as asked for"
    names = ", ".join(options.references)
    for name in options.references:
        if name in arms and arms[name].kind != "unknown":
            return name, f"the first of {names} that ran"
    return next(iter(arms)), f"the first arm of the plan, since none of {names} ran"
