from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.values import trial

from harness.errors import CellBusy, CellMismatch, RecordError, StorageError
from harness.store import cell_folder as store
from harness.store import codec as record
from harness.store.cell_folder import (
    FAILURE,
    MANIFEST,
    SUMMARY,
    TRIALS,
    CellFolder,
    read_json,
    read_trials,
    write_json,
)
from harness.store.lines import append_lines, whole_lines

IDENTITY = {"task": {"params": {"epochs": 3}}, "budget": 10}
MANIFEST_DATA = {"schema": 1, "identity": IDENTITY}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "toy" / "random" / "seed0-12345678"


def filled(path: Path, count: int = 3) -> Path:
    with CellFolder(path, MANIFEST_DATA) as folder:
        for number in range(1, count + 1):
            folder.append(trial(number))
    return path / TRIALS


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of lines with checksums, without their checksums."""
    return [record.read_row(line, "here", "a row", None) for line in data.splitlines()]


def changed(data: bytes, number: int, **values: Any) -> bytes:
    """Return lines, one of which says something else and has a checksum that fits."""
    rows = rows_of(data)
    rows[number - 1] |= values
    return "".join(f"{record.with_checksum(record.json_line(row))}\n" for row in rows).encode()


def test_what_was_appended_is_there_when_the_folder_is_opened_again(path: Path) -> None:
    filled(path)
    with CellFolder(path, MANIFEST_DATA) as folder:
        assert folder.trials == (trial(1), trial(2), trial(3))
        folder.append(trial(4))
    assert read_trials(path) == tuple(trial(n) for n in range(1, 5))


def test_the_summary_marks_the_end_and_takes_the_failure_away(path: Path) -> None:
    with CellFolder(path, MANIFEST_DATA) as folder:
        folder.fail({"error": "gone"})
        assert read_json(path / FAILURE) == {"error": "gone"}
        folder.finish({"trials": 0})
    assert read_json(path / SUMMARY) == {"trials": 0}
    assert not (path / FAILURE).exists()


def test_drafts_that_a_kill_left_are_cleared_away(path: Path) -> None:
    path.mkdir(parents=True)
    (path / ".manifest.json.999999999").write_text("{")
    filled(path)
    assert {p.name for p in path.iterdir()} == {".lock", MANIFEST, TRIALS}


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_torn_last_line_is_dropped_and_the_cell_goes_on_from_there(path: Path, cut: int) -> None:
    file = filled(path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    assert read_trials(path) == (trial(1), trial(2))
    with CellFolder(path, MANIFEST_DATA) as folder:
        assert folder.trials == (trial(1), trial(2))
        folder.append(trial(3))
    assert file.read_bytes() == whole


def test_reading_alone_changes_no_byte(path: Path) -> None:
    file = filled(path)
    file.write_bytes(file.read_bytes()[:-9])
    before = file.read_bytes()
    read_trials(path)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data.replace(b'"trial":2', b'"trial":3'), "line 2: damaged: it was changed after it was written"),
        (lambda data: changed(data, 2, trial=3), "line 2: holds trial 3"),
        (lambda data: changed(data, 1, status="fine"), "line 1: damaged trial record"),
        (lambda data: re.sub(rb',"crc32":"[0-9a-f]{8}"\}', b"}", data), "line 1: damaged, or not written by this harness"),
        (lambda data: b"\xff" + data, "line 1: not JSON ('utf-8' codec"),
        (lambda data: b"\n" + data, "line 1: not JSON"),
        (
            lambda data: data.replace(b'{"schema":1', b'{"schema":9', 1),
            "line 1: written by another version (schema 9, this one reads 1)",
        ),
        (
            lambda data: data.replace(b'{"schema":1', b'{"schema":0', 1),
            "line 1: written by another version (schema 0, this one reads 1)",
        ),
    ],
)
def test_a_damaged_record_is_refused_with_its_line_and_nothing_is_written(
    path: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    file = filled(path)
    file.write_bytes(damage(file.read_bytes()))
    before = file.read_bytes()
    with pytest.raises(RecordError) as refused, CellFolder(path, MANIFEST_DATA):
        pass
    assert words in str(refused.value)
    assert file.read_bytes() == before
    with pytest.raises(RecordError), CellFolder(path, MANIFEST_DATA):  # and the lock was given back
        pass


def test_two_holders_at_once_are_one_too_many(path: Path) -> None:
    with CellFolder(path, MANIFEST_DATA), pytest.raises(CellBusy, match="is being run by another process; leaving it"):
        CellFolder(path, MANIFEST_DATA).__enter__()
    with CellFolder(path, MANIFEST_DATA) as folder:
        assert folder.trials == ()


def test_the_lock_of_a_killed_process_holds_nobody_up(path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from harness.store.cell_folder import CellFolder\n"
        "folder = CellFolder(Path(sys.argv[1]), {'schema': 1, 'identity': {}}).__enter__(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            with pytest.raises(CellBusy):
                CellFolder(path, {"schema": 1, "identity": {}}).__enter__()
        finally:
            holder.send_signal(signal.SIGKILL)
    with CellFolder(path, {"schema": 1, "identity": {}}):
        pass


def test_the_same_task_arm_and_seed_with_other_settings_is_refused_with_the_difference_and_what_to_do(path: Path) -> None:
    filled(path)
    other = {"schema": 1, "identity": {"task": {"params": {"epochs": 5}}, "budget": 10, "start": "x" * 100}}
    with pytest.raises(CellMismatch) as refused:
        CellFolder(path.with_name("seed0-87654321"), other).__enter__()
    text = str(refused.value)
    assert "task.params.epochs: 3 there, 5 here; start: nothing there, 'xxxx" in text
    assert "choose another study=NAME, give this method its own arm=NAME, or move that folder away" in text
    assert "budget" not in text
    assert len(text) < 400 + len(str(path))
    assert not path.with_name("seed0-87654321").exists()


def test_a_folder_that_a_mistaken_command_left_without_a_trial_is_no_obstacle(path: Path) -> None:
    with CellFolder(path, {"schema": 1, "identity": {"budget": "wrong"}}):
        pass
    with CellFolder(path.with_name("seed0-87654321"), MANIFEST_DATA) as folder:
        folder.append(trial(1))
    with pytest.raises(CellMismatch):
        CellFolder(path, {"schema": 1, "identity": {"budget": "wrong"}}).__enter__()


def test_other_seeds_are_other_cells(path: Path) -> None:
    filled(path)
    with (
        CellFolder(path.with_name("seed00-87654321"), {"schema": 1, "identity": {"seed": 1}}),
        CellFolder(path.with_name("seed-0-1"), {"schema": 1, "identity": {}}),
    ):
        pass


@contextlib.contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let files grow to so many bytes only: the system's own way of being full, which needs no privilege.

    Lifted before the test ends: pytest's own output may be a file too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_clear_line_and_what_was_written_stays_readable(path: Path) -> None:
    size = filled(path).stat().st_size
    with small_files(size + 50), CellFolder(path, MANIFEST_DATA) as folder:
        with pytest.raises(StorageError) as full:
            folder.append(trial(4))
        assert len(str(full.value).splitlines()) == 1
        assert "trials.jsonl" in str(full.value)
        assert folder.trials == (trial(1), trial(2), trial(3))
    assert read_trials(path) == (trial(1), trial(2), trial(3))
    with CellFolder(path, MANIFEST_DATA) as folder:
        folder.append(trial(4))
    assert read_trials(path)[-1] == trial(4)


def test_a_manifest_that_does_not_fit_leaves_no_half_of_it(path: Path) -> None:
    with small_files(5), pytest.raises(StorageError, match="cannot write"):
        CellFolder(path, MANIFEST_DATA).__enter__()
    assert not (path / MANIFEST).exists()
    assert [p.name for p in path.iterdir()] in ([], [".lock"])


def test_a_folder_that_cannot_be_made_is_one_clear_line() -> None:
    with pytest.raises(StorageError, match=r"cannot write .*; what was written before stays readable"):
        CellFolder(Path("/proc/nowhere/toy/random/seed0-1"), MANIFEST_DATA).__enter__()


def test_every_trial_is_synced_before_the_next_or_once_a_cell(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fdatasync

    def spy(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", spy)
    for sync, expected in (("trial", 3), ("cell", 1)):
        synced.clear()
        with CellFolder(path.with_name(f"{sync}0-1"), MANIFEST_DATA, sync=sync) as folder:
            for number in (1, 2, 3):
                folder.append(trial(number))
                assert synced.count(TRIALS) == (number if sync == "trial" else 0)
            folder.finish({})
        assert synced.count(TRIALS) == expected


def test_json_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"a": "größe", "b": float("inf"), "c": "\udcff"})
    json.loads(target.read_text(), parse_constant=pytest.fail)
    assert read_json(target) == {"a": "größe", "b": "inf", "c": "\udcff"}

    class Unwritable:
        pass

    with pytest.raises(TypeError):
        write_json(target, {"a": Unwritable()})
    assert read_json(target)["a"] == "größe"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is missing"), (b"{", "cannot be read"), (b"[]", "is not a JSON object"), (b"\xff", "cannot be read")],
)
def test_a_damaged_json_file_is_told_by_its_path(tmp_path: Path, content: bytes | None, words: str) -> None:
    target = tmp_path / "a.json"
    if content is not None:
        target.write_bytes(content)
    with pytest.raises(RecordError, match=words) as refused:
        read_json(target)
    assert str(target) in str(refused.value)


def test_lines_are_appended_after_a_torn_one_was_cut_off(tmp_path: Path) -> None:
    target = tmp_path / "lines.jsonl"
    assert whole_lines(target) == b""
    append_lines(target, [{"a": 1}])
    target.write_bytes(target.read_bytes() + b'{"a": 2')
    append_lines(target, [{"a": 3}, {"a": 4}])
    assert rows_of(target.read_bytes()) == [{"a": 1}, {"a": 3}, {"a": 4}]
    assert whole_lines(target) == target.read_bytes()


def test_a_reader_beside_a_writer_sees_only_whole_trials(path: Path) -> None:
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(len(read_trials(path)))

    reader = threading.Thread(target=read)
    with CellFolder(path, MANIFEST_DATA, sync="cell") as folder:
        reader.start()
        for number in range(1, 200):
            folder.append(trial(number))
        stop.set()
        reader.join()
    assert seen == sorted(seen)


def test_calls_to_an_llm_are_kept_a_line_each_and_a_torn_one_is_cut_off(path: Path) -> None:
    with CellFolder(path, MANIFEST_DATA) as folder:
        folder.append_call({"reply": "half \udc80", "score": float("nan")})
    file = path / store.CALLS
    file.write_bytes(file.read_bytes() + b'{"torn')
    with CellFolder(path, MANIFEST_DATA) as folder:
        folder.append_call({"reply": "second"})
    assert rows_of(file.read_bytes()) == [{"reply": "half \udc80", "score": "nan"}, {"reply": "second"}]
