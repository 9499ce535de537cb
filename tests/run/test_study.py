from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from support.cells import cells_of
from support.commands import records

from harness.cell import Cell
from harness.errors import CellBusy, CellMismatch, CellsFailed, RecordError, StorageError
from harness.run.study import Result, add_to_plan, conclude, is_done, run_cells
from harness.store.cell_folder import FAILURE, SUMMARY, TRIALS, CellFolder, read_trials
from harness.store.plan import PLAN, read_plan


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "main"


def test_a_cell_is_planned_once_however_often_it_is_asked_for(study: Path, tmp_path: Path) -> None:
    cells, _ = cells_of(tmp_path, "seeds=3")
    add_to_plan(study, cells[:2])
    add_to_plan(study, cells)
    before = {path: path.stat().st_mtime_ns for path in (study, *study.iterdir())}
    add_to_plan(study, cells)
    assert {path: path.stat().st_mtime_ns for path in (study, *study.iterdir())} == before
    assert [(p.task, p.arm, p.seed, p.budget, p.cell) for p in read_plan(study)] == [
        ("toy", "random", c.seed, 10, c.id) for c in cells
    ]
    assert len((study / PLAN).read_text().splitlines()) == 3


def test_a_plan_that_a_kill_cut_short_loses_that_line_only(study: Path, tmp_path: Path) -> None:
    cells, _ = cells_of(tmp_path, "seeds=3")
    add_to_plan(study, cells[:2])
    whole = (study / PLAN).read_bytes()
    (study / PLAN).write_bytes(whole[:-10])
    assert [p.seed for p in read_plan(study)] == [0]
    add_to_plan(study, cells)
    assert [p.seed for p in read_plan(study)] == [0, 1, 2]
    assert (study / PLAN).read_bytes().startswith(whole)


def test_a_damaged_plan_is_told_with_its_line_and_what_to_do(study: Path, tmp_path: Path) -> None:
    cells, _ = cells_of(tmp_path)
    add_to_plan(study, cells)
    (study / PLAN).write_text("{}\n" + (study / PLAN).read_text())
    with pytest.raises(RecordError, match=r"plan.jsonl, line 1: damaged, or not written by this harness .*; delete that line"):
        read_plan(study)


