from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SettingsError
from harness.run import study
from harness.tasks.common import download, registry
from harness.tasks.common.datasets import main, read, ready
from harness.tasks.common.registry import DataError
from harness.testing.servers.files import FileServer

BODY = bytes(range(256)) * 4000
OTHER = BODY[::-1]
Registry = Callable[..., None]


def entry(body: bytes, algorithm: str = "sha256") -> str:
    return f'{{ bytes = {len(body)}, {algorithm} = "{hashlib.new(algorithm, body).hexdigest()}" }}'


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HARNESS_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_DATA_MIRROR", raising=False)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    registry.registry.cache_clear()
    study._missing_data.cache_clear()
    yield
    study._missing_data.cache_clear()
    registry.registry.cache_clear()


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Write a registry of one data set, `demo`, whose files are at `address`."""

    def write(address: str, files: str, members: str = "") -> None:
        about = "".join(f'{key} = "{key} of demo"\n' for key in ("title", "licence", "citation", "page"))
        text = f'[demo]\n{about}address = "{address}"\n[demo.files]\n{files}\n{members}\n'
        (tmp_path / "registry.toml").write_text(text)
        monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")
        registry.registry.cache_clear()

    return write


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({"a.bin": BODY}) as running:
        yield running


@pytest.fixture
def demo(register: Registry, server: FileServer) -> FileServer:
    register(server.url, f'"a.bin" = {entry(BODY)}')
    return server


def kept(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"}


def mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **files: bytes) -> Path:
    folder = tmp_path / "mirror" / "demo"
    folder.mkdir(parents=True)
    for name, body in files.items():
        (folder / name.replace("_", ".")).write_bytes(body)
    monkeypatch.setenv("HARNESS_DATA_MIRROR", str(folder.parent))
    return folder


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(demo: FileServer, tmp_path: Path) -> None:
    assert read("demo", "a.bin") == (BODY,)
    assert read("demo", "a.bin") == (BODY,)
    assert demo.requests == [("a.bin", None)]
    assert kept(tmp_path) == {"a.bin"}


def test_a_download_goes_on_after_the_connection_broke(demo: FileServer) -> None:
    demo.break_after = {0: 262_144, 1: 196_608}
    assert read("demo", "a.bin") == (BODY,)
    assert [asked for _, asked in demo.requests] == [None, "bytes=262144-", "bytes=458752-"]


def test_a_download_that_was_given_up_is_taken_up_again_by_the_next_one(demo: FileServer, tmp_path: Path) -> None:
    demo.break_after, demo.break_all_after = {0: 262_144}, 0
    with pytest.raises(DataError, match="the connection breaks"):
        read("demo", "a.bin")
    assert kept(tmp_path) == {"a.bin.part"}
    before = len(demo.requests)
    demo.break_all_after = None
    assert read("demo", "a.bin") == (BODY,)
    assert demo.requests[before:] == [("a.bin", "bytes=262144-")]
    assert kept(tmp_path) == {"a.bin"}


def test_a_server_that_cannot_resume_starts_again_from_the_beginning(demo: FileServer) -> None:
    demo.ranges, demo.break_after = False, {0: 262_144}
    assert read("demo", "a.bin") == (BODY,)
    assert demo.requests[1] == ("a.bin", "bytes=262144-")


def test_a_part_that_is_whole_already_is_only_verified(demo: FileServer, tmp_path: Path) -> None:
    (tmp_path / "cache" / "demo").mkdir(parents=True)
    (tmp_path / "cache" / "demo" / "a.bin.part").write_bytes(BODY)
    assert read("demo", "a.bin") == (BODY,)
    assert demo.requests == []


def test_a_file_that_became_shorter_at_the_publishers_is_refused_and_nothing_is_kept(demo: FileServer, tmp_path: Path) -> None:
    (tmp_path / "cache" / "demo").mkdir(parents=True)
    (tmp_path / "cache" / "demo" / "a.bin.part").write_bytes(BODY[:500_000])
    demo.files["a.bin"] = BODY[:400_000]
    with pytest.raises(DataError, match="nothing was kept"):
        read("demo", "a.bin")
    assert kept(tmp_path) == set()


def test_a_wrong_hash_says_so_and_keeps_nothing(demo: FileServer, tmp_path: Path) -> None:
    demo.files["a.bin"] = OTHER
    with pytest.raises(DataError) as raised:
        read("demo", "a.bin")
    text = str(raised.value)
    assert f"{demo.url}a.bin" in text
    assert "nothing was kept" in text
    assert hashlib.sha256(OTHER).hexdigest() in text
    assert "\n" not in text
    assert kept(tmp_path) == set()
    demo.files["a.bin"] = BODY
    assert read("demo", "a.bin") == (BODY,)


def test_a_cached_file_that_was_changed_is_fetched_again(demo: FileServer, tmp_path: Path) -> None:
    read("demo", "a.bin")
    (tmp_path / "cache" / "demo" / "a.bin").write_bytes(OTHER)
    assert read("demo", "a.bin") == (BODY,)


def test_without_a_network_one_line_names_file_size_address_and_the_mirror_variable(register: Registry, server: FileServer) -> None:
    url = server.url
    server._server.server_close()
    register(url, f'"a.bin" = {entry(BODY)}')
    with pytest.raises(DataError) as raised:
        read("demo", "a.bin")
    text = str(raised.value)
    for part in ("demo/a.bin", "1.0 MB", f"{url}a.bin", "HARNESS_DATA_MIRROR"):
        assert part in text
    assert "\n" not in text


def test_an_address_that_is_gone_is_named_with_its_status(demo: FileServer) -> None:
    demo.files.clear()
    with pytest.raises(DataError, match=r"a\.bin: HTTP 404; .*HARNESS_DATA_MIRROR"):
        read("demo", "a.bin")
    assert len(demo.requests) == 1


def test_two_at_once_download_once(demo: FileServer) -> None:
    got: list[tuple[bytes, ...]] = []
    threads = [threading.Thread(target=lambda: got.append(read("demo", "a.bin"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [(BODY,)] * 4
    assert len(demo.requests) == 1


def test_a_mirror_is_used_instead_of_the_network(demo: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored(tmp_path, monkeypatch, a_bin=BODY)
    assert read("demo", "a.bin") == (BODY,)
    assert demo.requests == []
    assert not (tmp_path / "cache").exists()


def test_a_mirror_without_the_file_is_named_and_nothing_is_downloaded(
    demo: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored(tmp_path, monkeypatch)
    with pytest.raises(DataError, match=r"has no demo/a\.bin, 1\.0 MB .*HARNESS_DATA_MIRROR"):
        read("demo", "a.bin")
    assert demo.requests == []


def test_a_mirrors_file_with_a_wrong_hash_is_refused_and_left_alone(
    demo: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mirrored(tmp_path, monkeypatch, a_bin=OTHER)
    with pytest.raises(DataError, match="not the published file"):
        read("demo", "a.bin")
    assert (folder / "a.bin").read_bytes() == OTHER
    (folder / "a.bin").write_bytes(BODY)
    assert read("demo", "a.bin") == (BODY,)


def test_a_mirror_that_is_no_folder_is_named(demo: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA_MIRROR", "/nowhere/at/all")
    with pytest.raises(DataError, match="HARNESS_DATA_MIRROR=/nowhere/at/all: there is no such folder"):
        read("demo", "a.bin")
    assert "no such folder" in ready("demo").reason


def zipped(body: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside/one.txt", body)
        archive.writestr("inside/two.txt", b"two")
    return file.getvalue()


def tarred(body: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in (("inside/two.txt", b"two"), ("inside/one.txt", body)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def members(archive: str, body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    one = f'"one.txt" = {{ path = "inside/one.txt", bytes = {len(body)}, sha256 = "{digest}" }}'
    return f'[demo.members."{archive}"]\n{one}\n"two.txt" = {{ path = "inside/two.txt", bytes = 3 }}'


@pytest.mark.parametrize(("name", "pack"), [("d.zip", zipped), ("d.tar.gz", tarred)])
def test_members_come_out_of_a_verified_archive(
    register: Registry, server: FileServer, name: str, pack: Callable[[bytes], bytes]
) -> None:
    archive = pack(b"one")
    server.files[name] = archive
    register(server.url, f'"{name}" = {entry(archive, "md5")}', members(name, b"one"))
    assert read("demo", "one.txt", "two.txt") == (b"one", b"two")
    assert len(server.requests) == 1


@pytest.mark.parametrize("known", [b"ONE", b"longer"])
def test_a_member_that_is_not_as_known_is_refused(register: Registry, server: FileServer, known: bytes) -> None:
    archive = zipped(b"one")
    server.files["d.zip"] = archive
    register(server.url, f'"d.zip" = {entry(archive, "md5")}', members("d.zip", known))
    with pytest.raises(DataError, match=r"one\.txt"):
        read("demo", "one.txt")


def test_a_mirror_may_hold_members_unpacked_where_they_have_a_hash(
    register: Registry, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(b"one")
    register(server.url, f'"d.zip" = {entry(archive, "md5")}', members("d.zip", b"one"))
    folder = mirrored(tmp_path, monkeypatch, one_txt=b"one", two_txt=b"two")
    assert read("demo", "one.txt") == (b"one",)
    with pytest.raises(DataError, match=r"has no demo/d\.zip"):
        read("demo", "two.txt")
    (folder / "d.zip").write_bytes(archive)
    assert read("demo", "one.txt", "two.txt") == (b"one", b"two")


def test_ready_says_what_is_missing_and_the_command_that_fetches_it(demo: FileServer) -> None:
    before = ready("demo")
    assert (before.ready, before.command) == (False, "python -m harness.tasks.common.datasets demo")
    assert "1.0 MB to fetch" in before.reason
    read("demo", "a.bin")
    assert ready("demo").ready


def test_the_command_fetches_all_and_prints_the_terms(demo: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr()
    assert "licence of demo" in shown.out
    assert "citation of demo" in shown.out
    assert shown.err == ""


def test_the_command_reports_what_failed_in_one_line_each(demo: FileServer, capsys: pytest.CaptureFixture[str]) -> None:
    demo.files.clear()
    assert main(["demo"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["dema"]) == 2
    assert "did you mean 'demo'?" in capsys.readouterr().err


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'cora'"):
        read("corra", "x")


def run_in(tmp_path: Path, stderr: int) -> int:
    path = str(tmp_path / "registry.toml")
    program = (
        f"import pathlib, sys; from harness.tasks.common import datasets, registry; registry.REGISTRY = pathlib.Path({path!r}); "
    )
    command = [sys.executable, "-c", program + "sys.exit(datasets.main(['demo']))"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=os.environ | {"TERM": "xterm"}) as process:
        return process.wait(60)


def test_a_terminal_shows_a_bar(demo: FileServer, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    assert run_in(tmp_path, theirs) == 0
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "demo/a.bin" in shown
    assert "1.0/1.0 MB" in shown


def test_elsewhere_a_download_is_silent(demo: FileServer, tmp_path: Path) -> None:
    with (tmp_path / "errors").open("wb") as errors:
        assert run_in(tmp_path, errors.fileno()) == 0
    assert (tmp_path / "errors").read_bytes() == b""


def test_cells_without_their_data_are_blocked_and_run_once_these_are_there(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileServer({}) as gone:
        text = registry.REGISTRY.read_text(encoding="utf-8").replace("https://raw.githubusercontent.com/", gone.url)
        (tmp_path / "registry.toml").write_text(text)
        monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.toml")
        command = ("task=water_potability,toy", "optimizer=random", "budget=1", "task.params.epochs=2", "-m", "tracking=off")
        ran = cli(*command, "progress=off")
        assert ran.status == 1
        assert "blocked: random on water_potability: cannot fetch water_potability/water_potability.csv (503 kB)" in ran.err
        assert len(gone.requests) == 1
        assert cli(*command, "unready=skip").status == 0
    (reason, again) = [json.loads(line)["reason"] for line in (tmp_path / "runs/main/blocked.jsonl").read_text().splitlines()]
    assert reason == again
    assert "HTTP 404" in reason
    assert len(list((tmp_path / "runs").glob("main/*/*/*/summary.json"))) == 1


def test_a_task_that_names_data_without_a_way_to_fetch_them_says_so(cli: Callable[..., Any]) -> None:
    ran = cli("task=toy", "task.data=[moon]", "tracking=off", "progress=off")
    assert ran.status == 1
    assert "its YAML names data, and harness.tasks.toy.Toy has no prepare(params)" in ran.err


def test_every_published_file_has_an_address_a_size_and_a_hash() -> None:
    for found in registry.registry().values():
        assert found.title
        assert found.licence
        assert found.citation
        assert found.page.startswith("https://")
        for file in found.files.values():
            assert file.size_bytes > 0
            assert len(file.hash) in (len("sha256:") + 64, len("md5:") + 32)
            assert file.url.startswith("https://") == found.published
