"""The public names of the harness: documented, typed, light, and those that the pages use."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import harness

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("", "harness", "tasks", "conf", "tests", "scripts", ".editable")
PAGES = sorted(
    page for folder in FOLDERS for page in ((ROOT / folder).rglob("*.md") if folder else ROOT.glob("*.md")) if page.is_file()
)
LISTED = re.findall(r"^    (\w+)  +\S", inspect.getdoc(harness) or "", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def imports(program: str) -> list[str]:
    return [ast.unparse(node) for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_documentation_lists_each_public_name_once() -> None:
    assert sorted(LISTED) == sorted(harness.__all__)


def test_what_type_checkers_see_is_what_there_is() -> None:
    (block,) = (node for node in ast.parse(Path(harness.__file__).read_text()).body if isinstance(node, ast.If))
    seen: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module
        seen |= {alias.name: node.module for alias in node.names}
    assert sorted(seen) == sorted(harness.__all__)
    for name, module in seen.items():
        home = __import__(module, fromlist=[name])
        assert getattr(harness, name) is getattr(home, name)


@pytest.mark.parametrize("name", harness.__all__)
def test_a_public_name_has_a_docstring_of_its_own(name: str) -> None:
    value = getattr(harness, name)
    if name in ("Config", "Value"):  # aliases of types, which can have none: the list in harness/__init__.py says what they are
        assert not inspect.isclass(value) or value.__module__ == "builtins"
        return
    text = vars(value).get("__doc__") if inspect.isclass(value) or isinstance(value, ModuleType) else value.__doc__
    assert text
    assert not text.startswith(f"{name}("), "a dataclass without a docstring"


def test_a_name_that_is_not_there_is_an_error_of_its_own() -> None:
    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'Epohc'"):
        harness.Epohc  # type: ignore[attr-defined] # noqa: B018
    assert set(harness.__all__) <= set(dir(harness))


def test_importing_the_harness_imports_nothing_else(tmp_path: Path) -> None:
    program = "import sys; before = set(sys.modules); import harness; print(*set(sys.modules) - before)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["harness"]


def test_every_import_that_a_page_shows_works_from_another_folder(tmp_path: Path) -> None:
    shown = {statement: page for page in PAGES for block in blocks(page) for statement in imports(block)}
    # What a page tells the reader to write is no module of ours; the page's own test executes it.
    shown = {s: page for s, page in shown.items() if f"`{s.split()[1]}.py` holds" not in page.read_text(encoding="utf-8")}
    assert shown
    program = "".join(f"try:\n    {line}\nexcept ImportError:\n    print({line!r})\n" for line in shown)
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "", {line: shown[line] for line in ran.stdout.splitlines()}


def test_pages_import_from_the_top_what_is_public_there() -> None:
    named = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "conf").rglob("*.yaml"))
    allowed = {target.rpartition(".")[0] for target in re.findall(r"_target_: (harness\.\S+)", named)}
    for page in PAGES:
        for statement in (line for block in blocks(page) for line in imports(block) if line.startswith("from harness.")):
            module = statement.split()[1]
            assert module in allowed or module.startswith(("harness.testing", "harness.tasks")), f"{page}: {statement}"
