"""The page of harness.testing, executed as it stands; and what of the package needs no pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import harness.testing

FOLDER = Path(harness.testing.__file__).parent
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`([\w/]+\.(?:py|yaml))`[^`\n]*:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
# One fault in each of the four, and the test that must find it.
FAULTS = {
    "TestParabola": ('keyed_random(seed, "parabola")', "__import__('random')", "test_a_seed_gives_the_same_curve"),
    "TestCoin": (
        'keyed_random(self.seed, "coin", len(trajectory) + 1)',
        "__import__('random')",
        "test_the_same_seed_proposes_the_same",
    ),
    "TestDice": ("if tokens > request.num_ctx", "if False", "test_a_prompt_over_the_window_is_an_error"),
    "TestOdds": ("budget - len(trajectory)", "float('nan')", "test_its_numbers_are_json_numbers"),
}


def run_suites(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder), "-rA", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Write the page's files."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_its_four_suites_pass(written: Path) -> None:
    out = run_suites(written)
    assert "failed" not in out.splitlines()[-1]
    for suite in FAULTS:
        assert len(re.findall(rf"^PASSED .*{suite}::", out, re.MULTILINE)) >= 6, out
    assert set(FAULTS) == set(re.findall(r"^class (Test\w+)", FILES["test_mine.py"], re.MULTILINE))


def test_its_four_suites_find_a_fault_each_and_show_the_values(written: Path) -> None:
    text = FILES["mine.py"]
    for before, after, _ in FAULTS.values():
        assert before in text
        text = text.replace(before, after)
    (written / "mine.py").write_text(text)
    out = run_suites(written, "-k", " or ".join(test for *_, test in FAULTS.values()))
    for suite, (*_, test) in FAULTS.items():
        assert re.search(rf"^FAILED .*{suite}::{test}", out, re.MULTILINE), out
    assert re.search(r"^E +assert \[.*\] == \[", out, re.MULTILINE), out


def test_its_server_answers(tmp_path: Path) -> None:
    program = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[-1]
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_only_the_contracts_need_pytest(tmp_path: Path) -> None:
    names = ["harness.testing", "harness.testing.synthetic_study"]
    names += [f"harness.testing.servers.{path.stem}" for path in (FOLDER / "servers").glob("*.py") if path.stem != "__init__"]
    program = f"import sys; sys.modules.update(pytest=None, hypothesis=None)\nimport {', '.join(names)}"
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
