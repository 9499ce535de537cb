"""From a study's data to the report as values."""

from __future__ import annotations

from harness.errors import SettingsError, near
from harness.report.arms import Arm, arms_of, mixed_arms
from harness.report.coverage import coverage_section
from harness.report.data import StudyData
from harness.report.document import Report, Section
from harness.report.frames import frames_of
from harness.report.options import Options
from harness.report.scores import ScoreBook, score_table


def build_report(study: StudyData, options: Options) -> Report:
    """Compute every section of the report."""
    frames, arms = frames_of(study), arms_of(study)
    main = score_table(ScoreBook.of(frames, "test"), arms)
    reference = choose_reference(arms, options)
    sections = (
        Section("scores", "Scores", (main,)),
        coverage_section(frames, arms),
    )
    return Report(f"Study {study.name}", facts_of(study, reference), (), sections, (*study.problems, *mixed_arms(study)))


def choose_reference(arms: dict[str, Arm], options: Options) -> tuple[str, str]:
    """Return the reference arm and why it is that one. Raises SettingsError for one that the study lacks."""
    if options.reference:
        if options.reference not in arms:
            raise SettingsError(f"report.reference={options.reference}: the study has no such arm{near(options.reference, arms)}")
        return options.reference, "as asked for"
    for name in options.references:
        if name in arms and arms[name].kind != "unknown":
            return name, f"the first of {', '.join(options.references)} that ran"
    return next(iter(arms)), f"the first arm of the plan, since none of {', '.join(options.references)} ran"


def facts_of(study: StudyData, reference: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the lines under the title."""
    return (("Read from", study.origin), ("Reference arm", f"{reference[0]} ({reference[1]})"))