def test_a_plan_that_is_locked_for_long_is_told_so(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.study.PLAN_LOCK_SECONDS", 0.05)
    cells, _ = cells_of(tmp_path)
    study.mkdir()
    with FileLock(study / ".plan.lock"), pytest.raises(CellBusy, match=r"has been locked by another process for 0.05 s"):
        add_to_plan(study, cells)


def test_a_study_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no study there"):
        read_plan(tmp_path / "nothing")


def test_a_mistake_that_never_got_as_far_as_a_trial_is_replaced_in_the_plan(study: Path, tmp_path: Path) -> None:
    (wrong,), settings = cells_of(tmp_path, "task.params.epochs=5", "task._target_=harness.tasks.toy.Toi")
    add_to_plan(study, [wrong])
    assert run_cells([wrong], settings).refused
    (right,), settings = cells_of(tmp_path, "task.params.epochs=5")
    add_to_plan(study, [right])
    assert [p.cell for p in read_plan(study)] == [right.id]
    assert run_cells([right], settings).done == 1
    with pytest.raises(CellMismatch, match=r"task._target_: 'harness.tasks.toy.Toy' there, 'harness.tasks.toy.Toi' here"):
        add_to_plan(study, [wrong])


def test_done_cells_are_skipped_and_not_opened(study: Path, tmp_path: Path) -> None:
    cells, settings = cells_of(tmp_path, "seeds=2", "budget=2")
    assert run_cells(cells, settings) == Result(done=2)
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    assert run_cells(cells, settings) == Result(skipped=2)
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_a_busy_cell_is_left_to_its_holder_and_the_others_go_on(study: Path, tmp_path: Path) -> None:
    cells, settings = cells_of(tmp_path, "seeds=3", "budget=2")
    with CellFolder(study / cells[1].folder, cells[1].manifest(settings.recorded, {})):
        result = run_cells(cells, settings)
    assert result.done == 2
    (line,) = result.busy
    assert line == f"{study / cells[1].folder} is being run by another process; leaving it to that one"


def test_a_damaged_record_costs_its_own_cell_only_and_is_not_touched(study: Path, tmp_path: Path) -> None:
    cells, settings = cells_of(tmp_path, "seeds=3", "budget=2")
    run_cells(cells[1:2], settings)
    damaged = study / cells[1].folder
    (damaged / SUMMARY).unlink()
    (damaged / TRIALS).write_text((damaged / TRIALS).read_text().replace('"trial":1', '"trial":7'))
    before = {path.name: path.read_bytes() for path in damaged.iterdir()}
    result = run_cells(cells, settings)
    assert result.done == 2
    told = "damaged: it was changed after it was written (its checksum does not fit); to run this cell anew, move its folder away"
    assert result.failed == (f"{damaged / TRIALS}, line 1: {told}",)
    assert {path.name: path.read_bytes() for path in damaged.iterdir()} == before


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let files grow to so many bytes only; lifted before the test ends, since pytest's own output may be a file too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_the_job_and_a_relaunch_with_room_completes_it(study: Path, tmp_path: Path) -> None:
    cells, settings = cells_of(tmp_path, "seeds=2", "budget=50")
    add_to_plan(study, cells)
    with small_files(20_000):
        result = run_cells(cells, settings)
    (line,) = result.fatal
    assert "trials.jsonl" in line
    assert result.done == 0
    assert 10 < len(read_trials(study / cells[0].folder)) < 50
    kept = (study / cells[0].folder / TRIALS).read_bytes()
    assert not (study / cells[1].folder).exists()
    with pytest.raises(StorageError, match=r"trials\.jsonl"):
        conclude({study: cells}, result)
    assert run_cells(cells, settings).done == 2
    whole = kept[: kept.rfind(b"\n") + 1]
    assert (study / cells[0].folder / TRIALS).read_bytes().startswith(whole)
    other, settings = cells_of(tmp_path / "whole", "seeds=2", "budget=50")
    run_cells(other, settings)
    assert records(study) == records(tmp_path / "whole" / "main")


def test_a_failure_s_text_cannot_break_the_failure_s_file(study: Path, tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path, "task=faulty", "task.params.constructor=surrogate")
    result = run_cells([cell], settings)
    (line,) = result.failed
    assert line.startswith(f"{cell.folder}: " + r"OSError: file \udcff (")
    assert json.loads((study / cell.folder / FAILURE).read_text())["error"].startswith(r"OSError: file \udcff (")


def test_results_add_up() -> None:
    one, other = Result(done=1, failed=("a",)), Result(skipped=2, failed=("b",), busy=("c",), fatal=("d",))
    assert one + other == Result(1, 2, ("a", "b"), (), ("c",), ("d",))


def finished(tmp_path: Path, count: int) -> tuple[list[Cell], Path]:
    cells, settings = cells_of(tmp_path, "seeds=2", "budget=1")
    run_cells(cells[:count], settings)
    return cells, tmp_path / "main"


def test_the_end_of_a_command_without_problems_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, study = finished(tmp_path, 2)
    conclude({study: cells}, Result(done=1, skipped=1))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "result", [Result(done=1, failed=("x: gone",)), Result(done=1, busy=("x",)), Result(done=1, blocked=("x", "x"))]
)
def test_every_problem_is_one_line_and_cells_left_over_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], result: Result
) -> None:
    cells, study = finished(tmp_path, 1)
    with pytest.raises(CellsFailed, match="1 of 2 cells are not done; the same command goes on with them"):
        conclude({study: cells}, result)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_problem_of_a_single_cell_is_the_only_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, study = finished(tmp_path, 0)
    with pytest.raises(CellsFailed, match="failed: x: gone"):
        conclude({study: cells[:1]}, Result(failed=("x: gone",)))
    assert capsys.readouterr().err == ""


def test_a_cell_that_may_be_left_is_named_and_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, study = finished(tmp_path, 1)
    conclude({study: cells}, Result(done=1, blocked=("x: no LLM",)), optional={cells[1].id})
    assert "blocked: x: no LLM" in capsys.readouterr().err
    with pytest.raises(CellsFailed):
        conclude({study: cells}, Result(), optional={cells[0].id})


def test_a_cell_is_done_when_it_has_its_summary(tmp_path: Path) -> None:
    cells, study = finished(tmp_path, 1)
    assert [is_done(study, cell) for cell in cells] == [True, False]
    add_to_plan(study, cells)
    assert [is_done(study, planned) for planned in read_plan(study)] == [True, False]


def test_a_cell_that_its_settings_forbid_ends_the_command_with_status_2(cli: Callable[..., Any]) -> None:
    ran = cli("task=digits", "tracking=off", "progress=off", "budget=1", "task.params.train_size=5000")
    assert ran.status == 2
    assert "5000 rows for training" in ran.line
