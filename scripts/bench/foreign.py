"""How fast a task of LCBench runs: cells of random search per second of one core, and what the seconds go to.

python scripts/bench/foreign.py                  # 60 cells of ten trials, three ways
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from harness.cell import Cell
from harness.config.settings import cells, conf_dir, register, resolved
from harness.config.values import Settings
from harness.environment import one_thread
from harness.run.study import run_cells
from harness.seeding import keyed_random
from harness.store.codec import to_line
from harness.tasks.lcbench.surrogate import surrogate
from harness.training.live import Live
from harness.trial import Proposal, Trial

TASK = "lcbench_3945"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Cells of random search on LCBench per second of one core.")
    parser.add_argument("--cells", type=int, default=10, help="cells per round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=10)
    chosen = parser.parse_args(arguments)
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        settings, waiting = planned(Path(folder), chosen.cells, chosen.budget)
        run_cells(waiting[:2], settings)  # loads the surrogate, and warms up
        print(
            f"{chosen.cells} cells of {chosen.budget} trials; processor and wall-clock milliseconds a cell, cells a second of one core"
        )
        taken: dict[str, list[tuple[float, float]]] = {}
        for number in range(chosen.rounds):
            for name, work in ways(replace(settings, study=f"round{number}"), waiting, chosen.budget):
                taken.setdefault(name, []).append(spent(work))
        for name, found in taken.items():
            show(name, chosen.cells, min(cpu for cpu, _ in found), min(wall for _, wall in found))
    return 0


def planned(folder: Path, count: int, budget: int) -> tuple[Settings, list[Cell]]:
    """Return the settings of a study of random search in `folder`, and `count` + 2 cells of it."""
    register()
    words = [
        f"task={TASK}",
        "optimizer=random",
        "tracking=off",
        "progress=off",
        f"budget={budget}",
        f"seeds={count + 2}",
        f"out={folder}",
    ]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("config", overrides=words, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        settings = resolved(config)
    return settings, list(cells(settings))


def ways(settings: Settings, waiting: Sequence[Cell], budget: int) -> list[tuple[str, Callable[[], Any]]]:
    """Return what is measured, from the floor to the whole path."""
    configs = [settings.task.space.sample(keyed_random(0, "bench", number)) for number in range(budget)]
    rest = waiting[2:]

    def forward() -> None:
        for _ in rest:
            for config in configs:
                surrogate().curves(3945, [config])

    def train(encode: bool) -> None:
        _, trainer = Live().open(settings.task, settings.limits)
        for _ in rest:
            for number, config in enumerate(configs, start=1):
                outcome = trainer.train(config, seed=0)
                if encode:
                    to_line(Trial(number, Proposal(config), outcome))

    def whole(sync: str) -> None:
        run_cells(rest, replace(settings, study=f"{settings.study}-{sync}", sync=sync))

    return [
        ("the surrogate alone", forward),
        ("a training: surrogate, epochs, isolation", lambda: train(False)),
        ("a training, and its line of trials.jsonl", lambda: train(True)),
        ("whole cells, records synced once a cell", lambda: whole("cell")),
        ("whole cells, records synced every trial", lambda: whole("trial")),
    ]


def spent(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the processor and wall-clock seconds of some work."""
    before, started = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - before, time.perf_counter() - started


def show(name: str, count: int, cpu: float, wall: float) -> None:
    """Print one line."""
    print(f"  {name:<44} {1e3 * cpu / count:8.2f} {1e3 * wall / count:8.2f} {count / cpu:8.0f}")


if __name__ == "__main__":
    sys.exit(main())
