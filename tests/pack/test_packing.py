from __future__ import annotations

import resource
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from support.cells import cells_of

from harness.errors import CellMismatch, RecordError
from harness.pack.__main__ import main
from harness.report.sources.records import read_study
from harness.report.study_data import State
from harness.run.study import Result, add_to_plan, is_done, run_cells
from harness.store.archive import PACK, packed
from harness.store.cell_folder import SUMMARY, TRIALS
from harness.store.lock import LOCK

FILES = ("manifest.json", SUMMARY, TRIALS)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run twelve cells of two arms and leave one of them unfinished."""
    monkeypatch.chdir(tmp_path)
    for optimizer in ("random", "default_only"):
        cells, settings = cells_of(tmp_path / "runs", "seeds=6", "budget=2", f"optimizer={optimizer}", "store.sync=cell")
        add_to_plan(tmp_path / "runs" / "main", cells)
        assert run_cells(cells, settings).done == 6
    study = tmp_path / "runs" / "main"
    (next(study.glob("toy/random/seed3-*")) / SUMMARY).unlink()
    (next(study.glob("toy/random/seed0-*")) / "notes.bin").write_bytes(b"\xff\x00 a user's own")
    return study


def contents(study: Path) -> dict[str, bytes]:
    """Return every file of the cells' folders by its path, locks left out."""
    paths = (path for path in study.glob("*/*/*/*") if path.is_file() and path.name != LOCK)
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in paths}


def test_packing_and_unpacking_bring_every_byte_back(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(study)
    assert main(["main"]) == 0
    assert "packed.zip: 11 cells, 11 of them new" in capsys.readouterr().out
    assert {name.split("/")[2][:5] for name in contents(study)} == {"seed3"}
    assert not (study / "toy" / "default_only").exists()
    assert main(["main", "--unpack"]) == 0
    assert contents(study) == before
    assert not (study / PACK).exists()


def test_the_report_reads_packed_cells_and_others_alike(study: Path) -> None:
    before = read_study(study)
    told = [repr(before.in_full(cell)) for cell in before.cells]  # as text: a curve may hold NaN
    main(["main"])
    after = read_study(study)
    assert after.cells == before.cells
    assert after.problems == before.problems
    assert [repr(after.in_full(cell)) for cell in after.cells] == told
    (study / "plan.jsonl").unlink()
    unplanned = read_study(study)
    assert sorted(cell.label for cell in unplanned.cells) == sorted(cell.label for cell in before.cells)
    assert sum(cell.state is State.DONE for cell in unplanned.cells) == 11


def test_a_sweep_takes_packed_cells_for_done_and_finishes_the_others(study: Path, tmp_path: Path) -> None:
    main(["main"])
    cells, settings = cells_of(tmp_path / "runs", "seeds=7", "budget=2")
    assert [is_done(study, cell) for cell in cells] == [True, True, True, False, True, True, False]
    assert run_cells(cells, settings) == Result(done=2, skipped=5)
    assert main(["main"]) == 0
    assert list(study.glob("toy")) == []
    pack = packed(study)
    assert pack is not None
    assert len(pack) == 13
    assert sum(cell.state is State.DONE for cell in read_study(study).cells) == 13


def test_other_settings_for_a_packed_row_are_refused(study: Path, tmp_path: Path) -> None:
    main(["main"])
    cells, _ = cells_of(tmp_path / "runs", "seeds=[5]", "budget=3")
    with pytest.raises(CellMismatch, match=r"packed.zip/toy/random/seed5-.* \(budget: 2 there, 3 here\)"):
        add_to_plan(study, cells)


def test_what_a_kill_left_of_packed_folders_counts_for_nothing_and_is_removed_by_the_next_packing(study: Path) -> None:
    before = read_study(study)
    main(["main", "--keep"])
    assert len(contents(study)) > 33
    (next(study.glob("toy/default_only/seed1-*")) / SUMMARY).unlink()
    shutil.rmtree(next(study.glob("toy/default_only/seed2-*")))
    assert read_study(study).cells == before.cells
    assert main(["main"]) == 0
    assert {name.split("/")[2][:5] for name in contents(study)} == {"seed3"}


def test_a_folder_that_differs_from_its_packed_copy_is_told_and_kept(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["main", "--keep"])
    changed = next(study.glob("toy/default_only/seed1-*")) / TRIALS
    changed.write_bytes(changed.read_bytes() + b"\n")
    kept = contents(study)
    for arguments, words in ((["main"], "differs from what"), (["main", "--unpack"], "differs from the packed one")):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert words in error
    assert contents(study) == kept
    assert (study / PACK).exists()


def test_a_cell_with_a_folder_inside_stays_as_it_is(study: Path) -> None:
    own = next(study.glob("toy/random/seed1-*")) / "checkpoints"
    own.mkdir()
    assert main(["main"]) == 0
    assert {name.split("/")[2][:5] for name in contents(study)} == {"seed1", "seed3"}


def test_a_disk_that_is_full_is_one_line_and_removes_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(study)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        status = main(["main"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert contents(study) == before
    assert not list(study.glob("*packed*"))


def test_a_damaged_pack_is_named_and_the_rest_of_the_study_is_read(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["main"])
    data = (study / PACK).read_bytes()
    (study / PACK).write_bytes(data[: len(data) // 2])
    read = read_study(study)
    assert any("packed.zip: the pack is damaged" in problem for problem in read.problems)
    assert sum(cell.state is State.UNFINISHED for cell in read.cells) == 1
    capsys.readouterr()
    assert main(["main"]) == 2
    assert capsys.readouterr().err.startswith("pack: runs/main/packed.zip: the pack is damaged")
    with pytest.raises(RecordError):
        packed(study)


@pytest.mark.parametrize("arguments", [["nothing"], ["main", "--unpack"]])
def test_a_mistake_is_one_line(study: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_study_without_a_finished_cell_has_nothing_to_pack(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in study.glob(f"*/*/*/{SUMMARY}"):
        path.unlink()
    assert main(["main"]) == 0
    assert "nothing to pack" in capsys.readouterr().out


def test_two_packings_at_once_are_one_too_many(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FileLock(study / ".pack.lock"):
        assert main(["main"]) == 2
    assert "is being packed by another process" in capsys.readouterr().err


def test_drafts_that_a_kill_left_are_removed_and_packed_nowhere(study: Path) -> None:
    before = contents(study)
    drafts = [study / ".packed.zip.123", next(study.glob("toy/random/seed1-*")) / ".summary.json.123"]
    for draft in drafts:
        draft.write_bytes(b"half")
    assert main(["main"]) == 0
    assert not drafts[0].exists()
    left = study / "toy" / "random" / drafts[1].parent.name
    left.mkdir()
    (left / ".manifest.json.123").write_bytes(b"half")  # of an unpacking
    assert main(["main", "--keep"]) == 0
    assert main(["main", "--unpack"]) == 0
    assert contents(study) == before
