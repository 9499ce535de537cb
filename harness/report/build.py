"""From a study's data to the report as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.errors import SettingsError, near
from harness.report.about import about_section, facts_of
from harness.report.answers import answers_of
from harness.report.anytime import anytime_section
from harness.report.arms import Arm, arms_of, mixed_arms
from harness.report.contrasts import contrast_frame, contrast_section
from harness.report.cost import cost_frame, cost_section
from harness.report.coverage import coverage_section
from harness.report.data import StudyData
from harness.report.document import Report, Section
from harness.report.frames import frames_of, rows_of
from harness.report.funnel import funnel_frame, funnel_section
from harness.report.gaps import gap_frame, verdict_section
from harness.report.options import Options
from harness.report.pairs import ScoreIndex
from harness.report.scores import ScoreBook, score_section
from harness.report.stability import stability_frame, stability_section
from harness.report.story import story_section


def build_report(study: StudyData, options: Options, cells: Sequence[str] = ()) -> Report:
    """Compute every section of the report; `cells` are told in full (see story.py)."""
    frames, arms = frames_of(study), arms_of(study)
    reference = choose_reference(arms, options)
    test = ScoreIndex.of(frames)
    gaps = gap_frame(test, arms, reference[0], options)
    contrasts = contrast_frame(arms, test, ScoreIndex.of(frames, "first_test"), options)
    book = ScoreBook.of(frames, "test")
    funnel = funnel_frame(study, arms)
    sections: list[Section] = [
        score_section(book, ScoreBook.of(frames, "val"), arms, gaps, reference[0]),
        verdict_section(gaps, reference, options),
        contrast_section(contrasts, options),
        anytime_section(study, frames, arms, focus_arms(arms, book.order, gaps, reference[0]), options),
        stability_section(stability_frame(study, options), list(book.order), options),
        funnel_section(funnel, options),
        cost_section(cost_frame(study), book.averages, arms, book.order),
        story_section(study, arms, cells, options.told),
        coverage_section(frames, arms),
        about_section(study, arms, options),
    ]
    return Report(
        f"Study {study.name}",
        facts_of(study, frames, reference),
        answers_of(gaps, contrasts, arms, reference[0]),
        tuple(sections),
        (*study.problems, *mixed_arms(study)),
    )


def choose_reference(arms: Mapping[str, Arm], options: Options) -> tuple[str, str]:
    """Return the reference arm and why it is that one. Raises SettingsError for one that the study lacks."""
    if options.reference:
        if options.reference not in arms:
            raise SettingsError(f"report.reference={options.reference}: the study has no such arm{near(options.reference, arms)}")
        return options.reference, "as asked for"
    for name in options.references:
        if name in arms and arms[name].kind != "unknown":
            return name, f"the first of {', '.join(options.references)} that ran"
    return next(iter(arms)), f"the first arm of the plan, since none of {', '.join(options.references)} ran"


def focus_arms(arms: Mapping[str, Arm], order: Sequence[str], gaps: pd.DataFrame, reference: str) -> list[str]:
    """Return the arms that the curves show in colour: the reference, small LLMs, the rules, random search, then the best others."""
    small = [entry["arm"] for entry in rows_of(gaps) if entry["small_llm"]]
    rules = [name for name in order if arms[name].kind == "rules"]
    random = [name for name in order if arms[name].method.endswith("random.Random")]
    others = [name for name in order if arms[name].kind == "classical" and arms[name].tries_more]
    return list(dict.fromkeys([reference, *small[:2], *rules[:1], *random, *others]))
