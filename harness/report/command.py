"""What the command does once it knows its study: read, compute, print, write."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.report.build import build_report
from harness.report.markdown import to_terminal
from harness.report.options import Options, with_overrides
from harness.report.records import read_study
from harness.report.write import write_report

TERMINAL_SECTIONS = ("scores", "coverage")


def produce(folder: Path, given: argparse.Namespace) -> int:
    """Print the short report, write the whole one, and return the exit status."""
    report = build_report(read_study(folder), with_overrides(Options(), given.overrides), given.cell)
    print(to_terminal(report, TERMINAL_SECTIONS), end="")
    out = given.out or folder / "report"
    write_report(report, out)
    print(f"\nWritten: {out / 'report.html'}, report.md, csv/, latex/, figures/")
    return 0
