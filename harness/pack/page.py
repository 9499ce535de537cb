"""The page of a study, as `python -m harness.report` makes it."""

from __future__ import annotations

from pathlib import Path


def write_page(study: Path, out: Path) -> Path:
    """Make the whole report of a study in a folder, and return its page. Raises HarnessError."""
    # pandas and matplotlib take a second: no other option of the command needs them.
    from harness.report.analysis.options import Options  # noqa: PLC0415
    from harness.report.analysis.trial_table import trial_rows, trial_table  # noqa: PLC0415
    from harness.report.assemble import build_report  # noqa: PLC0415
    from harness.report.compute import find  # noqa: PLC0415
    from harness.report.render.write import write_report  # noqa: PLC0415
    from harness.report.sources.records import read_study  # noqa: PLC0415

    read = read_study(study)
    write_report(build_report(find(read, Options())), out, trial_table(tuple(trial_rows(read))))
    return out / "report.html"
