"""Training scripts that cannot be imported: real programs, their curves, their failures, and that nothing of them is left running."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.commands import start

from harness.errors import SettingsError
from harness.space import Space
from harness.task import Task, TaskCard, TaskSpec
from harness.tasks_from import command, json_lines, lines
from harness.tasks_from.readings import Collector
from harness.training.build import build_task
from harness.training.subprocess import InChild
from harness.training.trainer import InProcess
from harness.trial import Direction, Objective, Outcome, Status

CARD = TaskCard("t", "d", "d", "m", "m", "e")
RMSE = Objective("rmse", Direction.MINIMIZE, "mg/dl", 0.5)
LINES = lines(r"epoch (?P<epoch>\d+) loss (?P<train_loss>\S+) val (?P<val_score>\S+)")
SPACE = Space.from_mapping(
    {
        "rule": {"type": "categorical", "choices": ["sgd", "adam"], "default": "sgd", "meaning": "a"},
        "momentum": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "b", "when": {"rule": "sgd"}},
        "nesterov": {"type": "bool", "default": True, "meaning": "c", "when": {"rule": "sgd"}},
    }
)
ONE = Space.from_mapping({"x": {"type": "float", "low": 0.0, "high": 1000.0, "default": 0.5, "meaning": "a"}})


Scripted = Callable[..., Task]


@pytest.fixture
def python(tmp_path: Path) -> Scripted:
    """Return a function that makes a task of a program of Python, whose first argument is the value of x."""

    def made(program: str, *more: Any, curve: Any = LINES, space: Space = ONE, **options: Any) -> Task:
        (tmp_path / "train.py").write_text(program)
        return command([sys.executable, tmp_path / "train.py", "{x}", *more], curve=curve, **options)(space, CARD)

    return made


def trained(task: Task, config: Any = None, seed: int = 0) -> Outcome:
    return InProcess(task, objective=RMSE).train(config or {"x": 2.5}, seed=seed)


def test_a_scripts_lines_become_a_curve_in_the_metrics_own_unit(python: Scripted) -> None:
    outcome = trained(
        python("import sys\nfor e in (1, 2): print(f'epoch {e} loss {1 / e} val {200.0 * float(sys.argv[1]) / e} mg')")
    )
    assert outcome.status is Status.OK
    assert [(e.number, e.train_loss, e.val_score_pct) for e in outcome.curve] == [(1, 1.0, 500.0), (2, 0.5, 250.0)]
    assert outcome.val_score_pct == 250.0  # the least, as it is minimized


def test_the_arguments_hold_what_is_active_and_nothing_is_read_by_a_shell() -> None:
    task = command(
        [
            f"{sys.executable}",
            "-c",
            "import sys; print('ARGS', sys.argv[1:]); print('val 1')",
            "--rule={rule}",
            ["--momentum", "{momentum}"],
            "{nesterov?--nesterov}",
            '--json={"s": {seed}}',
            "$HOME; {{rule}} *",
            "{size}",
        ],
        curve=lines(r"val (?P<val_score>\S+)|ARGS (?P<epoch>x)"),
    )(SPACE, CARD, size=3)
    script = task.run.__self__  # type: ignore[attr-defined]

    def words(config: Any) -> list[str]:
        return list(script.arguments.filled({"size": 3, "seed": 7, **config})[3:])

    rest = ['--json={"s": 7}', "$HOME; {rule} *", "3"]
    assert words({"rule": "sgd", "momentum": 1e-05, "nesterov": True}) == ["--rule=sgd", "--momentum", "1e-05", "--nesterov", *rest]
    assert words({"rule": "sgd", "momentum": 0.5, "nesterov": False}) == ["--rule=sgd", "--momentum", "0.5", *rest]
    assert words({"rule": "adam"}) == ["--rule=adam", *rest]
    assert trained(task, {"rule": "adam"}).ok


def test_a_file_of_json_lines_is_read_in_the_trials_own_folder(python: Scripted) -> None:
    program = """
import json, sys
given = json.load(open(sys.argv[3]))
with open(sys.argv[2] + "/m.jsonl", "w") as file:
    for epoch in (1, 2):
        print(json.dumps({"step": epoch, "loss": given["x"]}), file=file)
        print(json.dumps({"step": epoch, "eval/rmse": given["seed"] + epoch, "other": None}), file=file)
    file.write('{"step": 3, "loss": 0, "eval/rmse": 9}')
