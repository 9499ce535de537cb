from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.golden import REMAKE, check_golden

CASES: dict[str, Any] = {"one": ["a", "b"], "two": {"score": 1.5}}


@pytest.fixture
def golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A golden file of version 2 of one part, `tcs`."""
    path = tmp_path / "golden.json"
    monkeypatch.setenv(REMAKE, "1")
    check_golden(path, {"tcs": 2}, {"tcs": CASES})
    monkeypatch.delenv(REMAKE)
    return path


def test_what_is_as_it_was_passes(golden: Path) -> None:
    check_golden(golden, {"tcs": 2}, {"tcs": CASES})


@pytest.mark.parametrize("remake", [False, True])
def test_a_change_at_the_same_version_is_refused_also_by_remaking(
    golden: Path, monkeypatch: pytest.MonkeyPatch, remake: bool
) -> None:
    if remake:
        monkeypatch.setenv(REMAKE, "1")
    before = golden.read_text()
    with pytest.raises(pytest.fail.Exception, match=r"(?s)tcs changed in one at version 2.*/1\n  - b\n  \+ c.*Raise its version"):
        check_golden(golden, {"tcs": 2}, {"tcs": {**CASES, "one": ["a", "c"]}})
    assert golden.read_text() == before


def test_after_a_raise_the_file_is_remade_once(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"tcs": {**CASES, "one": ["a", "c"]}}
    with pytest.raises(pytest.fail.Exception, match="is not of these versions"):
        check_golden(golden, {"tcs": 3}, changed)
    monkeypatch.setenv(REMAKE, "1")
    check_golden(golden, {"tcs": 3}, changed)
    monkeypatch.delenv(REMAKE)
    check_golden(golden, {"tcs": 3}, changed)
    assert json.loads(golden.read_text())["tcs"]["version"] == 3


def test_a_version_never_falls(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REMAKE, "1")
    with pytest.raises(pytest.fail.Exception, match="a version only rises"):
        check_golden(golden, {"tcs": 1}, {"tcs": CASES})


def test_a_new_case_and_a_new_part_need_no_raise_but_the_file_must_hold_them(golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"tcs": {**CASES, "three": 3}, "rules": {"one": 1}}
    with pytest.raises(pytest.fail.Exception, match="rules, tcs"):
        check_golden(golden, {"tcs": 2, "rules": 1}, more)
    monkeypatch.setenv(REMAKE, "1")
    check_golden(golden, {"tcs": 2, "rules": 1}, more)
    monkeypatch.delenv(REMAKE)
    check_golden(golden, {"tcs": 2, "rules": 1}, more)
