"""Build the report from the findings: every section, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.report.analysis.arms import Arm, arms_of, mixed_arms
from harness.report.analysis.frames import frames_of, rows_of
from harness.report.analysis.objectives import settled
from harness.report.analysis.options import Options
from harness.report.analysis.scores import ScoreBook
from harness.report.render.document import Lead, Report, Section
from harness.report.render.marks import Marks
from harness.report.sections.about import about_section, facts_of
from harness.report.sections.answers import answers_of
from harness.report.sections.anytime import anytime_section
from harness.report.sections.configurations.best import configurations_section
from harness.report.sections.configurations.importance import importance_section, importances
from harness.report.sections.contrasts import contrast_section
from harness.report.sections.cost import cost_frame, cost_section
from harness.report.sections.coverage import coverage_section, coverage_sentence
from harness.report.sections.expectations import Outcome, check_section, check_sentence
from harness.report.sections.findings import Findings
from harness.report.sections.funnel import funnel_frame, funnel_section, marked_arms
from harness.report.sections.leading.advice import advice_lead, advice_of, advice_section
from harness.report.sections.leading.best_of_each import best_answers
from harness.report.sections.leading.lead import lead_of
from harness.report.sections.leading.waiting import how_to_ask
from harness.report.sections.noninferiority import noninferiority_section
from harness.report.sections.over_tasks.normalised import normalised_section
from harness.report.sections.over_tasks.section import over_tasks_section
from harness.report.sections.positions import positions_frame, positions_section
from harness.report.sections.published.audit import audit_answers, audit_section, is_audited
from harness.report.sections.published.chosen import chosen_frame
from harness.report.sections.score_tables import score_section, score_table
from harness.report.sections.stability import stability_frame, stability_section
from harness.report.sections.trace import trace_section
from harness.report.study_data import StudyData


def build_report(found: Findings, cells: Sequence[str] = (), outcomes: Sequence[Outcome] = ()) -> Report:
    """Build the report. `cells` are shown trial by trial (see trace.py); `outcomes` are those of the expectations, where there are any."""
    study = found.study
    compared = () if found.frames.done.empty else _compared(found, cells)
    advice = advice_of(study)
    sections: list[Section] = [
        *([advice_section(advice, found.marks)] if advice else []),
        *compared,
        coverage_section(found.frames, found.marks),
        *([check_section(outcomes)] if outcomes else []),
        about_section(found),
    ]
    facts = [*facts_of(found)]
    if outcomes:
        facts.append(("Expectations", check_sentence(outcomes)))
    # Who asks what to use on a task did not ask the questions of the benchmark.
    asked = bool(compared) and study.race is None
    return Report(
        f"Study {study.name}",
        tuple(facts),
        (*answers_of(found), *best_answers(found), *audit_answers(found)) if asked else (),
        tuple(sections),
        (*study.problems, *mixed_arms(study)),
        lead=advice_lead(advice, found.marks) if advice else _lead(found),
        hint=how_to_ask(found) if asked else None,
    )


def _lead(found: Findings) -> Lead:
    if found.study.race is not None:
        return Lead(f"Nothing is known yet of what to use on {found.study.race.task}: {coverage_sentence(found.frames)}")
    return lead_of(found)


def brief_report(study: StudyData, options: Options) -> Report:
    """Build a report of the scores so far alone, for a study that still grows: it has no interval and no verdict."""
    study = settled(study)
    frames, arms = frames_of(study), arms_of(study)
    marks = Marks(arms, marked_arms(funnel_frame(study, arms), options), options.fallback_share)
    said = f"{coverage_sentence(frames)} Scores so far, without intervals and verdicts."
    table = () if frames.done.empty else (score_table(ScoreBook.of(frames, "test"), marks),)
    return Report(f"Study {study.name}", (), (), (Section("scores", "Scores so far", (*table, said)),), study.problems)


def _compared(found: Findings, cells: Sequence[str]) -> tuple[Section, ...]:
    """Build the sections that need at least one done cell."""
    study, arms, options, order = found.study, found.arms, found.options, list(found.test.order)
    focus = focus_arms(arms, order, found.noninferiority, found.reference[0])
    accents = {arm: place for place, arm in enumerate(dict.fromkeys([*focus, *order]))}
    return (
        score_section(found),
        normalised_section(found, accents),
        noninferiority_section(found),
        contrast_section(found),
        *([audit_section(found)] if is_audited(arms) else []),
        over_tasks_section(found, accents),
        anytime_section(study, found.frames, arms, list(accents), options),
        stability_section(stability_frame(study, options), found.test, options),
        funnel_section(found.funnel, found.marks, options, chosen_frame(study, arms)),
        *([positions_section(asked, found.marks)] if len(asked := positions_frame(study)) else []),
        configurations_section(found),
        importance_section(importances(found)),
        cost_section(cost_frame(study), found.test, arms),
        trace_section(study, arms, cells, options.traces),
    )


def focus_arms(arms: Mapping[str, Arm], order: Sequence[str], gaps: pd.DataFrame, reference: str) -> list[str]:
    """Return the arms whose curves have a colour: the reference, two small LLMs, the best rules, random search, then the best others."""
    small = list(dict.fromkeys(entry["arm"] for entry in rows_of(gaps) if entry["small_llm"]))
    rules, random, others = ([name for name in order if arms[name].role == role] for role in ("rules", "random", "tuner"))
    return list(dict.fromkeys([reference, *small[:2], *rules[:1], *random, *others]))
