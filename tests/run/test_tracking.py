"""Real W&B, offline: runs are written by real commands and read back from their files."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import CONF, environment, records, run, start, without_result
from support.sweeps import in_full_but
from support.values import trial

from harness.report.sources.wandb_offline import chunks, read_offline, read_run
from harness.report.sources.wandb_run import MirroredRun, to_cell
from harness.run.tracking import COLUMNS, history_rows, run_summary, table_row
from harness.store.cell_folder import MANIFEST, TRIALS, read_trials
from harness.trial import PERCENT, Direction, Objective


def home(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment with a home folder of its own and no W&B settings from outside."""
    folder.mkdir(exist_ok=True)
    kept = {
        name: value for name, value in environment(HOME=str(folder), **more).items() if not name.startswith("WANDB") or name in more
    }
    return {name: value for name, value in kept.items() if not name.startswith("XDG")}


def offline_runs(study: Path) -> list[Path]:
    return sorted(study.glob("wandb/offline-run-*/run-*.wandb"))


def texts(path: Path) -> str:
    """Return all of a run file's texts, good enough to look for one."""
    return b"".join(chunks(path.read_bytes())).decode(errors="replace")


def summary_of(path: Path) -> dict[str, Any]:
    """Return what a run's summary holds, as W&B shows it."""
    from wandb.proto import wandb_internal_pb2

    proto: Any = wandb_internal_pb2
    summary: dict[str, Any] = {}
    for payload in chunks(path.read_bytes()):
        record = proto.Record()
        record.ParseFromString(payload)
        summary |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.summary.update}
    return summary


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a sweep with W&B as it is by default, and return the folder that it ran in."""
    folder = tmp_path_factory.mktemp("mirrored")
    ran = run(("task=toy", "seeds=2", "budget=4", "start=default", "study=pilot"), folder, env=home(folder / "home"))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert len(without_result(ran.stderr)) == 2, ran.stderr
    return folder


@pytest.fixture(scope="module")
def first(mirrored: Path) -> tuple[MirroredRun, Path, dict[str, Any]]:
    """Return the run of seed 0, its cell's folder and its manifest."""
    (folder,) = mirrored.glob("runs/pilot/toy/*/seed0-*")
    manifest = json.loads((folder / MANIFEST).read_text())
    (path,) = (path for path in offline_runs(mirrored / "runs" / "pilot") if manifest["cell"] in path.name)
    return read_run(path), folder, manifest


def test_every_cell_is_a_finished_run_named_by_its_id_and_the_records_can_be_read_back_from_it(mirrored: Path) -> None:
    study = mirrored / "runs" / "pilot"
    cells = {to_cell(read_run(path)).seed: (to_cell(read_run(path)), path) for path in offline_runs(study)}
    assert sorted(cells) == [0, 1]
    for seed, (cell, path) in cells.items():
        (folder,) = study.glob(f"toy/random+default/seed{seed}-*")
        # The study is in the id too: two studies of one project may hold the same cell.
        assert path.stem == f"run-{json.loads((folder / MANIFEST).read_text())['cell']}-{hashlib.sha256(b'pilot').hexdigest()[:6]}"
        assert read_run(path).finished
        assert [t.config for t in cell.trials] == [t.config for t in read_trials(folder)]
        assert [t.score for t in cell.trials] == [t.score for t in read_trials(folder)]
        assert [len(t.outcome.curve) for t in cell.trials] == [len(t.outcome.curve) for t in read_trials(folder)]


def test_group_tags_name_and_project_are_as_the_tables_call_them(
    first: tuple[MirroredRun, Path, dict[str, Any]], mirrored: Path
) -> None:
    run, _, manifest = first
    text = texts(next(path for path in offline_runs(mirrored / "runs" / "pilot") if manifest["cell"] in path.name))
    for expected in ("pilot", "tcs-harness", "task:toy", "arm:random+default", "seed:0", "toy/random+default/seed0"):
        assert expected in text
    assert [run.config[name] for name in ("task", "arm", "seed", "budget", "start")] == ["toy", "random+default", 0, 4, "default"]
    assert run.config["identity"] == manifest["identity"]
    assert run.config["environment"]["packages"] == manifest["environment"]["packages"]


