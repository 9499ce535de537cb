"""The steps of the command: read the study, compute the findings, print the short report, write the whole one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from harness.report.analysis.options import Options, with_overrides
from harness.report.analysis.trial_table import trial_rows, trial_table
from harness.report.assemble import brief_report, build_report
from harness.report.compute import find
from harness.report.render.escape import clean
from harness.report.render.terminal import to_terminal
from harness.report.render.write import write_report
from harness.report.sections.expectations import NOT_MET, Outcome, check, check_sentence, read_expectations
from harness.report.sources.select import disagreements, read_source
from harness.report.study_data import State, StudyData

TERMINAL_SECTIONS = ("advice", "scores", "verdict", "coverage")
SHOWN_DIFFERENCES = 20


def produce(folder: Path | None, given: argparse.Namespace) -> int:
    """Print the short report, write the whole one, and return the exit status."""
    options = with_overrides(Options(), given.overrides)
    expectations = read_expectations(given.check) if given.check else []
    name = folder.resolve().name if folder else given.study
    study = read_source(given.source, folder, name)
    if given.agree:
        return agree(study, read_source(given.agree, folder, name))
    if given.brief:
        print(to_terminal(brief_report(study, options), TERMINAL_SECTIONS), end="")
        return 0
    findings = find(study, options)
    outcomes = check(findings, expectations)
    report = build_report(findings, given.cell, outcomes)
    print(to_terminal(report, TERMINAL_SECTIONS), end="")
    out = given.out or default_out(folder, given.source, name)
    write_report(report, out, trial_table(tuple(trial_rows(study))))
    print(f"\nWritten: {clean(str(out / 'report.html'))}\n  and beside it report.md, trials.csv, csv/, latex/, figures/")
    return print_outcomes(outcomes)


def default_out(folder: Path | None, source: str, name: str) -> Path:
    """Return the default folder of the report: in the folder of the study, one for each kind of source."""
    kind = source.partition(":")[0]
    last = "report" if kind == "records" else f"report-{kind}"
    return folder / last if folder else Path(f"{last}-{name}")


def print_outcomes(outcomes: Sequence[Outcome]) -> int:
    """Print the outcome of every expectation, and return 1 when one is not met."""
    if not outcomes:
        return 0
    print()
    for outcome in outcomes:
        print(f"{outcome.word:8} {clean(outcome.name)}: {clean(outcome.found)}")
    print(check_sentence(outcomes))
    return int(any(outcome.word == NOT_MET for outcome in outcomes))


def agree(first: StudyData, second: StudyData) -> int:
    """Print whether two sources hold the same cells with the same scores; return 1 when they do not."""
    found = disagreements(first, second)
    lines = list(islice(found, SHOWN_DIFFERENCES))
    for line in lines:
        print(clean(line))
    rest = sum(1 for _ in found)
    if rest:
        print(f"... and {rest} more differences")
    if lines:
        print(f"{clean(first.origin)} and {clean(second.origin)} do not give the same table")
        return 1
    cells = sum(cell.state is State.DONE for cell in first.cells)
    print(f"{clean(first.origin)} and {clean(second.origin)} give the same table: {cells} cells, every trial's scores equal")
    return 0
