"""Build the report from the findings: every section, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.report.analysis.arms import Arm, mixed_arms
from harness.report.analysis.frames import rows_of
from harness.report.render.document import Report, Section
from harness.report.sections.about import about_section, facts_of
from harness.report.sections.answers import answers_of
from harness.report.sections.anytime import anytime_section
from harness.report.sections.contrasts import contrast_section
from harness.report.sections.cost import cost_frame, cost_section
from harness.report.sections.coverage import coverage_section
from harness.report.sections.expectations import Outcome, check_section, check_sentence
from harness.report.sections.findings import Findings
from harness.report.sections.funnel import funnel_section
from harness.report.sections.noninferiority import noninferiority_section
from harness.report.sections.over_tasks.normalised import normalised_section
from harness.report.sections.over_tasks.section import over_tasks_section
from harness.report.sections.positions import positions_frame, positions_section
from harness.report.sections.published.audit import audit_answers, audit_section, is_audited
from harness.report.sections.published.chosen import chosen_frame
from harness.report.sections.score_tables import score_section
from harness.report.sections.stability import stability_frame, stability_section
from harness.report.sections.trace import trace_section


def build_report(found: Findings, cells: Sequence[str] = (), outcomes: Sequence[Outcome] = ()) -> Report:
    """Build the report. `cells` are shown trial by trial (see trace.py); `outcomes` are those of the expectations, where there are any."""
    study = found.study
    compared = () if found.frames.done.empty else _compared(found, cells)
    sections: list[Section] = [
        *compared,
        coverage_section(found.frames, found.marks),
        *([check_section(outcomes)] if outcomes else []),
        about_section(found),
    ]
    facts = [*facts_of(found)]
    if outcomes:
        facts.append(("Expectations", check_sentence(outcomes)))
    answers = (*answers_of(found), *audit_answers(found)) if compared else ()
    return Report(f"Study {study.name}", tuple(facts), answers, tuple(sections), (*study.problems, *mixed_arms(study)))


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
        anytime_section(study, found.frames, arms, focus, options),
        stability_section(stability_frame(study, options), found.test, options),
        funnel_section(found.funnel, found.marks, options, chosen_frame(study, arms)),
        *([positions_section(asked, found.marks)] if len(asked := positions_frame(study)) else []),
        cost_section(cost_frame(study), found.test, arms),
        trace_section(study, arms, cells, options.traces),
    )


def focus_arms(arms: Mapping[str, Arm], order: Sequence[str], gaps: pd.DataFrame, reference: str) -> list[str]:
    """Return the arms whose curves have a colour: the reference, two small LLMs, the best rules, random search, then the best others."""
    small = list(dict.fromkeys(entry["arm"] for entry in rows_of(gaps) if entry["small_llm"]))
    rules, random, others = ([name for name in order if arms[name].role == role] for role in ("rules", "random", "tuner"))
    return list(dict.fromkeys([reference, *small[:2], *rules[:1], *random, *others]))
