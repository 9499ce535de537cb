"""Eight processes on the same cells, and the locks of those that died here or elsewhere."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.cells import cells_of
from support.commands import CONF, records
from torture.conftest import Zygote
from torture.size import FULL, scaled

from harness.report.sources.records import read_study
from harness.run.study import run_cells
from harness.store.cell_folder import TRIALS
from harness.store.lock import OWNER, STALE_SECONDS
from harness.store.plan import PLAN

CELLS = 24
SWEEP = ("--config-dir", str(CONF), "task=faulty", f"seeds={CELLS}", "budget=4", "tracking=off", "progress=off")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("alone")
    cells, settings = cells_of(out, "task=faulty", f"seeds={CELLS}", "budget=4", "task.params.epoch_seconds=0.004")
    assert run_cells(cells, settings).done == CELLS
    return records(out / "main")


@pytest.mark.parametrize("sync", ["trial", "cell"] if FULL else ["cell"])
@pytest.mark.parametrize("round_", range(scaled(1, 5)))
def test_eight_processes_on_24_cells_finish_each_exactly_once(
    zygote: Zygote, tmp_path: Path, alone: Any, round_: int, sync: str
) -> None:
    # A training takes some milliseconds, so that every process meets the others.
    command = (*SWEEP, "task.params.epoch_seconds=0.004", f"store.sync={sync}")
    folders = [tmp_path / str(number) for number in range(8)]
    pids = []
    for folder in folders:
        folder.mkdir()
        pids.append(zygote.start((*command, f"out={tmp_path / 'runs'}"), folder))
    ended = [(zygote.wait(pid), (folder / "output.txt").read_text()) for pid, folder in zip(pids, folders, strict=True)]
    for status, output in ended:
        lines = output.splitlines()
        assert status in (0, 1), output
        assert all(line.startswith("busy: ") for line in lines[:-1]), output
        assert not lines or lines[-1].endswith("are not done; the same command goes on with them") or lines[-1].startswith("busy")
    study = tmp_path / "runs" / "main"
    assert records(study) == alone
    assert len((study / PLAN).read_text().splitlines()) == CELLS
    assert read_study(study).problems == ()
    # The next one finds nothing to do: whoever was told 'busy' was told the truth.
    status, output = zygote.run((*command, f"out={tmp_path / 'runs'}"), folders[0])
    assert (status, output) == (0, "")


def test_a_crowd_of_which_half_is_killed_leaves_what_one_process_would_have(zygote: Zygote, tmp_path: Path, alone: Any) -> None:
    command = (*SWEEP, "task.params.epoch_seconds=0.004", f"out={tmp_path / 'runs'}")
    study = tmp_path / "runs" / "main"
    for round_ in range(scaled(1, 6)):
        pids = []
        for number in range(8):
            folder = tmp_path / f"{round_}-{number}"
            folder.mkdir()
            pids.append(zygote.start(command, folder))
        deadline = time.monotonic() + 20
        while not list(study.rglob(TRIALS)) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05 * (round_ + 1))
        for pid in pids[::2]:
            os.kill(pid, signal.SIGKILL)
        assert Counter(zygote.wait(pid) in (0, 1, -9) for pid in pids) == {True: 8}
    status, output = zygote.run(command, tmp_path / "0-0")
    assert (status, output) == (0, "")
    assert records(study) == alone


def test_cells_that_died_with_another_machine_are_left_alone_while_it_may_live_and_taken_over_after(
    tmp_path: Path, alone: Any
) -> None:
    cells, settings = cells_of(tmp_path, "task=faulty", f"seeds={CELLS}", "budget=4")
    began = cells[:6]
    for cell, age in zip(began, (0, 30, STALE_SECONDS - 30, STALE_SECONDS + 1, 3600, 1e6), strict=True):
        folder = tmp_path / "main" / cell.folder
        folder.mkdir(parents=True)
        owner = {"host": "node7", "pid": 1, "machine": "another boot", "token": "f00d"}
        (folder / OWNER).write_text(f"{json.dumps(owner)}\n")
        os.utime(folder / OWNER, (time.time() - age,) * 2)
    result = run_cells(cells, settings)
    assert (result.done, len(result.busy)) == (CELLS - 3, 3)
    assert all("is being run by process '1' on 'node7'" in line for line in result.busy)
    for cell in began[:3]:
        os.utime(tmp_path / "main" / cell.folder / OWNER, (time.time() - STALE_SECONDS - 1,) * 2)
    assert run_cells(cells, settings).done == 3
    assert by_seed(records(tmp_path / "main")) == by_seed(alone)


def by_seed(found: dict[str, Any]) -> dict[str, Any]:
    """Return records without the cells' ids, which a task that trains more slowly does not share."""
    return {folder.rpartition("-")[0]: rows for folder, rows in found.items()}
