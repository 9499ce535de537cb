"""Show how much tuning can gain on each task: scores of random configurations, compared with the spread over training seeds.

    python scripts/task_table.py                          # all core tasks, 50 configurations, 5 seeds, Markdown on the terminal
    python scripts/task_table.py --tasks digits text --jobs 2 --csv tasks.csv

The columns are explained below the table.
"""

from __future__ import annotations

import argparse
import csv
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import mean, median, stdev

from harness.config.settings import conf_dir, task_spec
from harness.seeding import keyed_random
from harness.space import Config
from harness.task import Task
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Outcome

DRAWS = 10
LEGEND = f"""
Every score is the validation score in percent at a training's best epoch, but for the last column.
*rows*: of training, validation and test. *hp*: hyperparameters, in brackets how many of them are conditional. *failed*: share of the
random configurations that diverged or crashed. *s*: processor seconds of a training, median and longest. *default*, *good*: mean +-
standard deviation over the training seeds of the default and of the best random configuration. *median*, *best*: over the random
configurations that did not fail, one training seed. *room*: (best - median) in standard deviations of the good configuration.
*best of {DRAWS}*: expected best of {DRAWS} of the random configurations. *test*: mean test score of the good configuration."""


@dataclass(frozen=True)
class Row:
    """The row of one task. Scores are in percent, times in seconds."""

    task: str
    domain: str
    rows: str
    hyperparameters: int
    conditional: int
    failed_share: float
    seconds_median: float
    seconds_max: float
    default_mean: float
    default_sd: float
    median: float
    best: float
    good_mean: float
    good_sd: float
    room: float
    best_of_draws: float
    test: float

    def cells(self) -> list[str]:
        """Return the cells of the Markdown row, in the order of HEADER."""
        return [
            self.task,
            self.domain,
            self.rows,
            f"{self.hyperparameters} ({self.conditional})",
            f"{100 * self.failed_share:.0f} %",
            f"{self.seconds_median:.2f} / {self.seconds_max:.2f}",
            f"{self.default_mean:.1f} +- {self.default_sd:.2f}",
            f"{self.median:.1f}",
            f"{self.best:.1f}",
            f"{self.good_mean:.1f} +- {self.good_sd:.2f}",
            f"{self.room:.0f}",
            f"{self.best_of_draws:.1f}",
            f"{self.test:.1f}",
        ]


HEADER = ["task", "domain", "rows", "hp", "failed", "s", "default", "median", "best", "good", "room", f"best of {DRAWS}", "test"]


@cache
def load_task(name: str) -> Task:
    """Build the task that `conf/task/NAME.yaml` describes."""
    return build_task(task_spec(conf_dir() / "task" / f"{name}.yaml"))


def train(name: str, config: Config, seed: int) -> tuple[Outcome, float]:
    """Train once, as the harness does. Return the outcome and the processor seconds."""
    trainer, started = InProcess(load_task(name)), time.process_time()
    return trainer.train(config, seed=seed), time.process_time() - started


def measure(name: str, configs: int, seeds: int) -> Row:
    """Train the default with every seed, `configs` random configurations with one seed, and the best of these with every seed."""
    space, card = load_task(name).space, load_task(name).card
    default = [_score(train(name, space.default(), seed)[0]) for seed in range(seeds)]
    drawn = [space.sample(keyed_random(0, "task table", number)) for number in range(configs)]
    outcomes, seconds = zip(*(train(name, config, 0) for config in drawn), strict=True)
    scored = [(_score(outcome), config) for outcome, config in zip(outcomes, drawn, strict=True) if outcome.ok]
    best, good_config = max(scored, key=lambda pair: pair[0])
    good = [train(name, good_config, seed)[0] for seed in range(seeds)]
    scores, good_sd = [score for score, _ in scored], _sd([_score(outcome) for outcome in good])
    return Row(
        task=name,
        domain=card.domain,
        rows=_rows(load_task(name)),
        hyperparameters=len(space),
        conditional=sum(bool(hp.when) for hp in space),
        failed_share=1 - len(scored) / configs,
        seconds_median=median(seconds),
        seconds_max=max(seconds),
        default_mean=mean(default),
        default_sd=_sd(default),
        median=median(scores),
        best=best,
        good_mean=mean(_score(outcome) for outcome in good),
        good_sd=good_sd,
        room=(best - median(scores)) / good_sd if good_sd else math.inf,
        best_of_draws=expected_best([*scores, *[min(scores)] * (configs - len(scores))], min(DRAWS, configs)),
        test=mean(outcome.test_score_pct or 0.0 for outcome in good),
    )


def expected_best(scores: Sequence[float], draws: int) -> float:
    """Return the expected best of `draws` scores drawn without replacement: the mean over all subsets of that size."""
    rising, sets = sorted(scores), math.comb(len(scores), draws)
    return sum(score * math.comb(below, draws - 1) / sets for below, score in enumerate(rising))


def _rows(task: Task) -> str:
    parts = getattr(task, "parts", None)
    return f"{parts.train} / {parts.val} / {parts.test}" if parts else ""


def _score(outcome: Outcome) -> float:
    return math.nan if outcome.val_score_pct is None else outcome.val_score_pct


def _sd(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else math.nan


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    suites = {path.stem: task_spec(path).suite for path in sorted((conf_dir() / "task").glob("*.yaml"))}
    core = [name for name, suite in suites.items() if suite == "core"]
    parser.add_argument(
        "--tasks", nargs="+", default=core, choices=list(suites), metavar="TASK", help="any task; default: the core tasks"
    )
    parser.add_argument("--configs", type=int, default=50, help="random configurations a task (default 50)")
    parser.add_argument(
        "--seeds", type=int, default=5, help="training seeds of the default and of the best configuration (default 5)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="tasks measured at once (default 1)")
    parser.add_argument("--csv", type=Path, help="write the unrounded numbers here as well")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    # New processes, because NumPy and PyTorch read the thread limit when they are imported.
    with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(measure, given.tasks, [given.configs] * len(given.tasks), [given.seeds] * len(given.tasks)))
    for cells in [HEADER, ["---"] * len(HEADER), *[row.cells() for row in rows]]:
        print(f"| {' | '.join(cells)} |")
    print(LEGEND)
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(Row.__dataclass_fields__))
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main()
