"""Make conf/task/base/references.json: what scores each task of LCBench, HPOBench and FCNet can give (`harness.Reference`).

    python scripts/foreign_references.py              # all 46 tasks; LCBench takes about seven minutes of one core

LCBench: the best and the median of 20,000 points of a Sobol sequence, scrambled with a fixed seed, by validation; the best and the median
of the test scores that these points have at their best epoch on validation. The others: best and median of the whole recorded grid.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import qmc

from harness.config.settings import conf_dir, task_spec
from harness.environment import one_thread
from harness.space import Config, Space
from harness.task import TaskSpec
from harness.tasks.hpobench.grids import grid
from harness.tasks.hpobench.task import FACTORS
from harness.tasks.lcbench.surrogate import OUTPUTS, surrogate

ROOT = Path(__file__).resolve().parents[1]
POINTS, SEED, BATCH = 20_000, 2021, 100
DIGITS = 6
Floats = npt.NDArray[np.floating[Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make the reference scores of the tasks that were made by others.")
    parser.add_argument("--points", type=int, default=POINTS, help="points of the Sobol sequence per task of LCBench")
    parser.add_argument("--out", type=Path, default=ROOT / "conf" / "task" / "base" / "references.json")
    chosen = parser.parse_args(arguments)
    one_thread()
    tasks: dict[str, dict[str, Any]] = {}
    for path in sorted((conf_dir() / "task").glob("*.yaml")):
        spec = task_spec(path)
        if spec.suite == "lcbench":
            tasks[spec.name] = of_lcbench(spec, chosen.points)
        elif spec.suite in ("hpobench", "fcnet"):
            tasks[spec.name] = of_grid(spec)
        if spec.name in tasks:
            print(spec.name, json.dumps(tasks[spec.name]["val"]), file=sys.stderr, flush=True)
    command = " ".join(["python", "scripts/foreign_references.py", *(sys.argv[1:] if arguments is None else arguments)])
    made = {"made": time.strftime("%Y-%m-%d"), "command": command, "tasks": tasks}
    chosen.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


def of_lcbench(spec: TaskSpec, points: int) -> dict[str, Any]:
    """Return the reference of a task of LCBench, in percent."""
    number = int(spec.params["openml_task"])
    scores = [best_epochs(surrogate().curves(number, batch)) for batch in batches(spec.space, points)]
    val, test = (np.concatenate(part) for part in zip(*scores, strict=True))
    source = f"{points:,} fixed Sobol points of the space: their best, and their median"
    return {"val": scale(val, max), "test": scale(test, max), "source": source}


def batches(space: Space, points: int) -> Iterator[list[Config]]:
    """Yield the configurations of the sequence, drawn as random search draws them: evenly on each hyperparameter's scale."""
    # The sequence is drawn to a power of two, as SciPy asks for; its first points are the same for every length.
    drawn = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(SEED)).random_base2((points - 1).bit_length())[:points]
    for begin in range(0, points, BATCH):
        rows = drawn[begin : begin + BATCH].tolist()
        yield [space.from_unit(row) for row in rows]


def best_epochs(curves: Floats) -> tuple[Floats, Floats]:
    """Return the validation and the test score, in percent, of the best epoch on validation; the first one on a tie."""
    val, test = (100.0 * curves[:, :, OUTPUTS.index(name)] for name in ("val_balanced_accuracy", "test_balanced_accuracy"))
    best = val.argmax(axis=1)[:, None]
    return np.take_along_axis(val, best, 1)[:, 0], np.take_along_axis(test, best, 1)[:, 0]


def of_grid(spec: TaskSpec) -> dict[str, Any]:
    """Return the reference of a recorded grid, in the task's own unit: every configuration is as likely, and every seed counts."""
    known = grid(str(spec.params["family"]), str(spec.params["data_set"]))
    scores = FACTORS.get(known.family.score, 1.0) * known.scores
    source = (
        f"the whole recorded grid of {known.family.size:,} configurations with {known.family.seeds} seeds each: its best, "
        "and its median"
    )
    return {"val": scale(scores, max if spec.objective.sign > 0 else min), "source": source}


def scale(scores: Floats, best: Any) -> dict[str, float]:
    """Return median and best of some scores, with six significant digits."""
    found = {"median": float(np.median(scores)), "best": float(best(scores.reshape(-1)))}
    return {name: float(f"{value:.{DIGITS}g}") for name, value in found.items()}


if __name__ == "__main__":
    sys.exit(main())
