"""Trainings that run away in a real sweep: each limit is named in the record, and the sweep goes on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from support.commands import FAULTY, records
from torture.conftest import Zygote, group_is_gone
from torture.size import FULL

TIMEOUT = ("timeout", "not finished after 1 s (limits.trial_seconds)")
MEMORY = ("crashed", "used more than 400 MB of memory (limits.trial_memory_mb)")
REFUSED = ("crashed", "MemoryError: (limits.trial_memory_mb=400)")
# What a training does in the end, and what its record may then say. Memory that is asked for and never used costs nobody anything:
# where the system does not refuse it, the training goes on.
RUNAWAYS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "loop in C": (TIMEOUT,),
    "sleeping thread": (TIMEOUT,),
    "endless": (TIMEOUT,),
    "grow": (MEMORY,),
    "grow elsewhere": (MEMORY,),
    "reserve": (REFUSED, ("ok", None)),
    "memory": (REFUSED,),
    "os._exit": (("crashed", "the training process died (exit status 3)"),),
    "segfault": (("crashed", "the training process died (SIGSEGV, a crash in native code perhaps)"),),
}
SHORT = ("loop in C", "grow", "reserve")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("runs/main/faulty/*/*/trials.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("action", RUNAWAYS if FULL else SHORT)
def test_a_runaway_ends_at_its_limit_with_its_partial_curve_and_the_next_trials_train(
    zygote: Zygote, tmp_path: Path, action: str
) -> None:
    limits = ("limits.trial_seconds=1" if TIMEOUT in RUNAWAYS[action] else "limits.trial_seconds=60", "limits.trial_memory_mb=400")
    # Of seed 0's draws (0.56, 0.53, 0.64, ...) those above 0.6 run away.
    more = (f"task.params.action='{action}'", "task.params.only_above=0.6", "budget=4", "tracking=off", "progress=off")
    pid = zygote.start((*FAULTY, *limits, *more), tmp_path)
    assert zygote.wait(pid) == 0, (tmp_path / "output.txt").read_text()
    assert group_is_gone(pid)
    rows = rows_of(tmp_path)
    away = [row for row in rows if row["config"]["x"] > 0.6]
    assert away
    assert len(rows) == 4
    for row in rows:
        ending = (row["status"], row["error"])
        assert ending in (RUNAWAYS[action] if row in away else (("ok", None),))
        assert len(row["curve"]["val_score_pct"]) >= 2
        assert row["train_seconds"] < 30


def test_limits_that_are_not_reached_change_no_record_but_the_cell_s_id(zygote: Zygote, tmp_path: Path) -> None:
    found = []
    for name, limits in {"none": (), "both": ("limits.trial_seconds=60", "limits.trial_memory_mb=2000")}.items():
        (tmp_path / name).mkdir()
        assert zygote.run((*FAULTY, "seeds=3", "budget=3", "tracking=off", "progress=off", *limits), tmp_path / name) == (0, "")
        found.append([rows for _, rows in sorted(records(tmp_path / name / "runs" / "main").items())])
    assert found[0] == found[1]


def test_one_child_serves_the_cells_of_a_job_and_is_gone_at_its_end(zygote: Zygote, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    limits = ("limits.trial_seconds=60", f"task.params.pids={pids}", "seeds=3", "budget=2", "tracking=off", "progress=off")
    assert zygote.run((*FAULTY, *limits), tmp_path) == (0, "")
    (pid,) = (int(path.name) for path in pids.iterdir())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
