"""The packages of the report stand in an order, and each imports only what stands before it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPORT = Path(__file__).resolve().parents[2] / "harness" / "report"
# From the bottom up, a step a line: a part imports what stands on a lower line.
STEPS = """
study_data  studies  growth
sources  analysis
render
sections
compute  results
assemble
command
watching
__main__
"""
PLACE = {name: step for step, names in enumerate(STEPS.strip().splitlines()) for name in names.split()}
MODULES = [path for path in sorted(REPORT.rglob("*.py")) if path != REPORT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPORT)))
def test_a_package_of_the_report_imports_only_those_before_it(path: Path) -> None:
    own = path.relative_to(REPORT).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness.report."):
            other = str(node.module).split(".")[2]
            assert other == own or PLACE[other] < PLACE[own], f"{path.relative_to(REPORT)} imports {node.module}"
