"""Files of trials that were evaluated before: what is read, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cells import cells_of, settings_of
from support.commands import run
from support.given import DEFAULT, HEAD, ROWS, given_file

from harness.config.given import read_given
from harness.errors import SettingsError
from harness.run.study import run_cells
from harness.space import Space
from harness.task import TaskCard, TaskSpec
from harness.testing.contracts.optimizer import NASTY
from harness.trial import PERCENT, Direction, Objective, Status, Trial


def a_task(space: Space = NASTY, objective: Objective = PERCENT) -> TaskSpec:
    return TaskSpec("mine", "mine.Task", space, TaskCard("t", "d", "d", "m", "p", "e"), objective=objective)


def toy(folder: Path) -> TaskSpec:
    return settings_of(folder).task


def read(path: Path, task: TaskSpec) -> tuple[Trial, ...]:
    return read_given(str(path), task).given.trials


def test_scores_curves_tests_and_failures_become_trials(tmp_path: Path) -> None:
    first, second, third = read(given_file(tmp_path), toy(tmp_path))
    assert [t.number for t in (first, second, third)] == [1, 2, 3]
    assert {t.proposal.source for t in (first, second, third)} == {"given"}
    assert (first.config, first.score, first.outcome.test_score_pct, len(first.outcome.curve)) == (DEFAULT, 60.5, 59.0, 1)
    assert (second.score, second.outcome.best_epoch, second.outcome.test_score_pct) == (97.25, 2, None)
    assert (third.score, third.outcome.status, third.outcome.error) == (None, Status.DIVERGED, "given as diverged")


def test_json_lines_say_the_same_as_csv(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"config": DEFAULT, "score": 60.5, "test": 59},
        {"learning_rate": 0.1, "config.momentum": 0.9, "curve": [80, 97.25, 90], "status": "ok", "error": None},
        {"learning_rate": 5, "momentum": 0.2, "status": "diverged"},
    ]
    path = tmp_path / "given.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    task = toy(tmp_path)
    assert read_given(str(path), task).given.identity == read_given(str(given_file(tmp_path)), task).given.identity


def test_a_cell_of_csv_is_read_by_the_type_of_its_hyperparameter(tmp_path: Path) -> None:
    head = "learning_rate,momentum,units,layers,batch_size,nesterov,mode,warmup,kind,steps,score\n"
    row = "1e-3,0,64,-1,64.5,FALSE,none,,,,-3\n"
    (trial,) = read(given_file(tmp_path, row, head=head), a_task())
    config = {
        "learning_rate": 0.001,
        "momentum": 0.0,
        "units": 64,
        "layers": -1,
        "batch_size": 64.5,
        "nesterov": False,
        "mode": "none",
    }
    assert json.dumps(trial.config) == json.dumps(config)
    with pytest.raises(SettingsError, match=r"line 2, mode: 1 may mean '1' or 1: give the trials as JSON lines"):
        read(given_file(tmp_path, row.replace("none", "1"), head=head), a_task())


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("7e9,0.5,60,,,", "learning_rate: 7e+09 is above the maximum 10"),
        ("fast,0.5,60,,,", "learning_rate: 'fast' is not a number"),
        (",0.5,60,,,", "learning_rate: is missing"),
        ("0.1,0.5,,,,", "score: is missing; a failed trial has a status"),
        ("0.1,0.5,nan,,,", "score: nan is not a finite number"),
        ("0.1,0.5,high,,,", "score: 'high' is not a number"),
        ("0.1,0.5,101,,,", "score: 101 is above 100"),
        ("0.1,0.5,60,120,,", "test: 120 is above 100"),
        ("0.1,0.5,60,,chrashed,", "status: 'chrashed' is none; did you mean 'crashed'?"),
        ("0.1,0.5,60,,crashed,", "score: a trial of status crashed has none"),
        ("0.1,0.5,60,,,50 70", "score: 60 is not the best of its curve, 70"),
        ("0.1,0.5,,,,50 x", "curve: 'x' is not a number"),
        ('0.1,0.5,,,,"{""val_los"": [1]}"', "curve: an epoch has no 'val_los'; did you mean 'val_loss'?"),
        ("0.1,0.5,60", "has 3 cells, and the first line has 6"),
    ],
)
def test_a_bad_row_is_one_line_with_file_row_and_field(tmp_path: Path, row: str, complaint: str) -> None:
    path = given_file(tmp_path, *ROWS[:1], f"{row}\n")
    with pytest.raises(SettingsError) as raised:
        read(path, toy(tmp_path))
    assert str(raised.value).startswith(f"{path}, line 3")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("given.csv", "", "holds no trials"),
        ("given.csv", HEAD, "holds no trials"),
        ("given.csv", "learning_rate;momentum;score\n0.1;0.5;60\n", "separated by ;"),
        ("given.csv", "score,score\n1,2\n", "two columns have this name"),
        ("given.csv", "learning_rat,momentum,score\n0.1,0.5,60\n", "did you mean 'learning_rate'?"),
        ("given.csv", "learning_rate,momentum,score,task\n0.1,0.5,60,toys\n", "no row is for task 'toy'; did you mean 'toys'?"),
        ("given.jsonl", "[1]\n", "line 1: is not a JSON object"),
        ("given.jsonl", '{"learning_rate": \n', "line 1: is not JSON"),
        ("given.jsonl", '{"learning_rate": "0.1", "momentum": 0.5, "score": 1}\n', "learning_rate: '0.1' is not a number"),
        ("given.jsonl", '{"learning_rate": 0.1, "momentum": 0.5, "score": true}\n', "score: True is not a number"),
        ("given.txt", "", "ends in .csv, or in .jsonl"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    path = given_file(tmp_path, text or "\n", head="", name=name)
    with pytest.raises(SettingsError) as raised:
        read(path, toy(tmp_path))
    assert complaint in str(raised.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_given(str(tmp_path / "none.csv"), toy(tmp_path))


def test_scores_are_in_the_task_s_own_unit_and_lower_may_be_better(tmp_path: Path) -> None:
    rmse = Objective("rmse", Direction.MINIMIZE, "k$", 0.5, test=False)
    space = Space.from_mapping({"x": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m"}})
    (trial,) = read(given_file(tmp_path, "0.5,300 120 150\n", head="x,curve\n"), a_task(space, rmse))
    assert (trial.score, trial.outcome.best_epoch) == (120.0, 2)
    with pytest.raises(SettingsError, match="the task has no test score"):
        read(given_file(tmp_path, "0.5,300,1\n", head="x,score,test\n"), a_task(space, rmse))


def test_percentages_that_may_be_shares_are_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(given_file(tmp_path, "0.1,0.5,0.93,,,\n"), toy(tmp_path))
    assert "none here is above 1: are they shares?" in capsys.readouterr().err


def test_the_rows_of_other_tasks_are_not_read(tmp_path: Path) -> None:
    path = given_file(tmp_path, "toy,0.1,0.5,60\n", "other,nonsense,,\n", head="task,learning_rate,momentum,score\n")
    found = read_given(str(path), toy(tmp_path))
    assert (len(found.given), found.by_task) == (1, True)


def test_what_is_given_is_part_of_the_identity_and_of_the_arm_s_name(tmp_path: Path) -> None:
    path = given_file(tmp_path)
    (plain,), _ = cells_of(tmp_path, "optimizer=rules")
    (cell,), _ = cells_of(tmp_path, "optimizer=rules", "start=default", f"given={path}")
    assert "given" not in plain.identity
    assert (cell.arm, cell.all_trials) == ("rules+default+given", 13)
    again = shutil.copy(path, tmp_path / "moved.csv")
    (moved,), _ = cells_of(tmp_path, "optimizer=rules", "start=default", f"given={again}")
    assert moved.id == cell.id
    (other,), _ = cells_of(tmp_path, "optimizer=rules", "start=default", f"given={given_file(tmp_path, *ROWS[:2])}")
    assert other.id != cell.id


def test_a_file_without_a_column_task_serves_one_task_of_a_sweep(tmp_path: Path) -> None:
    conf = tmp_path / "own" / "task"
    conf.mkdir(parents=True)
    (conf / "toy2.yaml").write_text("defaults: [toy, _self_]\nname: toy2\n")
    path = given_file(tmp_path)
    command = ["--config-dir", "own", "task=toy,toy2", "optimizer=random", "tracking=off", f"given={path}", "budget=1", "-m"]
    refused = run(command, tmp_path)
    assert refused.returncode == 2
    assert "its rows would count for 2 tasks (toy, toy2): name each row's in a column 'task'" in refused.stderr
    assert not (tmp_path / "runs").exists()
    given_file(tmp_path, "toy,0.1,0.5,60\n", "toy2,0.2,0.5,61\n", head="task,learning_rate,momentum,score\n")
    assert run(command, tmp_path).returncode == 0


def test_the_harness_s_own_records_can_be_given(tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path, "budget=3")
    assert run_cells([cell], settings).done == 1
    trials = tmp_path / "main" / cell.folder / "trials.jsonl"
    found = read(trials, cell.task)
    assert len(found) == 3
    assert all(trial.outcome.test_score_pct is not None and len(trial.outcome.curve) == 3 for trial in found if trial.outcome.ok)
