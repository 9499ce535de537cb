"""The command that makes and checks tables, in processes of its own where it is killed or stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.commands import environment
from support.sweeps import in_full_but

from harness.tabular.header import read_header
from harness.tabular.table import read_table

from .conftest import Mine, Tabulate

SLOW = """\
import os, time
from pathlib import Path
from harness import tasks_from
from harness.trial import Epoch

@tasks_from.loop
def Slow(config, seed, *, seconds=0.05):
    Path("pids").mkdir(exist_ok=True)
    Path("pids", str(os.getpid())).touch()
    time.sleep(seconds)
    if config["end"] == "die":
        os._exit(7)
    if config["end"] == "raise":
        raise KeyError("gone")
    yield Epoch(val_score_pct=100 * config["x"] + seed, test_score_pct=1.0)
"""
SPACE = {
    "x": {"type": "float", "low": 0.0, "high": 0.9, "default": 0.3, "meaning": "score"},
    "end": {"type": "categorical", "choices": ["well", "die", "raise"], "default": "well", "meaning": "how it ends"},
}
GRID = {"train_seeds": 2, "levels": {"x": 10, "end": ["well", "raise"]}}


def slow(mine: Mine, tmp_path: Path, seconds: float = 0.05, **changed: Any) -> None:
    (tmp_path / "slow_task.py").write_text(SLOW)
    mine(**{"_target_": "slow_task.Slow", "params": {"seconds": seconds}, "space": SPACE, "table": GRID, **changed})


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness.tabulate", "task=mini", "workers=2", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen(command, cwd=folder, env=environment(), **pipes)


def wait_for_lines(path: Path, count: int) -> list[str]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{path} has no {count} lines after 30 s")


def all_gone(folder: Path) -> bool:
    """Whether every process that trained has ended, after some time for it."""
    pids = [int(path.name) for path in (folder / "pids").iterdir()]
    assert pids
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(_alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def contents(path: Path) -> list[str]:
    table = read_table(path)
    outcomes = [table.outcome(number, seed) for number in range(table.header.configs) for seed in (0, 1)]
    return [repr((o.status, o.curve, o.error)) for o in outcomes]


@pytest.mark.parametrize("how", in_full_but(lambda how: how == signal.SIGKILL, [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]))
def test_what_was_trained_survives_an_end_of_any_kind_and_the_same_command_goes_on(
    mine: Mine, tabulate: Tabulate, tmp_path: Path, how: signal.Signals
) -> None:
    slow(mine, tmp_path)
    part = tmp_path / "tables" / "mini.part.jsonl"
    with started(tmp_path) as process:
        kept = wait_for_lines(part, 6)[:6]
        if how is signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        _, err = process.communicate(timeout=30)
    assert all_gone(tmp_path)
    if how is not signal.SIGKILL:
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[how]
        assert err.splitlines()[-1] == "harness.tabulate: stopped; the same command goes on from here"
        assert "Traceback" not in err
    assert part.read_text().startswith("".join(kept))
    part.write_bytes(part.read_bytes() + b'{"config": 3, "se')  # as a kill in the middle of a line would leave it
    status, told = tabulate("task=mini")
    assert status == 0
    resumed = re.search(r"mini: goes on from tables/mini\.part\.jsonl, with (\d+) of 40 trainings done", told)
    assert resumed is not None
    assert 5 <= int(resumed[1]) < 40
    assert not part.exists()
    resumed_table = contents(tmp_path / "tables" / "mini.npz")
    tabulate("task=mini", "workers=4", "out=again")
    assert contents(tmp_path / "again" / "mini.npz") == resumed_table


def test_a_training_that_crashes_its_process_is_an_entry(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    slow(mine, tmp_path, seconds=0.0, table={"train_seeds": 1, "levels": {"x": [0.0, 0.3], "end": ["well", "die", "raise"]}})
    status, told = tabulate("task=mini", "workers=1")
    assert status == 0
    assert "holds 6 configurations x 1 training seeds (4 crashed)" in told
    table = read_table(tmp_path / "tables" / "mini.npz")
    errors = {table.outcome(number, 0).error for number in range(6)}
    assert errors == {None, "KeyError: 'gone'", "the training process died (exit status 7)"}


def test_a_part_that_was_begun_with_other_settings_is_refused_and_kept(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    slow(mine, tmp_path)
    part = tmp_path / "tables" / "mini.part.jsonl"
    with started(tmp_path) as process:
        wait_for_lines(part, 3)
        process.kill()
    before = part.read_bytes()
    slow(mine, tmp_path, seconds=0.01)
    status, told = tabulate("task=mini")
    assert status == 2
    (line,) = told.splitlines()
    assert "was begun with other settings or another machine (subject.params.seconds: 0.05 there, 0.01 here)" in line
    assert part.read_bytes() == before


def test_a_damaged_line_is_named(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    slow(mine, tmp_path)
    part = tmp_path / "tables" / "mini.part.jsonl"
    with started(tmp_path) as process:
        lines = wait_for_lines(part, 3)
        process.kill()
    part.write_text("".join([*lines[:2], "not JSON\n", *lines[2:]]))
    status, told = tabulate("task=mini")
    assert status == 2
    assert "mini.part.jsonl, line 3: damaged" in told


def test_two_commands_do_not_make_the_same_table(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    slow(mine, tmp_path)
    with started(tmp_path) as process:
        wait_for_lines(tmp_path / "tables" / "mini.part.jsonl", 2)
        status, told = tabulate("task=mini")
        process.kill()
    assert status == 2
    assert "is being written by another process" in told


def test_a_table_that_is_there_is_not_made_again_unless_its_settings_changed(
    mine: Mine, tabulate: Tabulate, tmp_path: Path
) -> None:
    mine()
    tabulate("task=mini")
    path = tmp_path / "tables" / "mini.npz"
    before = path.read_bytes()
    assert "is there already; nothing to train" in tabulate("task=mini")[1]
    assert path.read_bytes() == before
    mine(version=2)
    assert tabulate("task=mini")[0] == 0
    assert read_header(path).subject.version == 2


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    """Train twelve entries again in a process of their own, which has not yet imported the task."""
    command = [sys.executable, "-m", "harness.tabulate", "task=mini", "--verify", "12"]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def test_verify_says_equal_here_and_differs_when_the_task_computes_something_else(
    mine: Mine, tabulate: Tabulate, tmp_path: Path
) -> None:
    slow(mine, tmp_path, seconds=0.0)
    tabulate("task=mini")
    status, told = tabulate("task=mini", "--verify", "4")
    assert status == 0
    assert "mini: equal: all 4 entries come out the same here, to the last bit" in told
    for changed, verdict in (("+ seed + 0.25", "within 0.25 points"), ("/ 0", "differs: ")):
        (tmp_path / "slow_task.py").write_text(SLOW.replace("+ seed", changed))
        ran = verified(tmp_path)
        assert ran.returncode == 1
        assert verdict in ran.stdout
        assert "libraries and processor are the same" in ran.stdout


def test_what_differs_in_the_last_digits_only_is_printed_with_them(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    slow(mine, tmp_path, seconds=0.0)
    tabulate("task=mini")
    changes = {
        "val_score_pct=100 * config": "val_score_pct=(1 + 1e-13) * 100 * config",
        "test_score_pct=1.0": "test_score_pct=1.0000000000000002",
    }
    for old, new in changes.items():
        (tmp_path / "slow_task.py").write_text(SLOW.replace(old, new))
        ran = verified(tmp_path)
        assert ran.returncode == 1
        told = [line for line in ran.stderr.splitlines() if " differs: " in line]
        assert told
        for line in told:
            found = re.search(r"differs: epoch 1 (\w+): (\S+) there, (\S+) here, train_seed=", line)
            assert found, line
            assert found[1] == old.partition("=")[0]
            assert found[2] != found[3]


def test_data_are_fetched_once_before_anything_is_trained(mine: Mine, tabulate: Tabulate, tmp_path: Path) -> None:
    fetching = (
        "from pathlib import Path\nfrom harness.tasks.toy import Toy\nfrom harness.errors import HarnessError\n"
        "class Fetching(Toy):\n    @staticmethod\n    def prepare(params):\n"
        "        if Path('offline').exists():\n            raise HarnessError('cannot fetch the bowl: no connection')\n"
        "        with Path('fetched').open('a') as file:\n            file.write('x')\n"
    )
    (tmp_path / "fetching_task.py").write_text(fetching)
    mine(**{"_target_": "fetching_task.Fetching", "data": ["bowl"]})
    (tmp_path / "offline").touch()
    assert tabulate("task=mini") == (2, "harness.tabulate: cannot fetch the bowl: no connection\n")
    (tmp_path / "offline").unlink()
    assert tabulate("task=mini", "workers=2")[0] == 0
    assert (tmp_path / "fetched").read_text() == "x"


MISTAKES = {
    "which task?": [],
    "there is no task 'mino'; did you mean 'mini'?": ["task=mino"],
    "'tsk=mini' is no setting here; did you mean 'task'?": ["tsk=mini"],
    "workers=none: give how many": ["task=mini", "workers=none"],
    "--verify 0: give how many": ["task=mini", "--verify", "0"],
    "unrecognized arguments: --verfy": ["task=mini", "--verfy"],
    "task 'toy' has no table.levels in its YAML": ["task=mini,toy"],
    "task 'mini' has no table": ["task=mini", "--verify", "2"],
    "cannot write": ["task=mini", "out=/dev/null/tables"],
}


@pytest.mark.parametrize("complaint", MISTAKES)
def test_a_mistake_is_one_line_before_anything_is_trained(
    mine: Mine, tabulate: Tabulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: str
) -> None:
    mine()
    monkeypatch.setenv("HARNESS_TABLES", str(tmp_path / "tables"))
    status, told = tabulate(*MISTAKES[complaint])
    assert status == 2
    (line,) = told.splitlines()
    assert complaint in line
    assert line.startswith("harness.tabulate: ")
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"train_seeds": 0}, "table.train_seeds=0: give how many, 1 or more"),
        ({"clock": "sun"}, "table.clock='sun': give one of wall, cpu"),
        ({"levels": {"learning_rat": 3}}, "there is no hyperparameter 'learning_rat'; did you mean 'learning_rate'?"),
    ],
)
def test_a_mistake_in_a_table_s_settings_names_the_task(
    mine: Mine, tabulate: Tabulate, table: dict[str, Any], complaint: str
) -> None:
    mine(table={"train_seeds": 1, "levels": {"learning_rate": 3}, **table})
    status, told = tabulate("task=mini")
    assert status == 2
    assert "task 'mini': " in told
    assert complaint in told


def test_help_fits_a_terminal(tabulate: Tabulate) -> None:
    status, told = tabulate("--help")
    assert status == 0
    assert max(map(len, told.splitlines())) <= 80
    assert "python -m harness.tabulate task=digits" in told
