"""The examples of the pages on a loop of one's own, executed as they stand."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import optuna
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "harness" / "tuner" / "README.md"


def blocks(page: Path, heading: str) -> list[str]:
    section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


def train(config: dict[str, Any]) -> float:
    if config["rate"] > 0.5:
        raise RuntimeError("too high a rate")
    return 90 - 10 * abs(math.log10(config["rate"]) + 2)


@pytest.mark.parametrize(
    ("page", "heading", "printed"),
    [
        (
            ROOT / "harness" / "README.md",
            "A loop of your own",
            r"Best\(config=\{'rate': [\d.e-]+\}, score=\d+\.\d+, number=\d+\)\n",
        ),
        (PAGE, "Ask and tell", r"Best\(config=\{'rate': .*\}, score=\d+\.\d+, number=\d+\)\n"),
        (PAGE, "Scores that are no percentages", r"54\.25\n"),
        (PAGE, "A sampler for Optuna", r"\{'rate': .*, 'units': \d+\}\n"),
    ],
)
def test_the_examples_run_as_they_stand(
    page: Path, heading: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        (program,) = blocks(page, heading)
        exec(compile(program, str(page), "exec"), {"train": train})
    finally:
        optuna.logging.set_verbosity(level)
    assert re.fullmatch(printed, capsys.readouterr().out)
