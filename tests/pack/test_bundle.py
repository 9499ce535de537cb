from __future__ import annotations

import json
import os
import resource
import tarfile
from pathlib import Path

import pytest
from conftest import Cli
from support.commands import records

from harness.pack.catalogue import Catalogue
from harness.pack.names import CATALOGUE, PAGE
from harness.report.sources.records import read_study
from harness.store.archive import PACK
from harness.store.cell_folder import CALLS, FAILURE, MANIFEST, SUMMARY, TRIALS, write_json
from harness.store.codec import json_page, read_page
from harness.store.lock import FolderLock

KEPT = (MANIFEST, TRIALS, CALLS, SUMMARY, FAILURE)


def files(study: Path) -> dict[str, bytes]:
    """Return the records and the plan of a study."""
    paths = [study / "plan.jsonl", *(path for path in study.glob("*/*/*/*") if path.name in KEPT)]
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in paths}


def test_a_bundle_brings_every_record_to_another_folder(made: Path, bundle: Path, pack: Cli) -> None:
    ran = pack("--import", str(bundle), "--no-page")
    assert (ran.status, ran.err) == (0, "")
    assert files(Path("runs/main")) == files(made / "runs" / "main")
    assert not list(Path("runs").glob("*/*/*/*/notes.bin"))
    assert "runs/main: 6 cells of 2 tasks and 4 arms, 1 of them open" in ran.out
    assert "tables: the same here for digits" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    there, here = read_study(made / "runs" / "main"), read_study(Path("runs/main"))
    assert (here.cells, here.problems) == (there.cells, there.problems)


def test_an_imported_study_replays_without_a_server_and_is_equal_but_for_seconds(made: Path, bundle: Path, pack: Cli) -> None:
    told = pack("--import", str(bundle), "--as", "theirs", "--no-page").out
    assert pack("theirs").status == 0, "calls of packed cells answer too"
    command = told.splitlines()[-1].partition("python -m harness.pack ")[2].split()
    ran = pack(*command)
    assert ran.status == 0, ran.err
    assert "runs/theirs-replay: 5 of 5 cells replayed" in ran.out
    assert "5 of them equal in every trial" in ran.out
    kept = records(made / "runs" / "main")
    again = records(Path("runs/theirs-replay"))
    assert len(again) == 5
    assert again == {folder: kept[folder] for folder in again}
    assert pack(*command).status == 0, "what is replayed is not run again"


def test_a_replay_tells_what_is_not_equal_and_what_cannot_run(study: Path, pack: Cli) -> None:
    summary, manifest = (next(study.glob(f"toy/{name}")) for name in (f"mine/*/{SUMMARY}", f"default_only/seed0-*/{MANIFEST}"))
    write_json(summary, read_page(summary.read_bytes(), "") | {"val_score_pct": 99.5})
    page = read_page(manifest.read_bytes(), "")
    page["identity"]["versions"]["training"] = 99
    write_json(manifest, page)
    ran = pack("main", "--replay")
    assert ran.status == 1
    assert "4 of 5 cells replayed" in ran.out
    assert "summary.json: val_score_pct: 99.5 recorded, " in ran.out
    assert "not replayed: toy/default_only/seed0-" in ran.out
    assert "versions.training: 99 recorded, " in ran.out
    assert "runs/main-replay is not equal to runs/main" in ran.err


def test_the_same_records_give_the_same_bytes_packed_or_not(study: Path, bundle: Path, pack: Cli) -> None:
    assert pack("main").status == 0
    assert (study / PACK).exists()
    assert pack("main", "--bundle", "again.tar.gz", "--no-page").status == 0
    assert Path("again.tar.gz").read_bytes() == bundle.read_bytes()


