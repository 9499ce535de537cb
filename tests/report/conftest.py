"""Synthetic studies: in memory for what is computed, on the disk for what is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Report
from harness.report.render.write import write_report
from harness.report.sections.findings import Findings
from harness.report.sources.records import read_study
from harness.report.study_data import CellData, State, StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm, trials_of, write_study

PHI, GPT = "phi4-reasoning:14b", "gpt-4o"
StudyOf = Callable[..., StudyData]
FindingsOf = Callable[..., Findings]


def in_memory(synthetic: SyntheticStudy, leave_out: Sequence[tuple[str, str, int]] = ()) -> StudyData:
    """Return the study as the reader would, without calls and without touching the disk."""
    cells = []
    for arm in synthetic.arms:
        for task in synthetic.tasks:
            for seed in synthetic.seeds:
                cell = synthetic.cell("synthetic", arm, task, seed)
                manifest = synthetic.manifest(cell, arm, {})
                data = CellData(task, arm.name, seed, synthetic.budget, cell.id, cell.folder, arm.startup_trials, manifest=manifest)
                if (arm.name, task, seed) not in leave_out:
                    data = replace(data, state=State.DONE, trials=tuple(trials_of(synthetic, arm, cell)))
                cells.append(data)
    return StudyData("synthetic", "memory", tuple(cells))


@pytest.fixture
def findings_of() -> FindingsOf:
    """Compute a synthetic study; keyword arguments are options."""

    def made(synthetic: SyntheticStudy, leave_out: Sequence[tuple[str, str, int]] = (), **options: Any) -> Findings:
        return find(in_memory(synthetic, leave_out), Options(**{"resamples": 2000, **options}))

    return made


def arms() -> list[SyntheticArm]:
    """Return one arm of every kind that the report tells apart, few enough to be quick."""
    return [
        SyntheticArm("default_only", -6.0, role="default", start="default", failure_rate=0.0),
        SyntheticArm("random", -1.5),
        SyntheticArm("random+default", -0.8, start="default"),
        SyntheticArm("tpe_startup10", -1.5, role="tuner", startup_trials=10),
        SyntheticArm("rules", -0.4, role="rules", start="default"),
        llm_arm("tcs_phi4", PHI, "tcs", -0.2, start="default", retry_rate=0.1, fallback_rate=0.02),
        llm_arm("raw_phi4", PHI, "raw", -1.4, start="default", retry_rate=0.2, fallback_rate=0.3),
        llm_arm("gpt4", GPT, "raw", 0.0, start="default"),
    ]


@pytest.fixture(scope="session")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on the disk: every kind of arm, three tasks, three seeds. Read it, never write into it."""
    folder = tmp_path_factory.mktemp("studies") / "synthetic"
    write_study(folder, SyntheticStudy(arms(), tasks=("vision", "text", "graph"), seeds=range(3)))
    return folder


QUICK = Options(resamples=200, traces=1)


@pytest.fixture(scope="session")
def synthetic_out(synthetic_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The report of that study, and the folder that it is written into."""
    out = tmp_path_factory.mktemp("synthetic_report")
    report = build_report(find(read_study(synthetic_folder), QUICK))
    write_report(report, out)
    return report, out


@pytest.fixture(scope="session")
def hostile() -> Report:
    """The report of a study in which every text is hostile."""
    from report.hostile import hostile_study

    return build_report(find(hostile_study(), QUICK))


@pytest.fixture(scope="session")
def hostile_out(hostile: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is written into."""
    out = tmp_path_factory.mktemp("hostile_report")
    write_report(hostile, out)
    return out
