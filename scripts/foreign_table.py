"""Print what a study on tasks of others found: each arm against random search from the default, with intervals that draw tasks.

    python scripts/foreign_table.py runs/foreign

LCBench in points of test balanced accuracy, HPOBench in points of validation accuracy, both as means over tasks of means over seeds. An
interval is the middle 95 % of 10,000 bootstrap means, each of as many tasks, drawn with replacement. The normalised score is 0 for a
task's median random trial and 1 for the best known (conf/task/base/references.json).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from harness.report.study_data import cell_of_manifest
from harness.store.cell_folder import MANIFEST, SUMMARY, read_json, read_manifest
from harness.task import Reference

FAMILIES = {"lcbench": "test", "hpobench": "val", "fcnet": "val"}
DRAWS, SEED = 10_000, 0
# Of an arm: task -> the scores of its seeds, in points, and normalised.
Scores: TypeAlias = Mapping[str, Mapping[int, tuple[float, float]]]


@dataclass(frozen=True)
class Row:
    """An arm against another one on the tasks that both have finished, in points."""

    arm: str
    tasks: int
    better: int
    mean: float
    low: float
    high: float
    normalised: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table per family."""
    parser = argparse.ArgumentParser(description="Each arm of a study on tasks of others against another arm.")
    parser.add_argument("study", type=Path, help="folder of the study, e.g. runs/foreign")
    parser.add_argument("--against", default="random+default", help="the arm to compare with")
    chosen = parser.parse_args(arguments)
    for family, part in FAMILIES.items():
        arms = read(chosen.study, family, part)
        if chosen.against in arms:
            print(f"\n{family}, {part} score, against {chosen.against}:\n")
            print("\n".join(table(rows(arms, chosen.against))))
    return 0


def read(study: Path, family: str, part: str) -> dict[str, Scores]:
    """Return, for each arm, the scores of its finished cells on the tasks of a family."""
    found: dict[str, dict[str, dict[int, tuple[float, float]]]] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(study.glob(f"{family}_*/*/*/{SUMMARY}")):
        manifest, summary = read_manifest(path.parent / MANIFEST), read_json(path)
        score = summary[f"{part}_score_pct"]
        reference = Reference.from_mapping(manifest["reference"])
        scale = reference.val if part == "val" else reference.test
        if score is not None and scale is not None:
            points = cell_of_manifest(manifest, str(path)).objective.points(score)
            found[manifest["arm"]][manifest["task"]][manifest["seed"]] = (points, scale.normalised(points))
    return {arm: dict(tasks) for arm, tasks in found.items()}


def rows(arms: Mapping[str, Scores], against: str) -> Iterator[Row]:
    """Yield a row per arm. A task counts where both arms have finished the same seeds."""
    rng = np.random.default_rng(SEED)
    base = arms[against]
    for arm, tasks in sorted(arms.items()):
        shared = [task for task in sorted(tasks) if task in base and tasks[task].keys() == base[task].keys()]
        if not shared:
            continue
        gaps = np.array([np.mean([tasks[t][s][0] - base[t][s][0] for s in tasks[t]]) for t in shared])
        drawn = gaps[rng.integers(0, len(gaps), (DRAWS, len(gaps)))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        normal = float(np.mean([np.mean([n for _, n in tasks[t].values()]) for t in shared]))
        yield Row(arm, len(shared), int((gaps > 0).sum()), float(gaps.mean()), float(low), float(high), normal)


def table(found: Iterator[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table, the best arm first."""
    yield "| arm | difference | 95 % interval | better on | normalised |"
    yield "|---|---|---|---|---|"
    for row in sorted(found, key=lambda row: -row.mean):
        interval = f"[{row.low:+.2f}, {row.high:+.2f}]" if row.low or row.high else ""
        yield f"| `{row.arm}` | {row.mean:+.2f} | {interval} | {row.better} of {row.tasks} | {row.normalised:.3f} |"


if __name__ == "__main__":
    sys.exit(main())
