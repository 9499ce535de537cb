"""The same study read from its records, from W&B's offline files and from a W&B project gives the same table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.wandb_files import read_when_written

from harness.errors import RecordError, SettingsError
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.sources.select import disagreements, read_source
from harness.report.sources.wandb_offline import read_offline, read_run
from harness.report.sources.wandb_online import read_online, too_many_requests
from harness.report.study_data import State, StudyData
from harness.run.tracking import WandbTracker, history_rows
from harness.store.cell_folder import MANIFEST, TRIALS, read_json, read_trials
from harness.store.plan import read_plan
from harness.testing.servers.wandb_api import HostedRun, WandbDouble, serving
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm, trials_of, write_study
from harness.trial import PERCENT, Trial

ARMS = [SyntheticArm("random", -1.0, failure_rate=0.3), llm_arm("tcs_phi4", "phi4", "tcs", retry_rate=0.3, start="default")]
SCALE: dict[str, object] = {"val": {"median": 60.0, "best": 80.5}, "test": {"median": 60, "best": 80}, "source": "made up"}
STUDY = SyntheticStudy(ARMS, ("a", "b"), (0, 1), references={"a": SCALE, "b": {**SCALE, "test": None}})
CONFIG = ("identity", "settings", "environment", "reference", "cell", "study", "arm")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources") / "study"
    write_study(folder, STUDY)
    return folder


@pytest.fixture(scope="module")
def mirrored(records: Path) -> Path:
    """The same study with W&B's offline files beside the records, written by the harness's own tracker."""
    arms = {arm.name: arm for arm in ARMS}
    for entry in read_plan(records):
        cell = STUDY.cell("study", arms[entry.arm], entry.task, entry.seed)
        tracker = WandbTracker(records, mode="offline", project="p", entity=None)
        tracker.start(cell, read_json(records / entry.folder / MANIFEST), ())
        for trial in trials_of(STUDY, arms[entry.arm], cell):
            tracker.trial(trial)
        tracker.finish({"schema": 1}, records / entry.folder)
        assert not tracker.broken
    read_when_written(records / "wandb", "study", cells=len(read_plan(records)))
    return records


def main_tables(study: StudyData) -> list[str]:
    found = find(study, Options(resamples=200))
    books = (found.test, found.val, found.normalised.test, found.normalised.val)
    assert found.normalised.test.tasks == ("a",)
    return [book.scores.sort_values(["arm", "task"]).to_csv(index=False) for book in books]


def test_the_offline_files_give_the_same_table_as_the_records(mirrored: Path) -> None:
    ours, theirs = read_source("records", mirrored, "study"), read_source("wandb-offline:", mirrored, "study")
    assert list(disagreements(ours, theirs)) == []
    assert main_tables(ours) == main_tables(theirs)
    assert theirs.problems == ()
    assert build_report(find(theirs, Options(resamples=200, traces=2))).sections


def test_the_offline_files_keep_curves_sources_and_configurations(mirrored: Path) -> None:
    ours, theirs = read_source("records", mirrored, "study"), read_source("wandb-offline:", mirrored, "study")
    by_id = {cell.cell: cell for cell in theirs.cells}
    for cell in ours.cells:
        full, mirror = ours.in_full(cell), theirs.in_full(by_id[cell.cell])
        for one, other in zip(full.trials, mirror.trials, strict=True):
            assert one.outcome == other.outcome
            assert (one.config, one.proposal.source) == (other.config, other.proposal.source)


def test_a_score_that_differs_is_named(mirrored: Path) -> None:
    ours = read_source("records", mirrored, "study")
    cell = ours.cells[0]
    place = next(n for n, trial in enumerate(cell.trials) if trial.outcome.ok)
    trials = list(cell.trials)
    trials[place] = replace(trials[place], outcome=replace(trials[place].outcome, test_score_pct=12.0))
    theirs = replace(ours, cells=(replace(cell, trials=tuple(trials)), *ours.cells[1:]))
    (line,) = disagreements(ours, theirs)
    assert line.startswith(f"a/random/seed0: trial {place + 1}: test_score_pct ")
    assert line.endswith(" against 12.0")


def test_a_cell_that_one_source_lacks_is_named(mirrored: Path) -> None:
    ours = read_source("records", mirrored, "study")
    lines = list(disagreements(ours, replace(ours, origin="elsewhere", cells=ours.cells[1:])))
    assert lines == ["a/random/seed0: done in the records in study/, not in elsewhere"]


def test_an_offline_file_cut_short_is_unfinished_and_one_that_is_none_is_named(mirrored: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(mirrored / "wandb", tmp_path / "wandb"))
    cut, empty, *_ = sorted(copy.glob("offline-run-*/run-*.wandb"))
    cut.write_bytes(cut.read_bytes()[:-2000])
    empty.write_bytes(b":W&")
    data = read_offline(copy, "study")
    states = [cell.state for cell in data.cells]
    assert states.count(State.UNFINISHED) == 1
    assert states.count(State.DONE) == len(read_plan(mirrored)) - 2
    (line,) = data.problems
    assert "not a W&B run file" in line


def test_a_flipped_byte_ends_the_reading_there(mirrored: Path, tmp_path: Path) -> None:
    path = tmp_path / "offline-run-x" / "run-x.wandb"
    path.parent.mkdir()
    data = bytearray(next(iter(sorted(mirrored.glob("wandb/offline-run-*/run-*.wandb")))).read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    run = read_run(path)
    assert not run.finished
    assert run.config


def test_a_study_that_is_not_there_is_refused_in_one_line(mirrored: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="none of its 8 W&B offline runs is of the study 'other'"):
        read_offline(mirrored / "wandb", "other")
    with pytest.raises(RecordError, match="no W&B offline run there"):
        read_offline(tmp_path, "study")
    for source in ("wandb:project", "wndb:x", "records", ""):
        with pytest.raises(SettingsError, match="cannot read from"):
            read_source(source, None, "study")


def hosted(records: Path, *, artifacts: bool) -> list[HostedRun]:
    """Return the study's runs as the tracker would have put them online."""
    runs = []
    for entry in read_plan(records):
        manifest = read_json(records / entry.folder / MANIFEST)
        config = {key: manifest[key] for key in CONFIG}
        rows: list[dict[str, Any]] = []
        trials: tuple[Trial, ...] = ()
        for trial in read_trials(records / entry.folder):
            trials = (*trials, trial)
            rows += history_rows(trials, PERCENT)
        names = (MANIFEST, TRIALS)
        files = {name: (records / entry.folder / name).read_bytes() for name in names} if artifacts else {}
        history = [] if artifacts else [{"_step": step, **json.loads(json.dumps(row))} for step, row in enumerate(rows)]
        runs.append(HostedRun(entry.cell, "study", config, history, files=files))
    return runs


