from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import methods
from support.cells import cells_of
from support.commands import records
from support.methods import odd
from support.values import trial

from harness import signals as stop
from harness.cell import Cell
from harness.run.loop import run_cell, summarise
from harness.run.study import run_cells
from harness.run.tracking import NoTracker
from harness.store.cell_folder import FAILURE, SUMMARY, TRIALS, CellFolder, read_json, read_trials
from harness.trial import PERCENT, Status, Trial


@pytest.fixture(autouse=True)
def broken_methods() -> Iterator[None]:
    yield
    methods.Odd.broken = True
    methods.SHOWN.clear()


def run(out: Path, *overrides: str) -> tuple[Path, Any]:
    """Run the one cell of these settings; return its folder and what became of it."""
    (cell,), settings = cells_of(out, *overrides)
    result = run_cells([cell], settings)
    return out / "main" / cell.folder, result


@pytest.mark.parametrize("start", ["none", "default"])
def test_a_cell_broken_off_after_any_trial_is_finished_to_the_same_records(tmp_path: Path, start: str) -> None:
    (cell,), settings = cells_of(tmp_path / "whole", "budget=6", f"start={start}")
    assert run_cells([cell], settings).done == 1
    whole = tmp_path / "whole" / "main" / cell.folder
    lines = (whole / TRIALS).read_bytes().splitlines(keepends=True)
    for kept in range(7):
        for torn in (b"", lines[kept][: len(lines[kept]) // 2] if kept < 6 else b"{"):
            out = tmp_path / f"{kept}-{len(torn)}"
            folder = out / "main" / cell.folder
            shutil.copytree(whole, folder)
            (folder / SUMMARY).unlink()
            (folder / TRIALS).write_bytes(b"".join(lines[:kept]) + torn)
            assert run_cells([cell], replace(settings, out=str(out))).done == 1
            assert records(out / "main") == records(tmp_path / "whole" / "main")
            assert (folder / TRIALS).read_bytes().splitlines(keepends=True)[:kept] == lines[:kept]
            assert without_seconds(read_json(folder / SUMMARY)) == without_seconds(read_json(whole / SUMMARY))


def without_seconds(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if not key.endswith("seconds")}


def test_a_training_that_fails_uses_up_budget_and_the_cell_goes_on(tmp_path: Path) -> None:
    folder, result = run(tmp_path, "task=faulty", "budget=6", "task.params.action=raise", "task.params.only_above=0.5")
    trials = read_trials(folder)
    assert result.done == 1
    assert [t.number for t in trials] == [1, 2, 3, 4, 5, 6]
    crashed = [t for t in trials if float(t.config["x"]) > 0.5]
    assert 0 < len(crashed) < 6
    for each in trials:
        assert (each.outcome.status is Status.CRASHED) == (each in crashed)
        assert len(each.outcome.curve) == 2
    assert read_json(folder / SUMMARY)["failures"] == {"crashed": len(crashed)}


@pytest.mark.parametrize("limit", ["null", "20"])
def test_a_training_that_ends_its_process_costs_one_trial_when_there_is_a_limit(tmp_path: Path, limit: str) -> None:
    action = "os._exit" if limit != "null" else "exit"
    folder, result = run(
        tmp_path,
        "task=faulty",
        "budget=3",
        f"task.params.action={action}",
        "task.params.only_above=0.8",
        f"limits.trial_seconds={limit}",
    )
    assert result.done == 1
    assert len(read_trials(folder)) == 3


def test_a_method_with_nothing_left_ends_its_cell_early_and_completely(tmp_path: Path) -> None:
    folder, result = run(tmp_path, *odd("exhausted", good=4))
    assert result.done == 1
    assert read_json(folder / SUMMARY)["trials"] == 4
    assert run(tmp_path, *odd("exhausted", good=4))[1].skipped == 1


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("raise", "RuntimeError: a bug of the method"),
        ("outside", "learning_rate: 1e+09 is above the maximum 10"),
        ("note", "TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_a_method_s_bug_keeps_the_trials_before_it_and_a_relaunch_goes_on_from_there(tmp_path: Path, then: str, words: str) -> None:
    folder, result = run(tmp_path / "odd", *odd(then))
    (line,) = result.failed
    assert line.startswith(f"toy/odd/{folder.name}: {words}")
    assert len(read_trials(folder)) == 2
    assert not (folder / SUMMARY).exists()
    failure = read_json(folder / FAILURE)
    assert failure["error"].startswith(words)
    assert failure["trials"] == 2
    assert "Traceback" in failure["traceback"]
    methods.Odd.broken = False
    assert run(tmp_path / "odd", *odd(then))[1].done == 1
    assert not (folder / FAILURE).exists()
    run(tmp_path / "whole", *odd(then))
    assert records(tmp_path / "odd" / "main") == records(tmp_path / "whole" / "main")


def test_a_task_that_cannot_be_built_fails_its_cell_and_no_trial(tmp_path: Path) -> None:
    folder, result = run(tmp_path, "task=faulty", "task.params.constructor=raise")
    (line,) = result.failed
    assert line.startswith(f"faulty/random/{folder.name}: OSError: the data set is not there (")
    assert read_trials(folder) == ()


def test_a_method_sees_every_trial_before_and_no_test_score(tmp_path: Path) -> None:
    folder, _ = run(tmp_path, "optimizer._target_=support.methods.Watching", "optimizer.name=watching", "budget=4")
    assert [len(trajectory) for trajectory in methods.SHOWN] == [0, 1, 2, 3]
    assert any(t.outcome.test_score_pct is not None for t in read_trials(folder)[:3])
    for seen in methods.SHOWN[-1]:
        assert seen.outcome.test_score_pct is None
        assert {e.test_score_pct for e in seen.outcome.curve} == {None}


class Diary(NoTracker):
    """Writes down what it is told, and how many trials were on the disk by then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages: list[tuple[Any, ...]] = []

    def start(self, cell: Cell, manifest: Mapping[str, Any], trials: tuple[Trial, ...]) -> None:
        self.pages.append(("start", len(trials)))

    def trial(self, trial: Trial) -> None:
        self.pages.append(("trial", trial.number, len(read_trials(self.folder))))

    def finish(self, summary: Mapping[str, Any], folder: Path) -> None:
        self.pages.append(("finish", summary["trials"], (folder / SUMMARY).exists()))

    def abort(self) -> None:
        self.pages.append(("abort",))


def told(tmp_path: Path, *overrides: str) -> list[tuple[Any, ...]]:
    (cell,), settings = cells_of(tmp_path, "budget=3", *overrides)
    manifest = cell.manifest(settings.recorded, {})
    with CellFolder(tmp_path / cell.folder, manifest) as folder:
        diary = Diary(folder.path)
        try:
            run_cell(cell, folder, diary, manifest)
        except (RuntimeError, KeyboardInterrupt) as error:
            diary.pages.append((type(error).__name__,))
    return diary.pages


def test_a_tracker_is_told_of_a_trial_when_it_is_on_the_disk_and_of_the_end_before_the_cell_is_marked_done(tmp_path: Path) -> None:
    assert told(tmp_path) == [("start", 0), ("trial", 1, 1), ("trial", 2, 2), ("trial", 3, 3), ("finish", 3, False)]


@pytest.mark.parametrize(("then", "error"), [("raise", "RuntimeError"), ("interrupt", "KeyboardInterrupt")])
def test_a_tracker_is_told_when_a_cell_is_broken_off_and_of_all_trials_when_it_is_taken_up(
    tmp_path: Path, then: str, error: str
) -> None:
    assert told(tmp_path, *odd(then)) == [("start", 0), ("trial", 1, 1), ("trial", 2, 2), ("abort",), (error,)]
    methods.Odd.broken = False
    assert told(tmp_path, *odd(then)) == [("start", 2), ("trial", 3, 3), ("finish", 3, False)]


def test_a_summary_holds_the_incumbent_by_validation_with_its_test_score_and_the_counts() -> None:
    summary = summarise((trial(1, None), trial(2, 40.0), trial(3, 60.0, y=1)), PERCENT)
    assert summary == {
        "schema": 1,
        "trials": 3,
        "failures": {"crashed": 1},
        "incumbent": 3,
        "config": {"x": 0.5, "y": 1},
        "val_score_pct": 60.0,
        "test_score_pct": 59.0,
        "train_seconds": 0.3,
        "propose_seconds": 0.03,
    }
    assert summarise((trial(1, None),), PERCENT)["incumbent"] is None


def test_what_a_cell_leaves_can_be_read_by_a_person(tmp_path: Path) -> None:
    folder, _ = run(tmp_path, "seed=3", "budget=2")
    assert folder.parts[-3:-1] == ("toy", "random")
    assert folder.name.startswith("seed3-")
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "manifest.json", "summary.json", "trials.jsonl"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["identity"]["task"]["space"]["learning_rate"]["high"] == 10.0
    assert {"python", "packages", "git", "machine", "threads"} == manifest["environment"].keys()
    assert manifest["settings"]["budget"] == 2


def test_a_child_that_trains_dies_with_the_cell(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    run(tmp_path, "task=faulty", "budget=2", "limits.trial_seconds=20", f"task.params.pids={pids}")
    (pid,) = (int(path.name) for path in pids.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_a_stop_that_somebody_swallowed_ends_the_cell_before_its_next_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "_asked", [])

    class Swallowing(NoTracker):
        def trial(self, trial: Trial) -> None:
            stop._asked.append(signal.SIGINT)

    (cell,), _ = cells_of(tmp_path, "budget=5")
    with CellFolder(tmp_path / cell.folder, cell.manifest({}, {})) as folder:
        with pytest.raises(KeyboardInterrupt):
            run_cell(cell, folder, Swallowing(), {})
        assert len(folder.trials) == 1