"""
    curve = json_lines("{folder}/m.jsonl", val_score="eval/rmse", train_loss="loss", epoch="step")
    task = python(program, "{folder}", "{config}", curve=curve)
    outcome = trained(task, seed=4)
    assert [(e.val_score_pct, e.train_loss) for e in outcome.curve] == [(5.0, 2.5), (6.0, 2.5), (9.0, 0.0)]
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"harness-trial-*/{os.getpid()}"))


def test_a_command_runs_in_the_folder_of_the_file_that_names_it_or_in_cwd(python: Scripted, tmp_path: Path) -> None:
    program = "import os; print('epoch 1 loss 1 val', len(os.getcwd()))"
    assert trained(python(program)).val_score_pct == len(str(Path(__file__).resolve().parent))
    assert trained(python(program, cwd=tmp_path)).val_score_pct == len(str(tmp_path))
    with pytest.raises(SettingsError, match=r"cwd=.*/nowhere: there is no such folder"):
        python(program, cwd=tmp_path / "nowhere")


FAILURES = {
    "a traceback": ("print('epoch 1 loss 1 val 3'); raise ValueError('bad rate')", Status.CRASHED, 1, "exit status 1.*bad rate"),
    "no score": ("print('all done')", Status.CRASHED, 0, "exit status 0 and no score: .*; its last lines: all done"),
    "silence": ("", Status.CRASHED, 0, "it printed nothing"),
    "a signal": ("import os; print('x', flush=True); os.kill(os.getpid(), 11)", Status.CRASHED, 0, "killed by SIGSEGV; its last lines: x"),
    "no number": ("print('epoch 1 loss a val 3')", Status.CRASHED, 0, "train_loss is 'a', which is no number, in the line 'epoch 1"),
    "a NaN": ("print('epoch 1 loss 1 val 3\\nepoch 2 loss nan val 3\\nepoch 3 loss 1 val 1')", Status.DIVERGED, 2, "train_loss is nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_keeps_the_curve_and_says_why(name: str, python: Scripted) -> None:
    program, status, epochs, error = FAILURES[name]
    outcome = trained(python(program))
    assert (outcome.status, len(outcome.curve)) == (status, epochs)
    assert outcome.error is not None
    assert re.search(error, outcome.error)
    assert "^" not in outcome.error


def test_the_records_hold_the_last_lines_without_secrets(python: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "abcdef0123456789")
    outcome = trained(python("import os; print('first'); print(os.environ['SOME_API_KEY']); raise SystemExit(3)"))
    assert outcome.error == "CommandFailed: exit status 3; its last lines: first | [SOME_API_KEY]"
    assert outcome.crash is not None
    assert "The last lines of its output:\nfirst\n[SOME_API_KEY]" in outcome.crash.traceback


CANNOT: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: command("train --x={x}", curve=LINES), "give a list"),
    "a number": (lambda: command(["true", 3], curve=LINES), "3 is no argument"),  # type: ignore[list-item]
    "program": (lambda: command(["{x}"], curve=LINES), "the first argument is the program"),
    "unknown": (lambda: command(["true", "{y}", "{x}"], curve=LINES)(ONE, CARD), "{y} is neither a hyperparameter"),
    "unused": (lambda: command(["true"], curve=LINES)(ONE, CARD), "'x' stands in no argument"),
    "unused params": (lambda: command(["true", "{x}"], curve=LINES)(ONE, CARD, size=3), "'size' stands in no argument"),
    "flag": (lambda: command(["true", "{x?--x}"], curve=LINES)(ONE, CARD), "is for a hyperparameter of type bool"),
    "half": (lambda: command(["true", "{rule}", "{nesterov}", "--m", "{momentum}"], curve=LINES)(SPACE, CARD), r'write \["--m", '),
    "name": (lambda: command(["true", "{x}"], curve=LINES)(ONE, CARD, seed=3), "{seed} has a meaning of its own"),
    "missing": (lambda: command(["no-such-program", "{x}"], curve=LINES)(ONE, CARD), "no program 'no-such-program' on the PATH"),
    "missing path": (lambda: command(["./no.sh", "{x}"], curve=LINES)(ONE, CARD), "no.sh is not there"),
    "not executable": (lambda: command([f"./{Path(__file__).name}", "{x}"], curve=LINES)(ONE, CARD), r"chmod \+x"),
    "group": (lambda: lines("(?P<val_scor>x)"), "did you mean 'val_score'"),
    "no group": (lambda: lines("val x"), "the pattern has no group"),
    "pattern": (lambda: lines("("), "is no regular expression"),
    "shared file": (lambda: json_lines("m.jsonl", val_score="a"), "give each trial a file of its own"),
    "no key": (lambda: json_lines("{folder}/m", loss="a"), "'loss' is no value of an epoch"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_work_is_one_line_before_the_first_trial(name: str) -> None:
    call, words = CANNOT[name]
    with pytest.raises(SettingsError, match=words):
        call()


Script = command([sys.executable, "-c", "print('epoch 1 loss 1 val 3')", "{x}"], curve=LINES)


def test_a_command_needs_a_yaml_that_says_what_its_scores_are() -> None:
    spec = TaskSpec("mine", f"{__name__}.Script", ONE, CARD)
    with pytest.raises(SettingsError, match="task 'mine': its YAML does not say what the command's scores are: write metric:"):
        build_task(spec)


@pytest.mark.parametrize(
    ("given", "epochs"),
    [
        ([{"val_score": 1.0, "train_loss": 2.0}, {"val_score": 3.0, "train_loss": 4.0}], [(1.0, 2.0), (3.0, 4.0)]),
        ([{"train_loss": 2.0}, {"val_score": 1.0}, {"train_loss": 4.0}], [(1.0, 2.0)]),
        ([{"val_score": 1.0}, {"val_score": 2.0}], [(1.0, None), (2.0, None)]),
        ([{"val_score": 1.0}, {"train_loss": 2.0}], [(1.0, 2.0)]),
    ],
)
def test_an_epoch_may_take_several_lines(given: Any, epochs: Any) -> None:
    collector = Collector(frozenset({"val_score", "train_loss"}))
    found = [epoch for values in given for epoch in collector.add(values)]
    assert [(e.val_score_pct, e.train_loss) for e in [*found, *collector.rest()]] == epochs


def test_an_epoch_whose_number_came_already_counts_once() -> None:
    collector = Collector(frozenset({"val_score", "epoch"}))
    rows = [{"epoch": n, "val_score": v} for n, v in ((1.0, 5.0), (1.0, 6.0), (2.0, 7.0))]
    assert [e.val_score_pct for row in rows for e in collector.add(row)] == [5.0, 7.0]


# It starts a child in its group whose parent ends, one in a session of its own, and notes their process ids; then it goes on.
FAMILY = """
import os, subprocess, sys, time
from pathlib import Path

