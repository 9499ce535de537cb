from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import harness
from harness.environment import COMMAND_PID, PACKAGES, THREAD_VARIABLES, end_with_command, environment, git_state, versions


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_versions_are_those_of_the_metadata() -> None:
    found = versions(PACKAGES)
    assert found["hydra-core"] == importlib.metadata.version("hydra-core")
    assert found["scikit-learn"] == importlib.metadata.version("scikit-learn")
    assert list(found) == [name for name in PACKAGES if name in found]
    assert versions(["nothing-like-this"]) == {}


def test_a_version_is_found_however_its_folder_spells_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Some_Odd.Package-1.2+cpu.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "missing"), str(tmp_path)])
    assert versions(["some-odd-package"]) == {"some-odd-package": "1.2+cpu"}


def test_a_checkout_has_a_commit_and_is_dirty_when_a_tracked_file_changed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "untracked").touch()
    assert git_state(tmp_path) == {"commit": git(tmp_path, "rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "a").write_text("2")
    state = git_state(tmp_path)
    assert state is not None
    assert state["dirty"] is True


def test_a_folder_inside_somebody_else_s_checkout_is_not_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "site-packages").mkdir()
    assert git_state(tmp_path / "site-packages") is None


def test_no_git_at_all_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


def test_the_environment_is_looked_up_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment()
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    monkeypatch.setattr(os, "listdir", pytest.fail)
    assert environment() is first
    assert first["machine"]["cores"] == os.cpu_count()


def test_every_numerical_library_gets_one_thread_unless_the_user_has_set_a_number() -> None:
    program = "from harness.environment import *; one_thread(); import numpy; print(*map(os.environ.get, THREAD_VARIABLES[:2]))"
    plain = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    for given, expected in (({}, "1 1"), ({"OMP_NUM_THREADS": "3"}, "3 1")):
        ran = subprocess.run([sys.executable, "-c", program], env={**plain, **given}, capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == expected


def test_only_a_worker_of_this_command_watches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", lambda **_: pytest.fail("no thread here"))
    monkeypatch.setenv(COMMAND_PID, str(os.getpid()))  # the command itself
    end_with_command.__wrapped__()
    monkeypatch.delenv(COMMAND_PID)  # a cluster's job
    end_with_command.__wrapped__()


def test_the_package_has_no_work_at_import() -> None:
    assert harness.__file__
    program = "import sys; before = set(sys.modules); import harness; print(*(set(sys.modules) - before - {'harness'}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
