"""The command: what it prints and writes, its exit status, and one line for every mistake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report.__main__ import main

QUICK = "report.resamples=200"


@pytest.fixture
def study(synthetic_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The synthetic study as ./runs/synthetic of the current folder; return its name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "synthetic").symlink_to(synthetic_folder)
    return "synthetic"


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the writing, which other tests see: it is most of the time."""
    monkeypatch.setattr("harness.report.command.write_report", lambda report, out, trials: out.mkdir(parents=True, exist_ok=True))


def test_a_study_is_found_by_name_and_its_report_written_where_asked(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([study, QUICK, "report.traces=1", "--out", str(tmp_path / "here")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Study synthetic\n")
    assert "Is the small LLM good enough?" in out
    assert f"Written: {tmp_path / 'here' / 'report.html'}\n  and beside it report.md, trials.csv, csv/, latex/, figures/\n" in out
    assert {path.name for path in (tmp_path / "here").iterdir()} == {
        "report.html",
        "report.md",
        "trials.csv",
        "csv",
        "latex",
        "figures",
    }


def test_a_brief_report_is_the_table_of_scores_and_writes_nothing(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([study, "--brief", "--out", str(tmp_path / "here")]) == 0
    out = capsys.readouterr().out
    assert "Test score of the configuration that validation chose" in out
    assert "72 of 72 planned cells are done" in out
    assert "Scores so far, without intervals and verdicts." in " ".join(out.split())
    assert not any(word in out for word in ("PASS", "FAIL", "INCONCLUSIVE"))
    assert not (tmp_path / "here").exists()


@pytest.mark.usefixtures("no_figures")
def test_a_cell_that_is_asked_for_is_traced(study: str, tmp_path: Path) -> None:
    assert main([study, QUICK, "--cell", "text/rules/1", "--out", str(tmp_path / "x")]) == 0


@pytest.mark.usefixtures("no_figures")
def test_the_exit_status_says_whether_the_expectations_are_met(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text("expectations: [{name: all there, coverage: {at_least: 1.0}}]")
    assert main([study, QUICK, "--check", str(file), "--out", str(tmp_path / "x")]) == 0
    assert capsys.readouterr().out.endswith("met      all there: 72 of 72 cells are done\nPASS: 1 of 1 expectations met\n")
    file.write_text("expectations: [{name: too good, score: {arm: random, at_least: 99.9}}]")
    assert main([study, QUICK, "--check", str(file), "--out", str(tmp_path / "x")]) == 1
    assert "NOT MET  too good: " in capsys.readouterr().out


def test_two_sources_that_agree_and_two_that_do_not(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([study, "--agree", "records"]) == 0
    assert "give the same table: 72 cells" in capsys.readouterr().out
    other = Path(shutil.copytree(tmp_path / "runs" / "synthetic", tmp_path / "other"))
    shutil.rmtree(next(path.parent for path in other.glob("*/*/*/summary.json")))
    assert main([study, "--agree", f"records:{other}"]) == 1
    assert "do not give the same table" in capsys.readouterr().out


MISTAKES = [
    (["synthetc"], "report: there is no study 'synthetc' (neither a folder, nor in runs/); did you mean 'synthetic'?"),
    (["synthetic", "reference=gpt4"], "report: cannot read 'reference=gpt4': write report.KEY=VALUE, e.g. report.reference=gpt4"),
    (["synthetic", "report.referense=gpt4"], "report: there is no setting 'report.referense'; did you mean 'reference'?"),
    (["synthetic", "report.reference=gpt"], "report: report.reference=gpt: the study has no such arm; did you mean 'gpt4'?"),
    (["synthetic", "report.resamples=many"], "report: report.resamples=many: must be a whole number"),
    (["synthetic", "report.confidence=95"], "report: report.confidence=95.0: must be from 0.5 to 0.999"),
    (["synthetic", "report.margin_points=nan"], "report: report.margin_points=nan: must be from 0 to 100"),
    (["synthetic", QUICK, "--cell", "text/rules/77"], "report: --cell text/rules/77: the study has no such cell that is done"),
    (
        ["synthetic", "--from", "wandb:x"],
        "report: cannot read from 'wandb:x': give records, wandb-offline:DIR or wandb:ENTITY/PROJECT",
    ),
    (["synthetic", "--check", "none.yaml"], "report: --check none.yaml: cannot be read (No such file or directory)"),
    (["runs"], "report: runs: no study there (neither plan.jsonl nor a cell's manifest.json)"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_one_line_and_exit_status_2(
    study: str, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_folder_that_cannot_be_written_is_one_line(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main([study, QUICK, "report.traces=0", "--out", str(tmp_path / "file" / "x")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("report: cannot write ")


def test_help_needs_neither_pandas_nor_matplotlib(tmp_path: Path) -> None:
    code = "import sys, harness.report.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()).stdout
    assert "report.KEY=VALUE" in out
    assert not {"pandas", "numpy", "matplotlib", "scipy", "wandb", "torch"} & set(eval(out.splitlines()[-1]))
