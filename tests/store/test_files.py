from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from support.cells import cells_of
from support.commands import records

from harness.errors import StorageError
from harness.run.study import is_done, run_cells
from harness.store import files as disk
from harness.store.cell_folder import FAILURE, MANIFEST, SUMMARY, CellFolder, read_json
from harness.store.codec import json_page, read_page
from harness.store.files import Batch, Siblings, remove_dead_drafts, sync_filesystem, whole_file, write_json, write_whole


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Return the JSON files that were there under their own names at each sync of the file system."""
    seen: list[list[str]] = []
    real = disk.sync_filesystem

    def spy(folder: Path) -> None:
        seen.append(sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("[a-z]*.json")))
        real(folder)

    monkeypatch.setattr(disk, "sync_filesystem", spy)
    return seen


def test_files_of_a_batch_appear_after_the_sync_that_they_share(tmp_path: Path, syncs: list[list[str]]) -> None:
    old = tmp_path / "failure.json"
    with Batch(tmp_path) as batch:
        batch.add(tmp_path / "a.json", {"a": 1}, instead_of=tmp_path / "nothing")  # the first one waits for nobody
        assert syncs == [[]]
        old.touch()
        for name in "bcd":
            batch.add(tmp_path / f"{name}.json", {name: 1}, instead_of=old)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "failure.json"]
    assert syncs[1:] == [["a.json", "failure.json"], ["a.json", "b.json", "c.json", "d.json"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json", "c.json", "d.json"]
    assert read_json(tmp_path / "c.json") == {"c": 1}


def test_a_batch_waits_no_longer_than_its_time(tmp_path: Path, syncs: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "BATCH_SECONDS", -1.0)
    with Batch(tmp_path) as batch:
        for name in "ab":
            batch.add(tmp_path / f"{name}.json", {}, instead_of=tmp_path / "nothing")
            assert (tmp_path / f"{name}.json").exists()
    assert len(syncs) == 3


def test_a_batch_that_cannot_be_synced_leaves_no_name_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(disk, "sync_filesystem", fail)
    monkeypatch.setattr(disk, "BATCH_SECONDS", 1e9)
    with pytest.raises(StorageError, match="Input/output error"), Batch(tmp_path) as batch:
        batch.add(tmp_path / "a.json", {}, instead_of=tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_is_synced_by_its_folder_and_elsewhere_all_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_filesystem(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_filesystem(tmp_path / "nowhere")
    all_synced: list[bool] = []
    monkeypatch.setattr(disk, "_syncfs", lambda: None)
    monkeypatch.setattr(os, "sync", lambda: all_synced.append(True))
    sync_filesystem(tmp_path)
    assert all_synced == [True]


def test_cells_in_batches_leave_the_records_of_cells_one_by_one(tmp_path: Path, syncs: list[list[str]]) -> None:
    made = {}
    for sync in ("trial", "cell"):
        cells, settings = cells_of(tmp_path / sync, "seeds=5", "budget=2", f"store.sync={sync}")
        assert run_cells(cells, settings).done == 5
        made[sync] = records(tmp_path / sync / "main")
        assert all(is_done(tmp_path / sync / "main", cell) for cell in cells)
    assert len(made["cell"]) == 5
    assert made["cell"] == made["trial"]
    assert 0 < len(syncs) <= 5
    assert not any(path.name.startswith(".summary") for path in tmp_path.rglob("*"))


def test_a_cell_whose_mark_was_still_waiting_is_marked_by_a_relaunch_without_training_it_again(tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path, "budget=2", "store.sync=cell")
    study = tmp_path / "main"
    run_cells([cell], settings)
    (study / cell.folder / SUMMARY).unlink()
    before = (study / cell.folder / "trials.jsonl").read_bytes()
    assert run_cells([cell], settings).done == 1
    assert (study / cell.folder / "trials.jsonl").read_bytes() == before


def test_a_manifest_that_a_power_cut_left_without_its_bytes_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "toy" / "random" / "seed0-12345678"
    path.mkdir(parents=True)
    (path / MANIFEST).touch()
    with Batch(tmp_path) as batch, CellFolder(path, {"identity": {}}, sync="cell", batch=batch) as folder:
        folder.fail({"error": "gone"})
        folder.finish({"trials": 0})
    assert read_json(path / MANIFEST) == {"identity": {}}
    assert not (path / FAILURE).exists()


def test_the_folders_of_a_seed_are_found_by_their_stem(tmp_path: Path) -> None:
    siblings = Siblings()
    assert siblings.of(tmp_path / "arm" / "seed1-aa") == []
    for name in ("seed1-cc", "seed1-aa", "seed10-bb", "seed-1-dd", "seed1"):
        siblings.make(tmp_path / "arm" / name)
    assert [path.name for path in siblings.of(tmp_path / "arm" / "seed1-zz")] == ["seed1-aa", "seed1-cc"]
    assert siblings.of(tmp_path / "arm" / "seed1-zz") == Siblings().of(tmp_path / "arm" / "seed1-zz")


def test_an_arm_is_listed_again_only_after_somebody_else_changed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[object] = []
    real = os.listdir

    def spy(path: Path) -> list[str]:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", spy)
    siblings = Siblings()
    siblings.make(tmp_path / "arm" / "seed0-aa")
    for seed in range(20):
        siblings.make(tmp_path / "arm" / f"seed{seed}-aa")
        assert len(siblings.of(tmp_path / "arm" / f"seed{seed}-aa")) == 1
    assert len(listed) == 1
    (tmp_path / "arm" / "seed3-bb").mkdir()
    os.utime(tmp_path / "arm", ns=(0, 1))  # a clock that has not moved on since would hide it
    assert [path.name for path in siblings.of(tmp_path / "arm" / "seed3-aa")] == ["seed3-aa", "seed3-bb"]
    assert len(listed) == 2


def test_a_page_of_json_has_a_line_a_key_and_reads_back(tmp_path: Path) -> None:
    data = {"a": {"b": [1, 2.5, None]}, 'quo"ted': "größe \udcff", "c": float("nan"), "d": []}
    write_json(tmp_path / "a.json", data, sync=False)
    text = (tmp_path / "a.json").read_text()
    assert text == json_page(data)
    assert len(text.splitlines()) == 3 + len(data)  # the last key is the checksum
    assert read_page(text.encode(), "here") == {**data, "c": "nan"}


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_is_what_it_was_until_the_new_one_is_whole(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "table.npz"
    with whole_file(path, sync=sync) as file:
        file.write(b"old")
        assert not path.exists()
    with pytest.raises(TypeError), whole_file(path, sync=sync) as file:
        file.writelines([b"half", cast(bytes, None)])
    assert path.read_bytes() == b"old"
    write_whole(path, b"new", sync=sync)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


# A download that is broken off is gone on with, so that its part is no draft; and tasks see the contracts only.
OWN_PARTS = {"tasks/common/download.py"}


def test_no_other_module_gives_a_draft_its_name() -> None:
    """`path.replace(other)` has one argument, where `text.replace(old, new)` has two."""
    root = Path(__file__).resolve().parents[2]
    for path in (path for folder in ("harness", "tasks", "scripts") for path in (root / folder).rglob("*.py")):
        place = path.relative_to(root).as_posix()
        found = {
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 1 and not node.keywords
            if node.func.attr == "replace"
        }
        if place == "harness/store/files.py":
            assert len(found) == 2, "of whole_file and of Batch"
        elif place not in OWN_PARTS:
            assert not found, f"{place}, lines {found}: write with harness.store.files.whole_file"


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        f".summary.json.{dead.pid}",
        f".packed.zip.{dead.pid}",
        f".a.json.{2**70}",
        f".summary.json.{os.getpid()}",
        ".lock",
        "trials.jsonl",
    }
    for name in names:
        (tmp_path / name).touch()
    remove_dead_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f".summary.json.{os.getpid()}", ".lock", "trials.jsonl"}
