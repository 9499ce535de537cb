"""Imports point down, heavy ones wait until they are needed, and only a few files know Hydra."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).resolve().parents[1]

# From the bottom up, a step a line: a part imports what stands on a lower line.
STEPS = """
scrub  seeding  signals  tokens  environment
errors  readiness
console  importing  space
trial
task  optimizer  tcs  store
training  tasks_from  llm
cell
tabular  optimizers
config
run
cluster
report  cli  tabulate  testing  tuner
advise  probe  doctor  pack
__main__  plugin
"""
PLACE = {name: step for step, names in enumerate(STEPS.strip().splitlines()) for name in names.split()}
HYDRA_FILES = {
    "config/composed.py",
    "config/schema.py",
    "config/settings.py",
    "config/tracking.py",
    "cli/app.py",
    "cli/sweep.py",
    "cli/messages.py",
    "cluster/ray.py",
    "cluster/submitit.py",
    "plugin/hydra_plugins/harness_sweeper/__init__.py",
}
# What a light command must not wait for.
HEAVY = {
    "torch",
    "wandb",
    "openai",
    "ollama",
    "skopt",
    "optuna",
    "cmaes",
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
    "numpy",
    "rich",
    "jinja2",
    "joblib",
    "requests",
    "psutil",
    "jsonschema",
}
STANDARD_ONLY = (
    *("scrub.py", "readiness.py", "errors.py", "seeding.py", "trial.py", "task.py", "optimizer.py", "environment.py", "signals.py"),
    *("space/hyperparameter.py", "space/space.py", "store/codec.py", "config/overrides.py"),
    *("config/documented.py", "cli/help.py"),
    *("training/process_state.py", "training/isolation.py", "training/trainer.py"),
)
LARGEST_FOLDER = 18


def modules(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if not path.is_relative_to(ROOT / "harness" / "tasks"))


@functools.cache
def imported(path: Path, *, top_level: bool = False) -> tuple[str, ...]:
    """Return the dotted names that a file imports, anywhere in it or at its top only."""
    return tuple(_imported(path, top_level=top_level))


def _imported(path: Path, *, top_level: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they point"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


def own_part(path: Path) -> str:
    return path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "path", [p for p in modules("harness") if p != ROOT / "harness" / "__init__.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_down(path: Path) -> None:
    own = own_part(path)
    assert own in PLACE, f"harness.{own} stands nowhere: give it its place in STEPS"
    for dotted in imported(path):
        if dotted.startswith("harness.") and part(dotted) != own:
            assert part(dotted) in PLACE, f"{path.relative_to(ROOT)} imports {dotted}: name the module that it is in"
            assert PLACE[part(dotted)] < PLACE[own], f"{path.relative_to(ROOT)} imports {dotted} from above"


@pytest.mark.parametrize("package", ["harness", "tasks"])
def test_no_two_modules_import_each_other(package: str) -> None:
    prefix = "harness.tasks." if package == "tasks" else "harness."
    names = {".".join(p.relative_to(ROOT / package).with_suffix("").parts).removesuffix(".__init__"): p for p in modules(package)}
    needs = {
        name: {
            other
            for dotted in imported(path)
            for other in (dotted.removeprefix(prefix), dotted.removeprefix(prefix).rpartition(".")[0])
            if dotted.startswith(prefix) and other in names and other != name and path.name != "__init__.py"
        }
        for name, path in names.items()
    }
    done: set[str] = set()
    while remaining := [name for name in needs if name not in done]:
        free = [name for name in remaining if needs[name] <= done]
        assert free, f"these import each other: { {name: needs[name] - done for name in remaining} }"
        done.update(free)


def test_folders_stay_small_enough_to_read() -> None:
    folders = {path.parent for base in ("harness", "tasks", "tests", "scripts") for path in modules(base)}
    for folder in folders:
        assert len(list(folder.glob("*.py"))) <= LARGEST_FOLDER, folder
    packages = [path for path in (ROOT / "harness").iterdir() if (path / "__init__.py").exists() and not path.is_symlink()]
    assert len(packages) <= 19  # five of them are commands: `python -m harness.NAME`
    assert sum((path / "__init__.py").exists() for path in (ROOT / "harness" / "report").iterdir()) <= 4


def test_the_harness_knows_no_task_and_tasks_see_only_public_names() -> None:
    for path in modules("harness"):
        assert not [d for d in imported(path) if d.split(".")[0] == "tasks" or d.split(".")[:2] == ["harness", "tasks"]], path
    for path in modules("tasks"):
        seen = {part(d) for d in imported(path) if d.split(".")[0] == "harness"}
        assert seen <= {*harness.__all__, "tasks"}, f"{path.relative_to(ROOT)} imports {seen - {*harness.__all__}}"


def test_only_a_few_files_know_hydra() -> None:
    knowing = {
        str(path.relative_to(ROOT / "harness"))
        for path in modules("harness")
        if any(d.split(".")[0] in ("hydra", "omegaconf", "hydra_plugins") for d in imported(path))
    }
    assert knowing <= HYDRA_FILES


def test_the_core_is_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "harness"}
    for name in STANDARD_ONLY:
        foreign = {d.split(".")[0] for d in imported(ROOT / "harness" / name)} - allowed
        assert not foreign, f"harness/{name} imports {foreign}"


LIGHT = [
    p
    for p in modules("harness")
    if own_part(p) not in ("report", "optimizers", "doctor", "tasks_from", "testing", "tuner", "probe")
]


@pytest.mark.parametrize("path", LIGHT, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_every_command_loads_imports_nothing_heavy_at_its_top(path: Path) -> None:
    heavy = {d.split(".")[0] for d in imported(path, top_level=True)} & (HEAVY - {"requests"})
    assert not heavy, f"{path.relative_to(ROOT)} imports {heavy} at its top"


@pytest.mark.parametrize(
    ("program", "without"),
    [
        ("import harness.cli.app", HEAVY | {"multiprocessing", "asyncio", "http", "email"}),
        ("from harness.__main__ import main; main(['--help'])", HEAVY | {"hydra", "omegaconf", "yaml", "filelock"}),
        (
            "from harness.probe.__main__ import main; main(['--help']); main(['a', '--states', '0'])",
            HEAVY | {"hydra", "omegaconf", "yaml"},
        ),
        (
            "from harness.__main__ import main; main(['task=toy', 'tracking=off', 'budget=2'])",
            HEAVY | {"multiprocessing", "asyncio", "http", "email"},
        ),
        (
            "from harness.__main__ import main; main(['task=toy', 'tracking=off', 'seed=0,1', '-m'])",
            HEAVY | {"asyncio", "http", "email"},
        ),
    ],
)
def test_a_light_command_loads_nothing_heavy(tmp_path: Path, program: str, without: set[str]) -> None:
    listed = f"{program}; import sys; print('MODULES', *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", listed], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ran.stdout.split("MODULES ")[1].split()}
    assert not loaded & without


def test_the_installed_plugin_is_found_where_hydra_looks_for_it() -> None:
    program = "import hydra_plugins.harness_sweeper as s; print(s.__file__)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().endswith("hydra_plugins/harness_sweeper/__init__.py")
