"""The command line as a user meets it: mistakes, kills, second processes, pipes."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Cli
from support.commands import FAULTY, TESTS, environment, records, run, start, without_result

from harness.store.cell_folder import TRIALS, CellFolder

MISTAKES = {
    "task=toy bugdet=3": "there is no setting 'bugdet'; did you mean 'budget'?",
    "task=tyo": "there is no task 'tyo'; did you mean 'toy'?",
    "task=toy optimizer=randm": "there is no optimizer 'randm'; did you mean 'random'?",
    "task=toy tracking=of": "there is no tracking 'of'; did you mean 'off'?",
    "task=nosuite": "there is no task 'nosuite'; there is: ",
    "task=toy budget=0": "budget=0: a cell needs at least 1 trial",
    "task=toy budget=abc": "budget: Value 'abc' of type 'str' could not be converted to Integer",
    "task=toy seed=-1": "seed -1: seeds go from 0 to 4294967295",
    "task=toy start=defalt": "start: Invalid value 'defalt', expected one of [none, default]",
    "task=toy task.space.learning_rate.low=5": "task 'toy': hyperparameter 'learning_rate': the default does not fit its own range: ",
    "task=toy task.space.learning_rat.low=5": "there is no setting 'task.space.learning_rat.low'; did you mean 'task.space.learning_rate",
    "task=toy task.params.epoch=5": "there is no setting 'task.params.epoch'; did you mean 'task.params.epochs'?; to add",
    "task=toy optimizer.options.x=1": "there is no setting 'optimizer.options.x'; to add it write +optimizer.options.x=...",
    "task=toy zzz=1": "there is no setting 'zzz'; there is: agent, ",
    "task=toy hydra.zzz=1": "there is no setting 'hydra.zzz'",
    "task=toy seed=1,2": "Ambiguous value for argument 'seed=1,2' (several values make several jobs: add -m)",
    "task=toy seed=[1": "cannot read 'seed=[1': ",
    "report": "'report' is not a setting: write key=value (python -m harness --help)",
    "=3": "'=3' has no name: write key=value (python -m harness --help)",
    "experiment=reproduce": "'experiment' has no choice yet: write +experiment=...",
    "+experiment=nope": "there is no experiment 'nope'; there is: ",
    "task=toy hydra/launcher=jobli -m": "there is no hydra/launcher 'jobli'; did you mean 'joblib'?",
    "task=toy --foo": "unrecognized arguments: --foo (python -m harness --help)",
    "task=toy --cfg jb": "argument --cfg/-c: invalid choice: 'jb'",
    "task=toy --cfg job -m": "only one of --cfg, --info, -m and --run can be given",
    "task=toy --resolve": "--resolve goes with --cfg",
    "task=toy --config-dir /nope": "Additional config directory '/nope' not found",
    "task=toy --config-name nope": "there is no config 'nope'",
    "task=toy study=a/b": "study='a/b': use up to 80 letters, digits and any of . _ - + = [ ], not starting with a dot",
    "task=toy out=/proc/nowhere": "cannot write the study /proc/nowhere/main: No such file or directory",
    "~task": "~task cannot be left out; write task=NAME",
    "task=toy budget=${task}": "budget: takes int, not ",
    "task=null": "these settings do not compose: Config group override must be a string or a list. Got NoneType",
    "task=lcbench_3945 task.reference.val=3": "task.reference.val=3: lies inside a value that the YAML computes; give the whole",
    "task=lcbench_3945 task.params={openml:3}": "'task.params' has no such entries; to set them write ++task.params=...",
    "task=toy -m optimizer=random,nope": "there is no optimizer 'nope'; there is: ",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_with_what_is_near_and_status_2_and_writes_nothing(cli: Cli, tmp_path: Path, command: str) -> None:
    ran = cli(*command.split())
    assert ran.status == 2
    assert ran.line.startswith(f"harness: {MISTAKES[command]}")
    assert ran.out == ""
    assert list(tmp_path.iterdir()) == []


def test_other_settings_for_a_cell_that_is_there_are_refused_with_the_difference(cli: Cli) -> None:
    cli("task=toy", "tracking=off", "budget=2")
    ran = cli("task=toy", "tracking=off", "budget=3")
    assert ran.status == 2
    assert "was made with other settings (budget: 2 there, 3 here): choose another study=NAME" in ran.line
    assert cli("task=toy", "tracking=off", "budget=3", "study=other").status == 0


def test_one_cell_ends_with_one_line_and_the_same_command_trains_nothing(cli: Cli, tmp_path: Path) -> None:
    ran = cli("task=toy", "tracking=off", "seed=3")
    assert (ran.status, ran.out, without_result(ran.err)) == (0, "", ["[1/1] toy random seed 3: best 90.40 %"])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert without_result(cli("task=toy", "tracking=off", "seed=3").err) == ["1 of 1 cells were done before"]
    assert cli("task=toy", "tracking=off", "seed=3", "progress=off").err == ""
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_failed_cell_is_status_1_and_tells_why(cli: Cli) -> None:
    ran = cli(*FAULTY, "tracking=off", "task.params.constructor=raise")
    assert ran.status == 1
    last = ran.err.splitlines()[-1]
    assert re.fullmatch(
        r"harness: failed: faulty/random/seed0-.*: OSError: the data set is not there \(.*faulty\.py:[0-9]+\)", last
    )
    assert "Traceback" not in ran.err


def test_a_cell_that_another_process_runs_is_left_to_it(cli: Cli, tmp_path: Path) -> None:
    cli("task=toy", "tracking=off", "seed=1", "budget=2", "study=find")
    (folder,) = tmp_path.glob("runs/find/toy/random/*")
    with CellFolder(
        tmp_path / "runs" / "main" / "toy" / "random" / folder.name, json.loads((folder / "manifest.json").read_text())
    ):
        ran = cli("task=toy", "tracking=off", "seed=1", "budget=2")
        assert ran.status == 1
        assert (
            ran.line == f"harness: busy: runs/main/toy/random/{folder.name} is being run by another process; leaving it to that one"
        )
        swept = cli("task=toy", "tracking=off", "seed=0,1,2", "budget=2", "-m")
    assert swept.status == 1
    lines = [line.partition(":")[0] for line in swept.err.splitlines()]
    assert lines[:2] == ["[1/3] toy random seed 0", "[2/3] toy random seed 2"]
    assert lines[-2:] == ["busy", "harness"]
    assert cli("task=toy", "tracking=off", "seed=0,1,2", "budget=2", "-m").status == 0


def test_what_is_composed_can_be_looked_at(cli: Cli, tmp_path: Path) -> None:
    shown = cli("--cfg", "job", "task=toy", "budget=7")
    assert shown.status == 0
    assert "budget: 7\n" in shown.out
    assert "schema" in cli("--info", "defaults", "task=toy").out
    assert list(tmp_path.iterdir()) == []


def test_help_is_printed_without_hydra_and_in_well_under_a_second(tmp_path: Path) -> None:
    program = (
        "import sys, time; began = time.process_time(); from harness.__main__ import main; status = main(['--help'])\n"
        "print(status, 'hydra' in sys.modules, time.process_time() - began < 0.5, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stderr == "0 False True\n"
    assert "python -m harness task=digits optimizer=random seed=0" in ran.stdout


@pytest.mark.parametrize("flag", ["--help", "--info", "--cfg=job"])
def test_a_reader_that_has_enough_ends_the_command_without_a_word(tmp_path: Path, flag: str) -> None:
    with start((flag, "task=toy"), tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, -signal.SIGPIPE)


def test_nobody_reading_the_progress_does_not_stop_a_run(tmp_path: Path) -> None:
    with start(("task=toy", "tracking=off", "seeds=2"), tmp_path) as process:
        assert process.stderr is not None
        process.stderr.close()
    assert process.returncode == 0
    assert len(list(tmp_path.glob("runs/main/toy/random/*/summary.json"))) == 2


SLOW = (*FAULTY, "tracking=off", "task.params.epoch_seconds=0.01", "seeds=4", "budget=8")


def group_is_gone(group: int) -> bool:
    """Say whether no process of a group is left but ones that ended and wait for somebody to ask how."""
    states = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return set(states) <= {"Z"}


def wait_until(condition: object, seconds: float = 20) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("whole")
    ran = run(SLOW, folder)
    assert ran.returncode == 0, ran.stderr
    return dict(records(folder / "runs" / "main"))


def test_a_run_killed_again_and_again_ends_with_the_records_of_one_that_was_not(
    tmp_path: Path, uninterrupted: dict[str, object]
) -> None:
    rng = random.Random(0)
    study = tmp_path / "runs" / "main"
    kills = 0
    while kills < 4:
        with start(SLOW, tmp_path) as process:
            before = sum(path.stat().st_size for path in study.rglob(TRIALS))
            wait_until(lambda b=before: process.poll() is not None or sum(p.stat().st_size for p in study.rglob(TRIALS)) > b)
            time.sleep(rng.random() * 0.15)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            if process.returncode == 0:
                break
    assert kills > 1
    ran = run(SLOW, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert records(study) == uninterrupted


HERE, CHILD, JOBLIB = (), ("limits.trial_seconds=20",), ("hydra/launcher=joblib", "-m")


@pytest.mark.parametrize(
    ("number", "status", "more"),
    [
        pytest.param(signal.SIGINT, 130, HERE, id="here-2"),
        pytest.param(signal.SIGTERM, 143, HERE, id="here-15", marks=pytest.mark.full),
        pytest.param(signal.SIGINT, 130, CHILD, id="child-2", marks=pytest.mark.full),
        pytest.param(signal.SIGTERM, 143, CHILD, id="child-15"),
        pytest.param(signal.SIGINT, 130, JOBLIB, id="joblib-2"),
        pytest.param(signal.SIGTERM, 143, JOBLIB, id="joblib-15", marks=pytest.mark.full),
    ],
)
def test_a_stopped_run_says_how_to_go_on_and_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals, status: int, more: tuple[str, ...]
) -> None:
    slow = (*FAULTY, "tracking=off", "task.params.epoch_seconds=0.2", "seeds=4", "budget=200", *more)
    with start(slow, tmp_path) as process:
        assert wait_until(lambda: any(p.stat().st_size for p in tmp_path.rglob(TRIALS)), 60)
        began = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # what a terminal does
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, "")
    assert err == "harness: stopped; the same command goes on from here\n"
    assert time.monotonic() - began < 10
    assert wait_until(lambda: group_is_gone(process.pid))


@pytest.mark.parametrize(
    "more", [pytest.param(CHILD, id="child", marks=pytest.mark.full), pytest.param((*JOBLIB, *CHILD), id="joblib with children")]
)
def test_killing_the_command_ends_its_workers_and_children_too(tmp_path: Path, more: tuple[str, ...]) -> None:
    slow = (*FAULTY, "tracking=off", "task.params.epoch_seconds=0.2", "seeds=4", "budget=200", *more)
    with start(slow, tmp_path, stderr=subprocess.DEVNULL) as process:
        assert wait_until(lambda: any(p.stat().st_size for p in tmp_path.rglob(TRIALS)), 60)
        process.send_signal(signal.SIGKILL)
    assert wait_until(lambda: group_is_gone(process.pid))


def test_four_processes_at_once_finish_every_cell_exactly_once(tmp_path: Path, uninterrupted: dict[str, object]) -> None:
    processes = [start(SLOW, tmp_path) for _ in range(4)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in processes]
    assert all(status in (0, 1) for _, status in ended)
    assert all("Traceback" not in err for (_, err), _ in ended)
    assert records(tmp_path / "runs" / "main") == uninterrupted
    assert len((tmp_path / "runs" / "main" / "plan.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    "command", [(sys.executable, "-m", "harness"), (str(Path(sys.executable).with_name("harness")),)], ids=["-m", "script"]
)
def test_a_task_of_the_user_s_own_is_found_beside_the_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "my_task.py").write_text((TESTS / "support" / "faulty.py").read_text())
    text = (TESTS / "support" / "conf" / "task" / "faulty.yaml").read_text()
    (tmp_path / "conf" / "task" / "mine.yaml").write_text(
        text.replace("support.faulty", "my_task").replace("name: faulty", "name: mine")
    )
    plain = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    arguments = ("task=mine", "--config-dir", "conf", "tracking=off", "budget=2", "limits.trial_seconds=20")
    ran = subprocess.run([*command, *arguments], cwd=tmp_path, env=plain, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[0] == "[1/1] mine random seed 0: best 41.56 %"
