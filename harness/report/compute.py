"""From a study to its findings: every frame that the sections show."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import SettingsError, near
from harness.report.analysis.arms import Arm, arms_of
from harness.report.analysis.frames import Frames, frames_of
from harness.report.analysis.objectives import margin_of, settled
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import ScoreBook
from harness.report.render.marks import Marks
from harness.report.sections.contrasts import contrast_frame
from harness.report.sections.findings import Findings, Pool
from harness.report.sections.funnel import funnel_frame, marked_arms, not_the_models
from harness.report.sections.noninferiority import noninferiority_frame
from harness.report.study_data import StudyData


def find(study: StudyData, options: Options) -> Findings:
    """Compute the findings. Raises SettingsError for a reference that the study lacks."""
    study = settled(study)
    frames, arms = frames_of(study), arms_of(study)
    # Only arms with a done cell can be compared.
    ran = {name: arm for name, arm in arms.items() if (frames.done["arm"] == name).any()}
    reference = choose_reference(arms, ran, options)
    funnel = funnel_frame(study, arms)
    withheld = not_the_models(funnel, options)
    return Findings(
        study=study,
        options=options,
        frames=frames,
        arms=arms,
        reference=reference,
        index=ScoreIndex.of(frames),
        pools=pools_of(frames, ran, arms[reference[0]], withheld, options),
        test=ScoreBook.of(frames, "test"),
        val=ScoreBook.of(frames, "val"),
        funnel=funnel,
        marks=Marks(arms, marked_arms(funnel, options), options.fallback_share, withheld),
    )


def pools_of(
    frames: Frames, arms: Mapping[str, Arm], reference: Arm, withheld: Mapping[str, str], options: Options
) -> tuple[Pool, ...]:
    """Compute gaps, verdicts and contrasts over each set of tasks whose scores may be averaged."""
    test, first_test = ScoreIndex.of(frames), ScoreIndex.of(frames, "first_test")
    found = []
    several = len(frames.objectives.pools) > 1
    for place, (objective, tasks) in enumerate(frames.objectives.pools, start=1):
        margin, here = margin_of(objective, options), test.only(tasks)
        gaps = noninferiority_frame(here, arms, (reference, margin), withheld, options)
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
