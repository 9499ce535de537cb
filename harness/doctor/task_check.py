"""Is a task ready? The harness's own tasks are judged by their source, because PyTorch and scikit-learn take three seconds to import.

For a class of your own, and wherever the source does not tell, the class is imported and asked.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from harness.importing import load_target
from harness.readiness import Readiness
from harness.task import TaskSpec, task_readiness

_OURS = "harness.tasks."
# Its `ready` asks for the data that the YAML names: in the parameter `data_set`, or in `data`.
_ON_PUBLIC_DATA = "harness.tasks.common.datasets.OnPublicData"


def checked(spec: TaskSpec) -> Readiness:
    """Say whether the code and the data of a task are there. Raises HarnessError, and what an import of a user's module raises."""
    if spec.target.startswith(_OURS):
        for name, defines in _lineage(spec.target):
            if not defines:
                continue
            if name == _ON_PUBLIC_DATA:
                names = [spec.params["data_set"]] if "data_set" in spec.params else spec.data
                found: Readiness = load_target("harness.tasks.common.datasets.ready")(*names)
                return found
            return task_readiness(spec.target if _module(name) == _module(spec.target) else name, spec.params)
        if _tree(_module(spec.target)) is not None:
            return Readiness("task", True, "data included")
    return task_readiness(spec.target, spec.params)


def _lineage(target: str) -> Iterator[tuple[str, bool]]:
    """Yield a class of the harness's own and its first bases, and whether each defines `ready`; nothing where there is no such class."""
    name: str | None = target
    while name is not None and name.startswith(_OURS):
        tree = _tree(_module(name))
        made = (
            next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == _short(name)), None)
            if tree
            else None
        )
        if made is None or tree is None:
            return
        yield name, any(isinstance(node, ast.FunctionDef) and node.name == "ready" for node in made.body)
        name = _dotted(made.bases[0], tree, _module(name)) if made.bases else None


def _dotted(base: ast.expr, tree: ast.Module, module: str) -> str:
    """Return the full name of a base class, as the imports of its module say."""
    written = ast.unparse(base)
    first, dot, rest = written.partition(".")
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == first for alias in node.names):
            return f"{node.module}.{first}{dot}{rest}"
    return f"{module}.{written}"


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _short(name: str) -> str:
    return name.rpartition(".")[2]


@functools.cache
def _tree(module: str) -> ast.Module | None:
    """Return the source of a module; None where there is none, or where a library that it imports is missing."""
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        return None
    if found is None or not found.origin:
        return None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    modules = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return tree if all(importlib.util.find_spec(name.partition(".")[0]) for name in modules) else None