Online = Callable[..., tuple[StudyData, WandbDouble, list[float]]]


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, records: Path) -> Online:
    """Read the study from the double; return it, the double, and the seconds that the reader asked to wait."""
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))

    def read(*, artifacts: bool, **refuse: int) -> tuple[StudyData, WandbDouble, list[float]]:
        double, waited = WandbDouble(hosted(records, artifacts=artifacts), refuse), list[float]()
        with serving(double):
            return read_online("ent/proj", "study", base_url=double.url, wait=waited.append), double, waited

    return read


def test_a_project_with_record_artifacts_gives_the_same_table(online: Online, records: Path) -> None:
    theirs, double, _ = online(artifacts=True)
    ours = read_source("records", records, "study")
    assert list(disagreements(ours, theirs)) == []
    assert main_tables(ours) == main_tables(theirs)
    assert double.count("HistoryPage") == 0


def test_a_project_without_artifacts_is_read_from_its_whole_history(online: Online, records: Path) -> None:
    theirs, double, _ = online(artifacts=False)
    assert list(disagreements(read_source("records", records, "study"), theirs)) == []
    assert double.count("HistoryPage") >= len(read_plan(records))


def test_runs_come_in_pages(online: Online, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.report.sources.wandb_online.PAGE", 3)
    theirs, double, _ = online(artifacts=True)
    assert len(theirs.cells) == 8
    assert double.count("Runs") == 3


def test_too_many_requests_are_asked_again(online: Online) -> None:
    theirs, double, _ = online(artifacts=False, Runs=2, HistoryPage=1)
    assert len(theirs.cells) == 8
    assert double.count("Runs") >= 3


def test_a_project_that_is_not_there_is_one_line(online: Online, records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(WandbDouble(hosted(records, artifacts=True))) as double:
        with pytest.raises(RecordError, match="W&B ent/other: ") as caught:
            read_online("ent/other", "study", base_url=double.url)
        assert "\n" not in str(caught.value)
        with pytest.raises(RecordError, match="no run of the study 'else'"):
            read_online("ent/proj", "else", base_url=double.url)


def test_the_seconds_that_a_429_asks_for_are_understood() -> None:
    class Response:
        status_code = 429
        headers = {"Retry-After": "7"}  # noqa: RUF012

    class Refused(Exception):
        response = Response()

    assert too_many_requests(Refused()) == 7.0
    assert too_many_requests(RuntimeError("HTTP 429 Too Many Requests")) == 0.0
    assert too_many_requests(RuntimeError("no such project")) is None
