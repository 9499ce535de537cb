"""A cell whose every trial crashed is no result: it is told, kept apart, and trained anew by the same command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.cells import cells_of
from support.commands import records

from harness.cell import Cell
from harness.errors import CellMismatch
from harness.pack.packing import pack
from harness.report.sources.records import read_study
from harness.report.study_data import State
from harness.run.study import Result, add_to_plan, conclude, is_done, run_cells
from harness.run.tracking import run_id
from harness.store.cell_folder import CALLS, FAILURE, SUMMARY, TRIALS, failed_launches, read_json
from harness.store.lines import whole_lines
from harness.testing.servers.ollama_api import OllamaDouble

BROKEN = ("task=faulty", "task.params.action='until fixed'", "budget=3")


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fix() -> None:
    Path("fixed").touch()


def launched(tmp_path: Path, *more: str) -> tuple[Cell, Path, Result]:
    (cell,), settings = cells_of(tmp_path, *BROKEN, *more)
    add_to_plan(tmp_path / "main", [cell])
    return cell, tmp_path / "main" / cell.folder, run_cells([cell], settings)


def test_it_is_told_with_the_place_and_the_file_and_is_not_done(tmp_path: Path) -> None:
    cell, folder, result = launched(tmp_path)
    (line,) = result.failed
    assert line.startswith(f"{cell.folder}: all 3 trials failed: RuntimeError: the code is broken (")
    assert line.endswith(f"; see {folder / FAILURE}")
    assert "faulty.py:" in line
    assert not is_done(tmp_path / "main", cell)
    failure = read_json(folder / FAILURE)
    assert failure["traceback"].endswith("RuntimeError: the code is broken")
    assert "raise RuntimeError" in failure["traceback"]
    (seen,) = read_study(tmp_path / "main").cells
    assert (seen.state, seen.reason) == (State.FAILED, failure["error"])


@pytest.mark.parametrize("sync", ["trial", "cell"])
def test_after_a_fix_the_same_command_trains_anew_and_keeps_what_was_there(tmp_path: Path, sync: str) -> None:
    launched(tmp_path, f"store.sync={sync}")
    _, folder, _ = launched(tmp_path, f"store.sync={sync}")
    first = (folder / TRIALS).read_bytes()
    fix()
    cell, folder, result = launched(tmp_path, f"store.sync={sync}")
    assert result.done == 1
    assert is_done(tmp_path / "main", cell)
    assert (folder / "trials-failed-2.jsonl").read_bytes() == first
    assert sorted(p.name for p in folder.glob("trials-*")) == ["trials-failed-1.jsonl", "trials-failed-2.jsonl"]
    assert not (folder / FAILURE).exists()
    launched(tmp_path / "fresh", f"store.sync={sync}")
    assert records(tmp_path / "main") == records(tmp_path / "fresh" / "main")
    (seen,) = read_study(tmp_path / "main").cells
    assert seen.state is State.DONE
    assert launched(tmp_path, f"store.sync={sync}")[2].skipped == 1


def test_a_fix_in_the_settings_is_another_cell_that_may_take_its_place(tmp_path: Path) -> None:
    _, broken, _ = launched(tmp_path)
    fixed, folder, result = launched(tmp_path, "task.params.action=ok")
    assert result.done == 1
    assert folder != broken
    assert (broken / TRIALS).exists()
    (seen,) = read_study(tmp_path / "main").cells
    assert (seen.cell, seen.state) == (fixed.id, State.DONE)
    with pytest.raises(CellMismatch, match="was made with other settings"):
        launched(tmp_path)


def test_killed_after_the_last_trial_it_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    _, folder, _ = launched(tmp_path)
    before = (folder / TRIALS).read_bytes()
    (folder / FAILURE).unlink()  # it was killed before this was written
    assert launched(tmp_path)[2].failed
    assert (folder / TRIALS).read_bytes() == before
    assert failed_launches(folder) == 0


def test_killed_while_it_is_set_aside_it_begins_anew_once(tmp_path: Path) -> None:
    _, folder, _ = launched(tmp_path)
    (folder / TRIALS).rename(folder / "trials-failed-1.jsonl")  # and killed before the failure was removed
    fix()
    assert launched(tmp_path)[2].done == 1
    assert failed_launches(folder) == 1


def test_a_cell_broken_off_after_crashes_goes_on_where_it_was(tmp_path: Path) -> None:
    _, folder, _ = launched(tmp_path)
    (folder / FAILURE).unlink()
    kept = b"".join((folder / TRIALS).read_bytes().splitlines(keepends=True)[:2])
    (folder / TRIALS).write_bytes(kept)
    fix()
    assert launched(tmp_path)[2].done == 1
    assert (folder / TRIALS).read_bytes().startswith(kept)
    assert read_json(folder / SUMMARY)["failures"] == {"crashed": 2}


@pytest.mark.parametrize("action", ["nan", "infinite loss"])
def test_a_cell_whose_every_trial_diverged_is_done(tmp_path: Path, action: str) -> None:
    (cell,), settings = cells_of(tmp_path, "task=faulty", f"task.params.action='{action}'", "budget=2")
    assert run_cells([cell], settings).done == 1
    assert is_done(tmp_path / "main", cell)


def test_a_damaged_reason_is_no_obstacle(tmp_path: Path) -> None:
    _, folder, _ = launched(tmp_path)
    (folder / FAILURE).write_text("{")
    assert launched(tmp_path)[2].failed
    fix()
    assert launched(tmp_path)[2].done == 1


def test_a_child_s_crash_is_told_alike(tmp_path: Path) -> None:
    _, folder, result = launched(tmp_path, "limits.trial_seconds=30")
    assert "all 3 trials failed: RuntimeError: the code is broken (" in result.failed[0]
    row = json.loads((folder / TRIALS).read_text().splitlines()[0])
    assert "faulty.py" in row["raised_at"]
    assert row["traceback"].endswith("RuntimeError: the code is broken")


def test_the_secrets_of_a_failing_training_are_in_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-4f9c2e77d1b84a60")
    (cell,), settings = cells_of(
        tmp_path, "task=faulty", "task._target_=support.faulty.Loud", "task.params.action=sk-planted-4f9c2e77d1b84a60", "budget=2"
    )
    (line,) = run_cells([cell], settings).failed
    assert "all 2 trials failed: RuntimeError: [OPENAI_API_KEY]" in line
    for path in (tmp_path / "main").rglob("*"):
        assert not path.is_file() or b"planted" not in path.read_bytes(), path


def test_one_line_stands_for_all_cells_that_failed_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, settings = cells_of(tmp_path, *BROKEN, "seeds=4")
    result = run_cells(cells, settings)
    with pytest.raises(Exception, match="4 of 4 cells are not done"):
        conclude({tmp_path / "main": cells}, result)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"failed: 4 cells, the first: {cells[0].folder}: all 3 trials failed: RuntimeError")


def test_another_launch_is_another_run_of_w_and_b(tmp_path: Path) -> None:
    (cell,), _ = cells_of(tmp_path)
    assert run_id(cell, 0) == run_id(cell)
    assert run_id(cell, 1) == f"{run_id(cell)}-2"


def test_calls_that_were_answered_are_not_paid_for_again(tmp_path: Path) -> None:
    with OllamaDouble() as double:
        asked: tuple[Any, ...] = ("optimizer=tcs", "llm=phi4", f"llm.base_url={double.url}")
        _, folder, result = launched(tmp_path, *asked)
        assert "all 3 trials failed" in result.failed[0]
        calls, first = whole_lines(folder / CALLS), chats(double)
        fix()
        assert launched(tmp_path, *asked)[2].done == 1
        assert whole_lines(folder / CALLS).startswith(calls)
        # The first question is the same; the next ones tell of other outcomes.
        assert 0 < chats(double) - first < first
        (seen,) = read_study(tmp_path / "main").cells
        assert seen.state is State.DONE


def chats(double: OllamaDouble) -> int:
    return sum(one.path == "/api/chat" for one in double.received)


DIVERGING = ("task=faulty", "task.params.action=nan", "task.params.good_epochs=0", "budget=2")


@pytest.mark.parametrize("packed", [False, True], ids=["in its folder", "packed"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_cell_whose_every_trial_failed_otherwise_is_done_and_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seeds: int, packed: bool
) -> None:
    cells, settings = cells_of(tmp_path, *DIVERGING, f"seeds={seeds}")
    study = tmp_path / "main"
    add_to_plan(study, cells)
    assert run_cells(cells, settings).done == seeds
    if packed:
        pack(study, keep=False)
    words = "all 2 trials failed (2 diverged); the cell is done, since its failures are its result"
    conclude({study: cells}, run_cells(cells, settings))
    told = capsys.readouterr().err
    assert f"faulty random, seed {'0' if seeds == 1 else '0-1'}: {words}" in told
    assert all(is_done(study, cell) for cell in cells)


def test_a_cell_with_one_score_is_no_failure(tmp_path: Path) -> None:
    cells, settings = cells_of(tmp_path, *DIVERGING[:1], "task.params.action=nan", "task.params.only_above=0.5", "budget=6")
    add_to_plan(tmp_path / "main", cells)
    result = run_cells(cells, settings)
    (folder,) = (tmp_path / "main" / cell.folder for cell in cells)
    assert read_json(folder / SUMMARY)["failures"]
    conclude({tmp_path / "main": cells}, result)
