"""The harness as others get it: a checkout without an install, an editable install, a wheel. Each in an environment of its own.

The environments see the packages of the one that runs the tests, but not its harness. No network is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("checkout", "editable", "wheel")
MODES = {
    "live": ["-m"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "-m"],
    "child process": ["limits.trial_seconds=60", "-m"],
}
TASK = """\
from harness import Epoch, tasks_from


@tasks_from.loop
def Mine(config, seed):
    yield Epoch(val_score_pct=90.0 + config["x"], test_score_pct=80.0)
"""
YAML = """\
name: mine
suite: own
_target_: tasks.Mine
card: {title: t, domain: d, data: d, model: m, metric: m, epochs: "1"}
space:
  x: {type: float, low: 0.0, high: 1.0, default: 0.5, meaning: m}
"""


@dataclass(frozen=True)
class Install:
    """One way to have the harness."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment."""
        others = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self.folder / "bin" / program), *arguments]
        return subprocess.run(command, cwd=cwd, env={**others, **self.variables}, capture_output=True, text=True, timeout=120)

    def harness(self, *arguments: str, cwd: Path) -> str:
        """Run a command that must succeed, without W&B, and return what it printed."""
        done = self.run("python", "-m", "harness", *arguments, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def build_wheel(source: Path, folder: Path) -> Path:
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_install(kind: str, folder: Path) -> Install:
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # A path file of a folder that is named in a path file counts for nothing: the harness installed there stays unseen.
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    if kind == "checkout":
        return Install(folder, {"PYTHONPATH": str(ROOT)})
    what = ["--editable", str(ROOT)] if kind == "editable" else [str(build_wheel(ROOT, folder / "wheel"))]
    python = str(folder / "bin" / "python")
    pip("--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", *what)
    return Install(folder)


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Install]:
    """Return a maker of installs, each made once."""
    made: dict[str, Install] = {}

    def make(kind: str) -> Install:
        if kind not in made:
            made[kind] = make_install(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make


def own_folder(home: Path, form: str) -> Path:
    """Write a user's folder whose own code is called `tasks`, as a module or as a package."""
    path = home / ("tasks.py" if form == "module" else "tasks/__init__.py")
    for file, text in ((path, TASK), (home / "conf" / "task" / "mine.yaml", YAML)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return home


def best(folder: Path, study: str) -> dict[str, float]:
    paths = (folder / "runs" / study).glob("*/*/*/summary.json")
    return {path.parts[-4]: json.loads(path.read_text())["val_score_pct"] for path in paths}


def check_sweep(install: Install, folder: Path, mode: str) -> None:
    study = mode.replace(" ", "-")
    install.harness("task=toy,mine", "tracking=off", "budget=2", f"study={study}", *MODES[mode], cwd=folder)
    found = best(folder, study)
    assert found.keys() == {"toy", "mine"}
    assert 90.0 <= found["mine"] <= 91.0
    assert found["toy"] < 90.0


def test_a_users_own_tasks_and_ours_run_in_one_sweep_of_a_wheel(install: Callable[[str], Install], tmp_path: Path) -> None:
    check_sweep(install("wheel"), own_folder(tmp_path, "module"), "live")


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["module", "package"])
def test_a_users_own_tasks_and_ours_run_in_one_sweep(
    install: Callable[[str], Install], tmp_path: Path, kind: str, form: str
) -> None:
    folder = own_folder(tmp_path, form)
    for mode in MODES:
        check_sweep(install(kind), folder, mode)
    install(kind).harness("task=digits", "optimizer=default_only", "tracking=off", "study=trained", cwd=folder)
    assert best(folder, "trained")["digits"] > 50


@pytest.mark.parametrize("kind", KINDS)
def test_commands_work_from_any_folder(install: Callable[[str], Install], tmp_path: Path, kind: str) -> None:
    run = partial(install(kind).harness, cwd=tmp_path)
    assert "task=digits" in run("--help")
    run("task=toy", "tracking=off", "budget=2")
    run("task=digits", "evaluator=table", "tracking=off")
    assert best(tmp_path, "main").keys() == {"toy", "digits"}


def test_a_checkout_needs_no_install_and_no_path(install: Callable[[str], Install], tmp_path: Path) -> None:
    bare = Install(install("checkout").folder)
    bare.harness("task=toy", "tracking=off", "budget=1", "seed=0,1", f"out={tmp_path}", "-m", cwd=ROOT)
    assert len(list(tmp_path.glob("main/*/*/*/summary.json"))) == 2


@pytest.mark.parametrize("kind", ["editable", "wheel"])
def test_an_install_takes_no_common_name(install: Callable[[str], Install], tmp_path: Path, kind: str) -> None:
    for name in ("tasks", "tests", "scripts", "conf"):
        done = install(kind).run("python", "-c", f"import {name}", cwd=tmp_path)
        assert f"No module named '{name}'" in done.stderr
    where = (
        install(kind)
        .run("python", "-c", "import harness.tasks.toy; print(harness.tasks.toy.__file__)", cwd=tmp_path)
        .stdout.strip()
    )
    assert Path(where).is_file()
    assert Path(where).resolve().is_relative_to(ROOT) == (kind == "editable")


def test_the_command_of_an_install_finds_a_users_own_tasks(install: Callable[[str], Install], tmp_path: Path) -> None:
    folder = own_folder(tmp_path, "module")
    for kind, variables in (("wheel", {}), ("editable", {}), ("editable", {"PYTHONPATH": str(ROOT)})):
        study = f"{kind}-{len(variables)}"
        command = replace(install(kind), variables=variables)
        done = command.run("harness", "task=toy,mine", "tracking=off", "budget=1", f"study={study}", "-m", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert best(folder, study).keys() == {"toy", "mine"}


def test_the_version_has_one_source(install: Callable[[str], Install], tmp_path: Path) -> None:
    program = "import harness, importlib.metadata as m; print(harness.__version__, m.version('tcs-harness'))"
    for kind in ("editable", "wheel"):
        assert install(kind).run("python", "-c", program, cwd=tmp_path).stdout.split() == [harness.__version__] * 2


def contents(wheel: Path) -> dict[str, int]:
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist() if ".dist-info/" not in info.filename}


def test_a_wheel_from_the_source_archive_is_the_same(install: Callable[[str], Install], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)], cwd=ROOT, check=True)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / packed.name.removesuffix(".tar.gz")
    direct = next((install("wheel").folder / "wheel").glob("*.whl"))
    assert contents(build_wheel(source, tmp_path / "wheel")) == contents(direct)
    assert {name.partition("/")[0] for name in contents(direct)} == {"harness", "hydra_plugins"}
