"""The results of a study in Python, and the same as the report's trials.csv."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.cells import cells_of
from support.given import given_file

import harness
from harness.config.given import read_given
from harness.errors import RecordError
from harness.pack.packing import pack
from harness.report.__main__ import main as report
from harness.report.analysis.trial_table import AFTER, BEFORE
from harness.run.study import add_to_plan, run_cells
from harness.store.cell_folder import SUMMARY, TRIALS
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm, write_study


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of an LLM and of random search on two tasks. Copy it before you change it."""
    folder = tmp_path_factory.mktemp("runs") / "synthetic"
    arms = [SyntheticArm("random"), llm_arm("tcs_gpt4", "gpt-4o", "tcs", start="default")]
    write_study(folder, SyntheticStudy(arms, tasks=("vision", "text"), seeds=range(2), budget=4))
    return folder


def test_the_frame_has_a_row_per_trial_in_the_documented_columns(synthetic: Path) -> None:
    results = harness.load(synthetic)
    frame = results.frame()
    assert len(frame) == len(results.trials) == 2 * 2 * 2 * 4
    names = [name for name in map(str, frame) if not name.startswith("config.")]
    assert names == [*BEFORE, *AFTER]
    assert str(list(frame)[4]).startswith("config.")
    assert results.unfinished == results.damaged == {}
    row, trial = frame.iloc[0], results.trials[0]
    values = {str(name): value for name, value in row.items() if str(name).startswith("config.")}
    assert (row["task"], row["arm"], row["seed"], row["trial"]) == (trial.task, trial.arm, trial.seed, trial.trial.number)
    assert trial.config == {name.removeprefix("config."): v for name, v in values.items() if not pd.isna(v)}
    scored = [row.score for row in results.trials if row.score is not None]
    assert sorted(frame["score"].dropna()) == sorted(scored)
    assert frame["status"].eq("ok").equals(frame["score"].notna())


def test_tokens_and_price_are_those_of_the_trial_s_calls(synthetic: Path) -> None:
    frame = harness.load(synthetic).frame().set_index("arm")
    assert frame.loc["random", ["tokens_in", "tokens_out", "usd"]].isna().to_numpy().all()
    asked = frame.loc["tcs_gpt4"]
    assert asked.loc[asked["source"] == "default", "tokens_in"].isna().all()
    assert (asked.loc[asked["source"] != "default", ["tokens_in", "tokens_out", "usd"]] > 0).to_numpy().all()


def test_the_report_writes_the_same_as_trials_csv(synthetic: Path, tmp_path: Path) -> None:
    assert report([str(synthetic), "report.resamples=200", "report.traces=0", "--out", str(tmp_path)]) == 0
    frame = harness.load(synthetic).frame()
    written = pd.read_csv(tmp_path / "trials.csv")
    pd.testing.assert_frame_equal(written, frame, check_dtype=False)


def test_what_the_report_wrote_can_be_given_to_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (cell,), settings = cells_of(tmp_path / "runs", "budget=3", f"given={given_file(tmp_path)}")
    add_to_plan(tmp_path / "runs" / "main", [cell])
    run_cells([cell], settings)
    rows = harness.load("main").frame()
    rows.to_csv("trials.csv", index=False)
    found = read_given("trials.csv", cell.task)
    assert found.by_task
    assert [trial.score for trial in found.given.trials] == [row.score for row in harness.load("main").trials]
    assert list(rows["source"]) == ["given"] * 3 + ["optimizer"] * 3


def test_a_packed_study_and_one_cell_give_the_same_trials(synthetic: Path, tmp_path: Path) -> None:
    study = shutil.copytree(synthetic, tmp_path / "s")
    whole = harness.load(study).trials
    cell = next(study.glob("text/random/*"))
    alone = harness.load(cell, curves=True).trials
    assert [row.trial.outcome.curve != () for row in alone].count(True) >= 3
    pack(study, keep=False)
    assert not cell.exists()
    assert harness.load(study).trials == harness.load(study / "packed.zip").trials == whole
    assert harness.load(cell, curves=True).trials == alone


def test_damaged_and_unfinished_cells_are_named(synthetic: Path, tmp_path: Path) -> None:
    study = shutil.copytree(synthetic, tmp_path / "s")
    one, other = sorted(study.glob("text/random/*"))
    (one / TRIALS).write_bytes((one / TRIALS).read_bytes().replace(b'"val_score_pct":', b'"val_score_pct":1', 1))
    (other / SUMMARY).unlink()
    results = harness.load(study)
    with pytest.warns(UserWarning, match=r"s: text/random/seed0-.*trials.jsonl, line 1: damaged"):
        frame = results.frame()
    assert list(results.damaged) == ["text/random/seed0"]
    assert results.unfinished == {"text/random/seed1": "broken off, or running, after 4 of 4 trials"}
    assert len(frame) == 28
    assert set(frame.loc[frame["seed"].eq(1) & frame["arm"].eq("random"), "state"]) == {"done", "unfinished"}
    with pytest.raises(RecordError, match="damaged"):
        _ = harness.load(one).trials


def test_a_study_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "main").mkdir(parents=True)
    with pytest.raises(RecordError, match=r"there is no study 'mian'.*did you mean 'main'"):
        harness.load("mian")
    with pytest.raises(RecordError, match="no study there"):
        _ = harness.load("main").trials


def test_best_has_a_row_per_cell_with_the_trial_that_validation_chose(synthetic: Path) -> None:
    results = harness.load(synthetic)
    found, frame = results.best(), results.frame()
    assert len(found) == 2 * 2 * 2
    assert set(found) <= set(frame)
    of_cell = frame.loc[frame.groupby(["task", "arm", "seed"], sort=False)["score"].idxmax(), list(found)]
    pd.testing.assert_frame_equal(found, of_cell.reset_index(drop=True), check_dtype=False)