def test_history_has_a_row_an_epoch_and_a_row_a_trial_and_the_table_and_artifact_come_last(
    first: tuple[MirroredRun, Path, dict[str, Any]], mirrored: Path
) -> None:
    run, folder, manifest = first
    trials = read_trials(folder)
    epochs = [row for row in run.history if "epoch/trial" in row]
    of_trials = [row for row in run.history if "trial/number" in row]
    assert [row["epoch/val_score_pct"] for row in epochs] == [e.val_score_pct for t in trials for e in t.outcome.curve]
    assert [row["epoch/index"] for row in epochs] == list(range(1, len(epochs) + 1))
    assert [row["trial/number"] for row in of_trials] == [1, 2, 3, 4]
    assert [row["trial/status"] for row in of_trials] == [str(t.outcome.status) for t in trials]
    assert of_trials[0]["trial/source"] == "default"
    assert of_trials[-1]["best/val_score_pct"] == max(t.score for t in trials if t.score is not None)
    path = next(path for path in offline_runs(mirrored / "runs" / "pilot") if manifest["cell"] in path.name)
    text = texts(path)
    assert f"cell-{manifest['cell']}" in text
    assert str(folder / TRIALS) in text
    assert str(folder / MANIFEST) in text
    best = max((t for t in trials if t.score is not None), key=lambda t: (t.score or 0.0, -t.number))
    summary = summary_of(path)
    assert {
        name: summary[name] for name in ("best_val_score_pct", "best_test_score_pct", "best_trial", "best_config", "trial_count")
    } == {
        "best_val_score_pct": best.score,
        "best_test_score_pct": best.outcome.test_score_pct,
        "best_trial": best.number,
        "best_config": best.config,
        "trial_count": 4,
    }
    assert not [name for name in summary if name.startswith(("config/", "epoch/", "trial/", "best/"))], (
        "those would be the last row's"
    )
    (table,) = path.parent.glob("files/media/table/trials_*.table.json")
    rows = json.loads(table.read_text())
    assert rows["columns"] == [*COLUMNS, "learning_rate", "momentum"]
    assert len(rows["data"]) == 4


def test_nothing_is_written_outside_the_study(mirrored: Path) -> None:
    assert [path for path in (mirrored / "home").rglob("*") if path.is_file()] == []
    assert sorted(path.name for path in mirrored.iterdir()) == ["home", "runs"]


SLOW = ("--config-dir", str(CONF), "task=faulty", "task.params.epoch_seconds=0.05", "budget=6")


@pytest.mark.parametrize("number", in_full_but(lambda number: number == signal.SIGTERM, [signal.SIGKILL, signal.SIGTERM]))
def test_a_cell_that_was_broken_off_is_mirrored_anew_and_in_full(tmp_path: Path, number: signal.Signals) -> None:
    with start(SLOW, tmp_path, env=home(tmp_path / "home")) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and sum(p.read_bytes().count(b"\n") for p in tmp_path.glob("runs/**/trials.jsonl")) < 3:
            time.sleep(0.02)
        process.send_signal(number)
        process.communicate(timeout=30)
    study = tmp_path / "runs" / "main"
    (broken,) = offline_runs(study)
    if number == signal.SIGTERM:  # it had the time to close its run, as one that did not end well
        assert len([row for row in read_run(broken).history if "trial/number" in row]) >= 2
    ran = run(SLOW, tmp_path, env=home(tmp_path / "home"))
    assert ran.returncode == 0, ran.stderr
    (whole,) = offline_runs(study)
    assert [row["trial/number"] for row in read_run(whole).history if "trial/number" in row] == list(range(1, 7))
    assert read_run(whole).finished
    (aside,) = study.glob("wandb/broken-off-offline-run-*")
    assert aside.name == f"broken-off-{broken.parent.name}"


BROKEN: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "its folder is a file": ({}, (), "NotADirectoryError"),
    "its environment makes no sense": ({"WANDB_CONSOLE": "nonsense"}, (), "ValidationError"),
    "it cannot be imported": ({}, (), "ModuleNotFoundError"),
    "it has no key": (
        {},
        ("tracking=wandb_online",),
        "there is no key for tracking=wandb_online: 'wandb login', or export WANDB_API_KEY",
    ),
}


@pytest.mark.parametrize("case", in_full_but(lambda case: case in ("it cannot be imported", "it has no key"), BROKEN))
def test_w_and_b_broken_in_any_way_is_one_line_and_costs_no_trial(tmp_path: Path, case: str) -> None:
    more, overrides, words = BROKEN[case]
    study = tmp_path / "runs" / "main"
    study.mkdir(parents=True)
    if case == "its folder is a file":
        (study / "wandb").touch()
    if case == "it cannot be imported":
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "wandb.py").write_text("raise ModuleNotFoundError('no wandb')")
        more = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "none"), environment()["PYTHONPATH"]])}
    env = {**home(tmp_path / "home"), **more}
    ran = run(("task=toy", "seeds=3", "budget=3", *overrides), tmp_path, env=env)
    assert (ran.returncode, ran.stdout) == (0, "")
    warnings = [line for line in without_result(ran.stderr) if not line.startswith("[")]
    assert len(warnings) == 1 or (case == "its folder is a file" and len(warnings) <= 3), ran.stderr
    assert warnings[0].startswith("W&B: ")
    assert words in warnings[0]
    found = records(study)
    assert [len(rows) for rows in found.values()] == [3, 3, 3]
    if case == "it has no key":
        assert "wandb sync" in warnings[0]
        assert len(offline_runs(study)) == 3
        assert all(read_run(path).finished for path in offline_runs(study))


