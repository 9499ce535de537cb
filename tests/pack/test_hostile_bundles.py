"""Archives that an attacker could send: each is refused in one line that names the entry, and leaves nothing behind."""

from __future__ import annotations

import copy
import gzip
import io
import json
import pickle
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from harness.pack.catalogue import Listed
from harness.pack.names import CATALOGUE, PAGE
from harness.store.cell_folder import MANIFEST, TRIALS
from harness.store.codec import json_line, json_page, read_page, read_row, with_checksum


@dataclass(frozen=True)
class Entry:
    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    pax: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Archive:
    """What is written: the entries, and what the catalogue says of them, or says besides."""

    catalogue: dict[str, Any]
    entries: list[Entry]
    tail: bytes = b""

    @property
    def listed(self) -> dict[str, Any]:
        files: dict[str, Any] = self.catalogue["files"]
        return files

    def place(self, last: str) -> int:
        """Return where the first entry with this file name stands."""
        return next(place for place, entry in enumerate(self.entries) if entry.name.endswith(f"/{last}"))

    def add(self, entry: Entry, name: str | None = None) -> None:
        """Add an entry that the catalogue lists too, under its path below the study."""
        self.entries.append(entry)
        self.list(name or entry.name.removeprefix("main/"), entry.data)

    def list(self, name: str, data: bytes) -> None:
        self.listed[name] = vars(Listed.of(data))

    def change(self, last: str, change: Callable[[bytes], bytes]) -> None:
        """Change the contents of a file, and give it the checksum of an honest one."""
        place = self.place(last)
        data = change(self.entries[place].data)
        self.entries[place] = replace(self.entries[place], data=data)
        self.list(self.entries[place].name.removeprefix("main/"), data)

    def write(self, path: Path) -> None:
        raw = io.BytesIO()
        first = Entry(f"main/{CATALOGUE}", json.dumps(self.catalogue).encode())
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for entry in [first, *self.entries]:
                info = tarfile.TarInfo(entry.name)
                info.size, info.type, info.linkname, info.pax_headers = len(entry.data), entry.type, entry.link, dict(entry.pax)
                archive.addfile(info, io.BytesIO(entry.data))
        path.write_bytes(gzip.compress(raw.getvalue() + self.tail, 9 if len(self.entries[-1].data) > 1_000_000 else 1))


@pytest.fixture(scope="module")
def honest(made: Path) -> Archive:
    with tarfile.open(made / "main.tar.gz") as archive:
        entries = [Entry(info.name, archive.extractfile(info).read()) for info in archive]  # type: ignore[union-attr]
    return Archive(json.loads(entries[0].data), entries[1:])


CELL = "toy/mine/seed0-0123abcd"


def named(name: str) -> Callable[[Archive], None]:
    """A file of that name, listed and whole."""
    return lambda archive: archive.add(Entry(name, b"x"))


def typed(kind: bytes, link: str = "") -> Callable[[Archive], None]:
    """An entry of that type in the place of a cell's trials."""
    return lambda archive: archive.add(Entry(f"main/{CELL}/{TRIALS}", b"", kind, link))


def held(last: str, data: bytes) -> Callable[[Archive], None]:
    """Other contents in a file of a known name."""
    return lambda archive: archive.change(last, lambda _: data)


def _plan_out(data: bytes) -> bytes:
    row = read_row(data.splitlines()[0], "", "", None)
    return f"{with_checksum(json_line(row | {'folder': '../../outside'}))}\n".encode()


def _another_cell(data: bytes) -> bytes:
    return json_page(read_page(data, "") | {"seed": 77}).encode()


def _newer(archive: Archive) -> None:
    archive.catalogue["format"] = 2


def _twice(archive: Archive) -> None:
    archive.entries.append(archive.entries[archive.place(TRIALS)])


def _unlisted(archive: Archive) -> None:
    archive.entries.append(Entry(f"main/{CELL}/{TRIALS}", b"x"))


def _missing(archive: Archive) -> None:
    del archive.entries[archive.place(TRIALS)]


def _changed(archive: Archive) -> None:
    place = archive.place(TRIALS)
    archive.entries[place] = replace(archive.entries[place], data=archive.entries[place].data[:-2] + b"!\n")


