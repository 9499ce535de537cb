"""What the documents say of files, links, commands and names is there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from test_layers import PLACE, STEPS

import harness
from harness.config.overrides import conf_dir

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("harness", "conf", "tasks", "scripts", "tests", ".github")
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *(
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.md"))
        if not path.is_relative_to(ROOT / "harness" / "tasks")
    ),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(document: Path) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """Return the anchors of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(document: Path) -> Iterator[str]:
    for target in LINK.findall(prose(document)):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (document.parent / name).resolve() if name else document
        if not found.is_relative_to(ROOT) or not found.exists() or (anchor and anchor not in anchors(found)):
            yield target


def test_every_folder_that_a_newcomer_opens_has_its_page() -> None:
    pages = {str(path.relative_to(ROOT)) for path in DOCUMENTS}
    assert {f"{folder}README.md" for folder in ("", "harness/", "conf/", "tasks/", "scripts/", "tests/")} <= pages
    assert {".github/CONTRIBUTING.md", "CHANGELOG.md"} <= pages
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert list(broken(document)) == []


def test_a_broken_link_or_anchor_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# A head: `x`\n\n[a](#a-head-x) [b](#no) [c](none.md) [d](page.md) [e](https://x.invalid) [f](../page.md)\n")
    assert list(broken(page)) == ["#no", "none.md", "../page.md"]


@each_document
def test_every_command_and_file_that_it_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^|\n)make ([a-z-]+)", text))
    assert named <= targets
    for module in re.findall(r"python -m (harness[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    # What a page gives in the block that follows is for a folder of the reader's own.
    for path in re.findall(r"`((?:harness|conf|tasks|scripts|tests)/[\w/.]+)`(?!:\n\n```)", text):
        assert "NAME" in path or (ROOT / path).exists(), path
    for script in re.findall(r"python (scripts/[\w/.]+)", text):
        assert (ROOT / script).exists(), script


def test_the_pages_list_every_package_script_method_and_folder() -> None:
    page = {name: (ROOT / name / "README.md").read_text(encoding="utf-8") for name in ("harness", "scripts", "conf", "tests")}
    listed = re.findall(r"^\| `(\w+)` \|", page["harness"].partition("## The records")[0], re.MULTILINE)
    assert sorted(listed) == sorted({*STEPS.split(), "tasks"} - {"__main__"})
    steps = [PLACE[name] for name in listed if name != "tasks"]
    assert steps == sorted(steps), "the map is in the order of imports"
    for path in (*(ROOT / "scripts").iterdir(), *(ROOT / "scripts" / "bench").iterdir()):
        if path.suffix == ".py" or (path / "__main__.py").exists():
            assert f"`python {path.relative_to(ROOT)}" in page["scripts"]
    for path in (conf_dir() / "optimizer").glob("*.yaml"):
        assert f"`{path.stem}`" in page["conf"]
    for path in (ROOT / "tests").iterdir():
        if path.is_dir() and not path.name.startswith(("_", ".")):
            assert f"`{path.name}/`" in page["tests"]


def test_the_version_and_the_holder_are_the_same_everywhere() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == harness.__version__
    assert cited["license"] == project["license"]
    assert cited["authors"] == project["authors"] == [{"name": "The tcs-harness authors"}]
    assert cited["authors"][0]["name"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