def test_nobody_is_asked_for_a_key_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "harness", "task=toy", "budget=1", "tracking=wandb_online", "progress=plain"]
        env = home(tmp_path / "home", TERM="xterm")
        with subprocess.Popen(
            command, cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:
            os.close(theirs)
            try:
                assert process.wait(timeout=60) == 0
            finally:
                process.kill()
        said = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    assert "there is no key for tracking=wandb_online" in said
    assert "(1)" not in said, "the menu of W&B's login"
    assert len(offline_runs(tmp_path / "runs" / "main")) == 1


ONE = ("task=toy", "budget=1")
IN_THE_ENVIRONMENT: dict[str, tuple[dict[str, str], tuple[str, ...], int]] = {
    "disabled": ({"WANDB_MODE": "disabled"}, (), 0),
    "an older word": ({"WANDB_DISABLED": "true"}, (), 0),
    "offline": ({"WANDB_MODE": "offline"}, (), 1),
    "the command line wins": ({"WANDB_MODE": "disabled"}, ("tracking=wandb_offline",), 1),
    "its mode alone wins": ({"WANDB_MODE": "disabled"}, ("tracking.mode=offline",), 1),
    "it wins with off": ({"WANDB_MODE": "nonsense"}, ("tracking=off",), 0),
    "in a sweep": ({"WANDB_MODE": "disabled"}, ("seed=0,1", "-m"), 0),
}


@pytest.mark.parametrize("case", in_full_but(lambda case: case in ("disabled", "the command line wins"), IN_THE_ENVIRONMENT))
def test_the_mode_of_the_environment_counts_unless_the_command_line_gives_one(case: str, tmp_path: Path) -> None:
    variables, overrides, runs = IN_THE_ENVIRONMENT[case]
    ran = run((*ONE, *overrides), tmp_path, env=home(tmp_path / "home", **variables))
    assert ran.returncode == 0, ran.stderr
    assert len(offline_runs(tmp_path / "runs" / "main")) == runs


def test_a_mode_of_the_environment_that_makes_no_sense_is_one_line(tmp_path: Path) -> None:
    ran = run(ONE, tmp_path, env=home(tmp_path / "home", WANDB_MODE="sometimes"))
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert "WANDB_MODE=sometimes: must be online, offline or disabled" in ran.stderr
    assert not (tmp_path / "runs").exists()


def test_project_user_and_folder_of_the_environment_count_unless_the_command_line_gives_them(tmp_path: Path) -> None:
    variables = {"WANDB_PROJECT": "my-project", "WANDB_ENTITY": "my-team", "WANDB_DIR": str(tmp_path / "mine")}
    env = home(tmp_path / "home", **variables)
    assert run(ONE, tmp_path, env=env).returncode == 0
    (path,) = offline_runs(tmp_path / "mine")
    assert not offline_runs(tmp_path / "runs" / "main")
    text = texts(path)
    assert ("my-project" in text, "my-team" in text) == (True, True)
    (manifest,) = tmp_path.glob("runs/main/toy/*/*/manifest.json")
    assert json.loads(manifest.read_text())["settings"]["tracking"] == {
        "mode": "offline",
        "project": "my-project",
        "entity": "my-team",
    }
    assert read_offline(tmp_path / "mine", "main").cells[0].task == "toy"
    assert run((*ONE, "tracking.project=given", "seed=1"), tmp_path, env=env).returncode == 0
    other = next(entry for entry in offline_runs(tmp_path / "mine") if entry != path)
    assert ("my-project" in texts(other), "given" in texts(other)) == (False, True)


def test_the_summary_holds_one_trial_whole() -> None:
    first, second = trial(1, 60.0), trial(2, 50.0)
    first = replace(first, proposal=replace(first.proposal, config={"rule": "sgd", "momentum": 0.9}))
    second = replace(second, proposal=replace(second.proposal, config={"rule": "adam"}))
    assert run_summary((first, second), PERCENT)["best_config"] == {"rule": "sgd", "momentum": 0.9}
    assert run_summary((second, first), PERCENT)["best_trial"] == 1
    assert run_summary((first, second), Objective("rmse", Direction.MINIMIZE, "s", 1.0))["best_trial"] == 2
    assert run_summary((trial(1, None),), PERCENT) == {"trial_count": 1}


def test_tracking_off_imports_no_w_and_b(tmp_path: Path) -> None:
    program = "import sys; from harness.__main__ import main; main(['task=toy', 'tracking=off', 'budget=2']); print('wandb' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
    assert not (tmp_path / "runs" / "main" / "wandb").exists()


def test_a_failed_trial_has_a_row_without_scores_and_the_incumbent_stays() -> None:
    def last(*trials: Any) -> Mapping[str, Any]:
        return list(history_rows(trials, PERCENT))[-1]

    failed = last(trial(1, 60.0), trial(2, None))
    assert failed["trial/status"] == "crashed"
    assert failed["trial/error"] == "RuntimeError: gone"
    assert "trial/val_score_pct" not in failed
    assert failed["best/trial"] == 1
    assert "best/trial" not in last(trial(1, None))
    assert last(trial(1, -50.0), trial(2, -20.0))["best/trial"] == 2
    assert table_row(trial(1, None))[3:6] == [None, None, None]