def _longer(archive: Archive) -> None:
    place = archive.place(TRIALS)
    archive.entries[place] = replace(archive.entries[place], data=archive.entries[place].data + b"\n")


def _twins(archive: Archive) -> None:
    entry = archive.entries[archive.place(MANIFEST)]
    task, arm, rest = entry.name.removeprefix("main/").split("/", 2)
    archive.add(replace(entry, name=f"main/{task}/{arm.upper()}/{rest}"))


def _no_manifest(archive: Archive) -> None:
    entry = archive.entries.pop(archive.place(MANIFEST))
    del archive.listed[entry.name.removeprefix("main/")]


def _no_trials(archive: Archive) -> None:
    place = next(n for n, entry in enumerate(archive.entries) if entry.name.endswith("/summary.json"))
    folder = archive.entries[place].name.rpartition("/")[0]
    archive.entries = [entry for entry in archive.entries if entry.name != f"{folder}/{TRIALS}"]
    del archive.listed[f"{folder}/{TRIALS}".removeprefix("main/")]


def _not_first(archive: Archive) -> None:
    archive.catalogue["kind"] = "something else"


def _sparse(archive: Archive) -> None:
    pax = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0", "GNU.sparse.size": "9999999999"}
    archive.add(Entry(f"main/{CELL}/{TRIALS}", b"", pax=pax))


def _bomb(archive: Archive) -> None:
    archive.add(Entry(f"main/{CELL}/{TRIALS}", b"\0" * 30_000_000))


def _header_bomb(archive: Archive) -> None:
    archive.add(Entry(f"main/{CELL}/{TRIALS}", b"x", pax={"comment": "y" * 2_000_000}))


def _tail(archive: Archive) -> None:
    archive.tail = b"and more"


