"""A disk that is full, read-only or damaged: one clear line each, what is intact is used, nothing is overwritten."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cells import cells_of
from support.commands import environment, records
from torture.size import FULL, scaled

from harness.errors import HarnessError, RecordError
from harness.llm.calls import read_calls
from harness.report.sources.records import read_study
from harness.report.study_data import StudyData
from harness.run.study import add_to_plan, conclude, run_cells
from harness.store.cell_folder import CALLS, MANIFEST, SUMMARY, TRIALS, read_json, read_trials
from harness.store.codec import with_checksum
from harness.store.files import write_json
from harness.store.plan import PLAN
from harness.testing.servers.ollama_api import OllamaDouble

COMMAND = ("task=toy", "optimizer=random", "seeds=2", "budget=24", "tracking=off", "progress=off")
# A file system in memory that nobody else sees, and that is gone with the process: as root, or as root of a namespace of one's own.
IN_MEMORY = """
set -e
mount -t tmpfs -o size="$SIZE" tmpfs "$WHERE"
cd "$WHERE"
run() { code=0; "$PYTHON" -m "$@" > "$OUT/$name.out" 2> "$OUT/$name.err" || code=$?; echo $code > "$OUT/$name.status"; }
"""


def in_memory(script: str, out: Path, size: str) -> None:
    """Run a shell script in an empty file system of `size`; skip where none can be mounted."""
    where = out / "mounted"
    where.mkdir(parents=True)
    enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    probe = subprocess.run([*enter, "mount", "-t", "tmpfs", "tmpfs", str(where)], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no file system can be mounted here; tests/store fills one up without")
    given = environment(SIZE=size, WHERE=str(where), OUT=str(out), PYTHON=sys.executable, OMP_NUM_THREADS="1")
    ran = subprocess.run([*enter, "sh", "-c", IN_MEMORY + script], env=given, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def ended(out: Path, name: str) -> tuple[int, str]:
    return int((out / f"{name}.status").read_text()), (out / f"{name}.err").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A study that nothing happened to: its folder, and its records."""
    out = tmp_path_factory.mktemp("whole")
    cells, settings = cells_of(out, *COMMAND)
    add_to_plan(out / "main", cells)
    assert run_cells(cells, settings).done == 2
    return out / "main", records(out / "main")


@pytest.mark.parametrize("kilobytes", [8, 12, 16, 20, 24, 28, 32, 36, 40] if FULL else [28])
@pytest.mark.parametrize("sync", ["trial", "cell"] if FULL else ["trial"])
def test_a_full_disk_is_one_line_and_with_room_the_same_command_goes_on(
    tmp_path: Path, whole: tuple[Path, Any], kilobytes: int, sync: str
) -> None:
    command = " ".join((*COMMAND, f"store.sync={sync}"))
    script = f"""
    name=full; run harness {command}
    if [ -d runs ]; then cp -r runs "$OUT/half"; fi
    mount -o remount,size=16m "$WHERE"
    name=room; run harness {command}
    cp -r runs "$OUT/whole"
    """
    in_memory(script, tmp_path, f"{kilobytes}k")
    status, line = ended(tmp_path, "full")
    assert status == 2
    assert len(line.splitlines()) == 1
    assert line.startswith(("harness: cannot write ", "harness: the disk is full: "))
    for folder in (tmp_path / "half").glob("main/*/*/seed*"):
        expected = read_trials(whole[0] / folder.relative_to(tmp_path / "half" / "main"))
        kept = read_trials(folder)
        assert [repr(t.outcome.curve) for t in kept] == [repr(t.outcome.curve) for t in expected[: len(kept)]]
    assert ended(tmp_path, "room") == (0, "")
    assert records(tmp_path / "whole" / "main") == whole[1]


def test_on_a_read_only_disk_a_finished_study_is_finished_and_an_unfinished_one_is_one_line(
    tmp_path: Path, whole: tuple[Path, Any]
) -> None:
    command = " ".join(COMMAND)
    script = f"""
    mkdir runs; cp -r {whole[0]} runs/main
    cp -r runs/main runs/other; rm runs/other/toy/random/seed1*/{SUMMARY}
    mount -o remount,ro "$WHERE"
    name=finished; run harness {command}
    name=unfinished; run harness {command} study=other
    name=new; run harness {command} study=new
    name=report; {"run harness.report main" if FULL else "true"}
    cp -r runs "$OUT/after"
    """
    in_memory(script, tmp_path, "16m")
    assert ended(tmp_path, "finished") == (0, "")
    for name in ("unfinished", "new", *(["report"] if FULL else [])):
        status, line = ended(tmp_path, name)
        assert status == 2, line
        (only,) = line.splitlines()
        assert "Read-only file system" in only, name
    assert records(tmp_path / "after" / "main") == whole[1]


def test_a_last_line_torn_at_any_byte_loses_that_line_only(tmp_path: Path, whole: tuple[Path, Any]) -> None:
    (source,) = whole[0].glob("toy/random/seed0*")
    trials, data = read_trials(source), (source / TRIALS).read_bytes()
    start = data[:-1].rfind(b"\n", 0, data[:-1].rfind(b"\n")) + 1
    for size in range(start, len(data) + 1, scaled(37, 1)):
        (tmp_path / TRIALS).write_bytes(data[:size])
        assert repr(read_trials(tmp_path)) == repr(trials[: data[:size].count(b"\n")])