def test_any_tar_unpacks_it_into_one_folder_and_its_catalogue_says_what_it_holds(made: Path, bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(bundle) as archive:
        archive.extractall(tmp_path, filter="data")
    assert [path.name for path in tmp_path.iterdir()] == ["main"]
    said = json.loads((tmp_path / "main" / CATALOGUE).read_text())
    assert said["cells"] == {"done": 5, "open": 1, "left_out_running": 0}
    assert said["tables"][0]["task"] == "digits"
    assert [(row["model"], row["calls"]) for row in said["models"]] == [("phi4-reasoning:14b", 6)]
    assert said["models"][0]["digest"]
    assert said["environments"][0]["packages"]["tcs-harness"]
    assert set(said["files"]) == files(made / "runs" / "main").keys()


def test_a_newer_page_goes_in_as_it_is_and_no_import_takes_it(study: Path, pack: Cli) -> None:
    (study / PAGE).parent.mkdir()
    (study / PAGE).write_text("<script>alert(1)</script>")
    ran = pack("main", "--bundle", "b.tar.gz")
    assert "page: runs/main/report/report.html, which is newer than every record" in ran.out
    assert "an import makes its own" in pack("--verify", "b.tar.gz").out
    assert pack("--import", "b.tar.gz", "--as", "bare", "--no-page").status == 0
    assert not Path("runs/bare/report").exists()


@pytest.mark.full
def test_a_page_is_made_where_there_is_none_or_a_stale_one_and_again_by_the_import(study: Path, pack: Cli) -> None:
    (study / PAGE).parent.mkdir()
    (study / PAGE).write_text("stale")
    os.utime(study / PAGE, (0, 0))
    assert "page: made from the records" in pack("main", "--bundle", "b.tar.gz").out
    assert (study / PAGE).read_text() == "stale", "the study's own page is its owner's"
    assert (
        "page: runs/copied1/report/report.html, made here from the records" in pack("--import", "b.tar.gz", "--as", "copied1").out
    )
    with tarfile.open("b.tar.gz") as archive:
        page = archive.extractfile(f"main/{PAGE}").read().decode()  # type: ignore[union-attr]
    assert "<h1" in page
    assert Path("runs/copied1", PAGE).read_text().replace("copied1", "main") == page


def test_a_cell_that_a_process_runs_is_left_out_and_counts_as_open(study: Path, pack: Cli) -> None:
    folder = next(study.glob("toy/default_only/seed1-*"))
    lock = FolderLock(folder)
    lock.acquire()
    try:
        ran = pack("main", "--bundle", "b.tar.gz", "--no-page")
    finally:
        lock.release()
    assert "left out: 1 cell that a process runs just now" in ran.out
    assert "1 of them open" in ran.out
    assert pack("--import", "b.tar.gz", "--as", "other", "--no-page").status == 0
    assert not (Path("runs/other") / folder.relative_to(study)).exists()


def test_half_a_line_of_an_open_cell_stays_behind(study: Path, pack: Cli) -> None:
    file = next(study.glob("toy/default_only/seed1-*")) / TRIALS
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"schema": 1, "tr')
    assert pack("main", "--bundle", "b.tar.gz", "--no-page").status == 0
    assert pack("--import", "b.tar.gz", "--as", "other", "--no-page").status == 0
    assert (Path("runs/other") / file.relative_to(study)).read_bytes() == whole


@pytest.mark.parametrize("text", ["sk-proj-Abcdefgh1234ijklmnop5678", "the planted p4ssw0rd-of-mine"])
def test_a_key_in_a_record_is_refused_and_nothing_is_written(
    study: Path, pack: Cli, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (next(study.glob("toy/default_only/seed1-*")) / FAILURE).write_text(json_page({"error": text}))
    monkeypatch.setenv("MY_PASSWORD", "p4ssw0rd-of-mine")
    ran = pack("main", "--bundle", "b.tar.gz", "--no-page")
    assert ran.status == 2
    assert "failure.json: holds what looks like a key" in ran.line
    assert text.split()[-1] not in ran.err
    assert not list(Path().glob("*b.tar.gz*"))


def test_a_damaged_record_is_named_and_nothing_is_written(study: Path, pack: Cli) -> None:
    file = next(study.glob("toy/mine/*")) / TRIALS
    file.write_bytes(file.read_bytes().replace(b"val_loss", b"val_lost", 1))
    ran = pack("main", "--bundle", "b.tar.gz", "--no-page")
    assert ran.status == 2
    assert f"{file.relative_to(Path.cwd())}, line 1: damaged" in ran.line
    assert not list(Path().glob("*b.tar.gz*"))


def test_a_full_disk_leaves_neither_half_a_bundle_nor_half_a_study(study: Path, bundle: Path, pack: Cli) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        wrote, read = pack("main", "--bundle", "b.tar.gz", "--no-page"), pack("--import", str(bundle), "--as", "other", "--no-page")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for ran in (wrote, read):
        assert ran.status == 2
        assert "File too large" in ran.err.splitlines()[-1]
    assert not list(Path().glob("*b.tar.gz*"))
    assert [path.name for path in Path("runs").iterdir()] == ["main"]


def test_what_a_kill_left_of_an_import_is_removed_by_the_next_one(bundle: Path, pack: Cli) -> None:
    for name in (".main.4194305", ".main.4194305.notes", ".other.4194305"):
        (Path("runs") / name / "toy").mkdir(parents=True)
    assert pack("--import", str(bundle), "--no-page").status == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == [".main.4194305.notes", ".other.4194305", "main"]


def test_nothing_is_overwritten(study: Path, bundle: Path, pack: Cli) -> None:
    before = files(study)
    ran = pack("--import", str(bundle), "--no-page")
    assert ran.status == 2
    assert "runs/main is there already, and stays as it is: add --as NAME" in ran.line
    Path("b.tar.gz").write_text("mine")
    assert "b.tar.gz is there already" in pack("main", "--bundle", "b.tar.gz").line
    assert (files(study), Path("b.tar.gz").read_text()) == (before, "mine")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bundle", "b.tar.gz"], "give a study's folder"),
        (["main", "--import", "b.tar.gz"], "--import and --verify need no STUDY"),
        (["--import", "nowhere.tar.gz"], "nowhere.tar.gz: cannot be read (No such file or directory)"),
        (["--verify", "runs"], "runs: cannot be read (Is a directory)"),
        (["--verify", "runs/main/plan.jsonl"], "damaged, or not a bundle"),
        (["main", "--bundle", "no/folder/b.tar.gz"], "there is no folder no/folder"),
        (["main", "--bundle", "b.tar.gz", "--as", "../x"], "--as '../x': use up to 80 letters"),
        (["main", "--keep", "--replay"], "--keep goes with packing"),
        (["main", "--as", "x"], "--as goes with --bundle or --import"),
        (["main", "--no-page"], "--no-page goes with"),
        (["main", "--limit-gb", "0"], "give gigabytes above 0"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(study: Path, pack: Cli, arguments: list[str], words: str) -> None:
    ran = pack(*arguments)
    assert ran.status == 2
    assert words in ran.line


def test_the_catalogue_reads_back_as_it_was_written(bundle: Path) -> None:
    with tarfile.open(bundle) as archive:
        first = archive.next()
        assert first is not None
        text = archive.extractfile(first).read()  # type: ignore[union-attr]
    assert Catalogue.from_text(text, "x").to_text().encode() == text