def started(**how):
    sleep = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **how)
    with open(Path(__file__).with_name("pids"), "a") as file:
        file.write(f"{sleep.pid} {os.getpid()} ")

if os.fork() == 0:
    started()
    os._exit(0)
os.wait()
started(start_new_session=True)
number = 0
while number < 1 + 10**6 * float(sys.argv[1]):
    number += 1
    print(f"epoch {number} loss 1 val 3")
    time.sleep(0.02)
"""


def alive(folder: Path, wait_seconds: float = 10.0) -> list[int]:
    """Return which of the noted processes still run; wait for the end of those that were killed."""
    numbers, deadline = [int(word) for word in (folder / "pids").read_text().split()], time.monotonic() + wait_seconds
    assert len(numbers) == 4
    while (left := [number for number in numbers if _runs(number)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nothing_is_left_running_when_a_curve_is_no_longer_read(python: Scripted, tmp_path: Path) -> None:
    epochs = python(FAMILY).train({"x": 1.0}, seed=0)
    assert next(epochs).val_score_pct == 3.0
    assert len(alive(tmp_path, wait_seconds=0.0)) == 3  # the fork has ended
    epochs.close()  # type: ignore[attr-defined]
    assert alive(tmp_path) == []


def test_nothing_is_left_running_after_a_script_that_ends(python: Scripted, tmp_path: Path) -> None:
    assert trained(python(FAMILY), {"x": 0.0}).ok
    assert alive(tmp_path) == []


OWN = """
import sys
from harness import tasks_from

Script = tasks_from.command([sys.executable, "train.py", "{x}"], curve=tasks_from.lines(r"epoch (?P<epoch>\\d+).* val (?P<val_score>\\S+)"))
"""
YAML = """
name: mine
_target_: own_script.Script
metric: {name: rmse, direction: minimize, unit: mg/dl, margin: 0.5}
test: none
card: {title: t, domain: d, data: d, model: m, metric: m, epochs: e}
space:
  x: {type: float, low: 1.0, high: 2.0, default: 1.0, meaning: a}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a user whose script never ends."""
    (tmp_path / "conf" / "task").mkdir(parents=True)
    for name, text in {"train.py": FAMILY, "own_script.py": OWN, "conf/task/mine.yaml": YAML}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_time_limit_keeps_the_epochs_that_were_there_and_kills_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    trainer = InChild(TaskSpec("mine", "own_script.Script", ONE, CARD, objective=RMSE), 1.5)
    try:
        outcome = trainer.train({"x": 1.0}, seed=0)
    finally:
        trainer.close()
    assert outcome.status is Status.TIMEOUT
    assert {epoch.val_score_pct for epoch in outcome.curve} == {3.0}
    assert alive(folder) == []


def test_ctrl_c_ends_the_script_and_the_command(folder: Path) -> None:
    with start(["task=mine", "optimizer=random", "budget=1", "tracking=off"], folder) as process:
        deadline = time.monotonic() + 60
        while not (folder / "pids").exists() or len((folder / "pids").read_text().split()) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert alive(folder) == []