def test_torn_anywhere_a_cell_goes_on_to_the_same_records(tmp_path: Path, whole: tuple[Path, Any]) -> None:
    rng = random.Random(1)
    for number in range(scaled(2, 40)):
        cells, settings = cells_of(tmp_path / str(number), *COMMAND)
        study = Path(shutil.copytree(whole[0], tmp_path / str(number) / "main"))
        for cell in cells:
            data = (study / cell.folder / TRIALS).read_bytes()
            (study / cell.folder / TRIALS).write_bytes(data[: rng.randrange(len(data))])
            (study / cell.folder / SUMMARY).unlink()
        assert run_cells(cells, settings).done == 2
        assert records(study) == whole[1]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with calls to an LLM."""
    out = tmp_path_factory.mktemp("asked")
    with OllamaDouble() as double:
        cells, settings = cells_of(out, "optimizer=tcs_phi4", "budget=2", f"llm.base_url={double.url}")
        add_to_plan(out / "main", cells)
        assert run_cells(cells, settings).done == 1
    return out / "main"


# Of a manifest; a key beside these is nobody's.
USED = ("schema", "cell", "study", "task", "arm", "seed", "budget", "identity", "settings", "environment", "created")


def told(study: Path) -> tuple[list[str], Any]:
    """Return the lines that reading a study complains with, and what the study then says."""
    try:
        data = read_study(study)
    except HarnessError as error:
        return [str(error)], None
    return list(data.problems), said(data)


def said(data: StudyData) -> Any:
    manifests = [{key: cell.manifest.get(key) for key in USED} for cell in data.cells]
    return repr([dataclasses.replace(cell, manifest={}) for cell in data.cells]), manifests


@pytest.mark.parametrize("name", [TRIALS, CALLS, MANIFEST, SUMMARY, PLAN])
def test_a_flipped_bit_anywhere_is_harmless_or_named_and_nothing_is_overwritten(asked: Path, tmp_path: Path, name: str) -> None:
    study = Path(shutil.copytree(asked, tmp_path / "main"))
    (path,) = study.rglob(name)
    intact, expected, rng = path.read_bytes(), told(study), random.Random(name)
    assert expected[0] == []
    size = len(intact)
    for place in range(size) if FULL else sorted(rng.sample(range(size), min(size, 60))):
        damaged = bytearray(intact)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        lines, now = told(study)
        assert all("\n" not in line for line in lines)
        assert lines or now == expected[1] or place == size - 1, (place, damaged[max(0, place - 20) : place + 20])
        assert path.read_bytes() == damaged


def test_no_reader_takes_a_flipped_bit_of_a_call_for_another_reply(asked: Path, tmp_path: Path) -> None:
    (source,) = asked.rglob(CALLS)
    intact, calls, rng = source.read_bytes(), list(read_calls(source)), random.Random(3)
    for place in rng.sample(range(len(intact)), scaled(100, 3000)):
        damaged = bytearray(intact)
        damaged[place] ^= 1 << rng.randrange(8)
        (tmp_path / CALLS).write_bytes(damaged)
        try:
            found = list(read_calls(tmp_path / CALLS))
        except RecordError as error:
            assert f"{CALLS}, line " in str(error)  # noqa: PT017 - the other way is fine too
        else:
            assert found in (calls, calls[:-1])


def test_a_deleted_manifest_is_told_and_written_anew_and_its_trials_are_kept(
    tmp_path: Path, whole: tuple[Path, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cells, settings = cells_of(tmp_path, *COMMAND)
    study = Path(shutil.copytree(whole[0], tmp_path / "main"))
    kept = {}
    for cell, gone in zip(cells, ((MANIFEST,), (MANIFEST, SUMMARY)), strict=True):
        for name in gone:
            (study / cell.folder / name).unlink()
        kept[cell.folder] = (study / cell.folder / TRIALS).read_bytes()
    assert f"{MANIFEST}: is missing" in read_study(study).problems[0]
    result = run_cells(cells, settings)
    assert (result.done, result.skipped) == (1, 1)
    lines = capsys.readouterr().err.splitlines()
    advice = f"{MANIFEST} is missing; it is written anew, and the 24 trials there are kept"
    assert lines == [f"{cell.folder}: {advice}" for cell in cells]
    assert {folder: (study / folder / TRIALS).read_bytes() for folder in kept} == kept
    assert read_study(study).problems == ()


@pytest.mark.parametrize("name", [TRIALS, CALLS, MANIFEST, PLAN])
def test_records_of_another_version_are_one_line_and_are_not_touched(asked: Path, tmp_path: Path, name: str) -> None:
    study = Path(shutil.copytree(asked, tmp_path / "main"))
    (path,) = study.rglob(name)
    next(study.rglob(SUMMARY)).unlink()
    if name == PLAN:
        line = re.sub(r',"crc32":"\w+"\}\n', ',"new":1}', path.read_text())
        path.write_text(with_checksum(line) + "\n")
    elif name == MANIFEST:
        write_json(path, read_json(path) | {"schema": 2})
    else:
        path.write_bytes(path.read_bytes().replace(b'"schema":1', b'"schema":2'))
    before = path.read_bytes()
    (cell,), settings = cells_of(tmp_path, "optimizer=tcs_phi4", "budget=2", "llm.base_url=http://127.0.0.1:9")

    def launch() -> None:
        add_to_plan(study, [cell])
        conclude({study: [cell]}, run_cells([cell], settings))

    with pytest.raises(HarnessError) as refused:
        launch()
    assert "written by another version" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert path.read_bytes() == before
    problems = read_study(study).problems
    assert len(problems) == (2 if name == PLAN else 1)  # a cell that no plan names is one more
    assert name in problems[0]
