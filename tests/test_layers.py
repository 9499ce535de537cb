"""Imports point down, heavy ones wait until they are needed, and only a few files know Hydra."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# From the bottom up: a module imports only from layers below its own, and from its own layer what stands before it or beside it.
LAYERS: list[set[str]] = [
    {"scrub"},
    {"errors"},
    {"randomness", "readiness", "stop"},
    {"hyperparameter"},
    {"space"},
    {"trial"},
    {"task", "optimizer", "record", "environment", "arguments", "target", "lock", "memory"},
    {"tasks_from", "task_settings", "disk", "seeds", "packed"},
    {"help", "training", "llm", "tcs", "store", "optimizers"},
    {"identity"},
    {"agent"},
    {"build"},
    {"child"},
    {"tabulated"},
    {"cell"},
    {"schema"},
    {"progress", "settings"},
    {"tracking", "doctor"},
    {"study"},
    {"sweep", "app", "report"},
    {"complaints", "pack"},
    {"__main__", "plugin", "tabulate"},
]
HYDRA_FILES = {
    "schema.py",
    "settings.py",
    "app.py",
    "sweep.py",
    "complaints.py",
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
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
    "numpy",
    "rich",
    "joblib",
    "requests",
}
STANDARD_ONLY = {
    "scrub",
    "readiness",
    "errors",
    "randomness",
    "hyperparameter",
    "space",
    "trial",
    "task",
    "optimizer",
    "record",
    "environment",
    "arguments",
    "help",
    "training",
}
TASKS_SEE = {"readiness", "tasks_from", "errors", "randomness", "hyperparameter", "space", "trial", "task"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports, anywhere in it or at its top only."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they point"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


def layer_of(name: str) -> int:
    for number, names in enumerate(LAYERS):
        if name in names:
            return number
    raise AssertionError(f"harness.{name} stands in no layer: give it its place in LAYERS")


def own_part(path: Path) -> str:
    return path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "path", [p for p in modules("harness") if p != ROOT / "harness" / "__init__.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_down(path: Path) -> None:
    own = own_part(path)
    for dotted in imported(path):
        if dotted.startswith("harness.") and part(dotted) != own:
            assert layer_of(part(dotted)) <= layer_of(own), f"{path.relative_to(ROOT)} imports {dotted} from above"


def test_no_two_parts_import_each_other() -> None:
    needs: dict[str, set[str]] = {}
    for path in modules("harness"):
        own = own_part(path)
        needs.setdefault(own, set()).update(part(d) for d in imported(path) if d.startswith("harness.") and part(d) != own)
    done: list[str] = []
    while remaining := [name for name in needs if name not in done]:
        free = [name for name in remaining if needs[name] <= {*done, "__init__", ""}]
        assert free, f"these import each other: {remaining}"
        done += free


def test_the_harness_knows_no_task_and_tasks_see_only_the_contracts() -> None:
    for path in modules("harness"):
        assert not [d for d in imported(path) if d.split(".")[0] == "tasks"], path
    for path in modules("tasks"):
        seen = {part(d) for d in imported(path) if d.split(".")[0] == "harness"}
        assert seen <= TASKS_SEE, f"{path.relative_to(ROOT)} imports {seen - TASKS_SEE}"


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
        foreign = {d.split(".")[0] for d in imported(ROOT / "harness" / f"{name}.py")} - allowed
        assert not foreign, f"harness/{name}.py imports {foreign}"


LIGHT = [p for p in modules("harness") if own_part(p) not in ("report", "optimizers", "doctor", "tasks_from")]


@pytest.mark.parametrize("path", LIGHT, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_every_command_loads_imports_nothing_heavy_at_its_top(path: Path) -> None:
    heavy = {d.split(".")[0] for d in imported(path, top_level=True)} & (HEAVY - {"requests"})
    assert not heavy, f"{path.relative_to(ROOT)} imports {heavy} at its top"


@pytest.mark.parametrize(
    ("program", "without"),
    [
        ("import harness.app", HEAVY | {"multiprocessing", "asyncio", "http", "email"}),
        ("from harness.__main__ import main; main(['--help'])", HEAVY | {"hydra", "omegaconf", "yaml", "filelock"}),
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
