"""From a study to its findings: every frame that the sections show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from harness.errors import SettingsError, near
from harness.report.analysis.arms import Arm, arms_of
from harness.report.analysis.frames import Frames, frames_of
from harness.report.analysis.normalised import NORMALISED, Scales
from harness.report.analysis.objectives import margin_of, settled
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import ScoreBook
from harness.report.render.marks import Marks
from harness.report.sections.contrasts import contrast_frame
from harness.report.sections.findings import Findings, Normalised, Pool
from harness.report.sections.funnel import funnel_frame, marked_arms, not_the_models
from harness.report.sections.given import given_unlike, given_without_test, given_words
from harness.report.sections.noninferiority import NONINFERIORITY_COLUMNS, noninferiority_frame
from harness.report.study_data import StudyData


def find(study: StudyData, options: Options) -> Findings:
    """Compute the findings. Raises SettingsError for a reference that the study lacks."""
    study = settled(study)
    frames, arms = frames_of(study), arms_of(study)
    # Only arms with a done cell can be compared.
    ran = {name: arm for name, arm in arms.items() if (frames.done["arm"] == name).any()}
    reference = choose_reference(arms, ran, options)
    funnel = funnel_frame(study, arms)
    withheld = not_the_models(funnel, options) | given_without_test(frames, arms)
    normalised = normalised_of(study, frames, ran, withheld, options)
    test, val = (ScoreBook.of(frames, score) for score in ("test", "val"))
    return Findings(
        study=study,
        options=options,
        frames=frames,
        arms=arms,
        reference=reference,
        index=ScoreIndex.of(frames),
        pools=pools_of(frames, ran, arms[reference[0]], withheld, options),
        test=in_order(test, normalised.test),
        val=in_order(val, normalised.val),
        funnel=funnel,
        marks=Marks(arms, marked_arms(funnel, options), options.fallback_share, withheld, given_words(frames, arms)),
        normalised=normalised,
    )


def normalised_of(
    study: StudyData, frames: Frames, arms: Mapping[str, Arm], withheld: Mapping[str, str], options: Options
) -> Normalised:
    """Read the scales of the tasks, and compute what is shown in normalised scores."""
    scales, of_val = (Scales.of(study, frames.objectives, score) for score in ("test", "val"))
    scaled, pool = scales.frames(frames), None
    if scales.complete and frames.objectives.refusal and arms:
        index, first = ScoreIndex.of(scaled), ScoreIndex.of(scaled, "first_test")
        contrasts = contrast_frame(arms, index, first, options, withheld)
        # No verdict is in normalised scores: the margin is in points.
        gaps = pd.DataFrame(columns=NONINFERIORITY_COLUMNS)
        pool = Pool(NORMALISED, index.tasks, math.nan, gaps, contrasts, len(frames.objectives.pools) + 1)
    return Normalised(scales, scaled, ScoreBook.of(scaled, "test"), ScoreBook.of(of_val.frames(frames), "val"), pool)


def in_order(book: ScoreBook, normalised: ScoreBook) -> ScoreBook:
    """Return a book in the order of the normalised means, where scores may not be averaged and every task has a scale."""
    if book.objectives.shared is not None or normalised.tasks != book.tasks:
        return book
    return replace(book, order=normalised.order)


def pools_of(
    frames: Frames, arms: Mapping[str, Arm], reference: Arm, withheld: dict[str, str], options: Options
) -> tuple[Pool, ...]:
    """Compute gaps, verdicts and contrasts over each set of tasks whose scores may be averaged."""
    test, first_test = ScoreIndex.of(frames), ScoreIndex.of(frames, "first_test")
    found = []
    several = len(frames.objectives.pools) > 1
    for place, (objective, tasks) in enumerate(frames.objectives.pools, start=1):
        margin, here = margin_of(objective, options), test.only(tasks)
        gaps = noninferiority_frame(here, arms, (reference, margin), withheld | given_unlike(arms, reference), options)
        contrasts = contrast_frame(arms, here, first_test, options, withheld)
        found.append(Pool(objective, tasks, margin, gaps, contrasts, place if several else 0))
    return tuple(found)


def choose_reference(arms: Mapping[str, Arm], ran: Mapping[str, Arm], options: Options) -> tuple[str, str]:
    """Return the reference arm, one of those that `ran`, and the reason. Raises SettingsError for one that the study lacks."""
    if options.reference:
        if options.reference not in arms:
            raise SettingsError(f"report.reference={options.reference}: the study has no such arm{near(options.reference, arms)}")
        return options.reference, "as asked for"
    names = ", ".join(options.references)
    for name in options.references:
        if name in ran:
            return name, f"the first of {names} that ran"
    return next(iter(ran or arms)), f"the first arm of the plan that ran, since none of {names} did"