HOSTILE: dict[str, tuple[Callable[[Archive], None], str]] = {
    "absolute": (named("/etc/cron.d/x"), "'/etc/cron.d/x': an absolute path"),
    "up": (named("../x"), "'../x': a path out of the study's folder"),
    "up_inside": (named("main/toy/../../../x"), "'toy/../../../x': a path out of the study's folder"),
    "drive": (named("C:/x"), "'C:/x': a path on a drive"),
    "backslash": (named("main/toy\\..\\x"), "its name holds a backslash"),
    "terminal": (named("main/\x1b[2Jx"), "its name holds control characters"),
    "nul": (lambda archive: archive.list(f"{CELL}/{TRIALS}\0.py", b"x"), "its name holds control characters"),
    "empty_part": (named("main/toy//x"), "'toy//x': not a plain path"),
    "dot": (named("main/./plan.jsonl"), "'./plan.jsonl': not a plain path"),
    "symlink": (typed(tarfile.SYMTYPE, "/etc/passwd"), f"main/{CELL}/{TRIALS}: a link"),
    "hardlink": (typed(tarfile.LNKTYPE, "main/plan.jsonl"), "a hard link"),
    "device": (typed(tarfile.CHRTYPE), "a device"),
    "pipe": (typed(tarfile.FIFOTYPE), "a pipe"),
    "folder": (typed(tarfile.DIRTYPE), "a folder"),
    "sparse": (_sparse, "only plain files are taken"),
    "python": (named(f"main/{CELL}/sitecustomize.py"), "sitecustomize.py': .py may hold code"),
    "pickle": (named(f"main/{CELL}/trials.pkl"), ".pkl may hold code"),
    "yaml": (named("main/conf/task/toy.yaml"), ".yaml may hold code"),
    "script": (named("main/report/figures/gaps.svg"), ".svg may hold code"),
    "unknown": (named(f"main/{CELL}/notes.txt"), "not a file of a study"),
    "hidden": (named("main/.plan.lock"), "not a file of a study"),
    "pack": (named("main/packed.zip"), "not a file of a study"),
    "blocked": (named("main/blocked.jsonl"), "not a file of a study"),
    "as_a_report": (named("main/report/arm/seed0-0123abcd/trials.jsonl"), "not a file of a study"),
    "code_inside": (held(TRIALS, b"import os\nos.system('x')\n"), f"{TRIALS}, line 1: not JSON"),
    "pickle_inside": (held("summary.json", pickle.dumps({"a": 1})), "summary.json: cannot be read"),
    "no_lines": (held(TRIALS, b"MZ\x90 no line end"), f"{TRIALS}: its last line is not whole"),
    "nested": (held("summary.json", b"[" * 200_000), "summary.json: "),
    "no_text": (held(MANIFEST, b"\xff\xfe"), f"{MANIFEST}: cannot be read"),
    "plan_out": (lambda archive: archive.change("plan.jsonl", _plan_out), "plan.jsonl: plans '../../outside'"),
    "done_without_trials": (_no_trials, "holds 0 trials where its summary.json counts 3"),
    "another_cell": (lambda archive: archive.change(MANIFEST, _another_cell), f"{MANIFEST}: the manifest of another cell"),
    "no_manifest": (_no_manifest, f"has no {MANIFEST}"),
    "twice": (_twice, "stands there twice"),
    "unlisted": (_unlisted, f"main/{CELL}/{TRIALS}: {CATALOGUE} does not list it"),
    "missing": (_missing, "is missing; the bundle was cut short or changed"),
    "changed": (_changed, "damaged: its SHA-256 is not the one"),
    "longer": (_longer, f" bytes, and {CATALOGUE} says "),
    "twins": (_twins, "some systems take them for one file"),
    "elsewhere": (lambda archive: archive.add(Entry(f"{CELL}/{TRIALS}", b"x")), "not below main/"),
    "newer": (_newer, "format 2, and this harness reads format 1; it was written by a newer harness"),
    "another_kind": (_not_first, "not the bundle of a study"),
    "study_out": (lambda archive: archive.catalogue.update(study=".."), "not the bundle of a study"),
    "bomb": (_bomb, "unpacks to more than 250 times its size"),
    "header_bomb": (_header_bomb, "an entry's header is "),
    "tail": (_tail, "holds something behind its last file"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_bundle_is_one_line_and_leaves_nothing(honest: Archive, pack: Cli, kind: str) -> None:
    change, words = HOSTILE[kind]
    archive = copy.deepcopy(honest)
    change(archive)
    archive.write(Path("hostile.tar.gz"))
    before = sorted(Path.cwd().parent.rglob("*"))
    ran = pack("--import", "hostile.tar.gz", "--no-page")
    assert ran.status == 2
    assert words in ran.line
    assert ran.line.startswith("pack: hostile.tar.gz: ")
    assert ran.line.isprintable()
    assert sorted(Path.cwd().parent.rglob("*")) == before


def test_the_same_archive_unchanged_is_taken(honest: Archive, pack: Cli) -> None:
    honest.write(Path("honest.tar.gz"))
    assert pack("--import", "honest.tar.gz", "--no-page").status == 0


def test_a_page_with_scripts_is_no_part_of_the_import(honest: Archive, pack: Cli) -> None:
    archive = copy.deepcopy(honest)
    archive.add(Entry(f"main/{PAGE}", b"<script>alert(1)</script>"))
    archive.write(Path("page.tar.gz"))
    assert "the bundle's was left in it" in pack("--import", "page.tar.gz", "--no-page").out
    assert not [path for path in Path("runs").rglob("*") if path.is_file() and b"alert(1)" in path.read_bytes()]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_a_flipped_byte_is_one_line(bundle: Path, pack: Cli, share: float) -> None:
    data = bytearray(bundle.read_bytes())
    data[round(share * (len(data) - 1))] ^= 0x10
    Path("flipped.tar.gz").write_bytes(data)
    ran = pack("--import", "flipped.tar.gz", "--no-page")
    assert ran.status == 2
    assert ran.line.startswith("pack: flipped.tar.gz: ")
    assert not Path("runs").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_bundle_that_was_cut_short_is_one_line(bundle: Path, pack: Cli, share: float) -> None:
    data = bundle.read_bytes()
    Path("short.tar.gz").write_bytes(data[: round(share * len(data))])
    ran = pack("--verify", "short.tar.gz")
    assert (ran.status, ran.line.split(":")[1]) == (2, " short.tar.gz")


def test_a_limit_on_what_it_unpacks_to_is_the_users(bundle: Path, pack: Cli) -> None:
    ran = pack("--verify", str(bundle), "--limit-gb", "0.00001")
    assert ran.status == 2
    assert "unpacks to more than 1e-05 GB; --limit-gb N allows more" in ran.line
