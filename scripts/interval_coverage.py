"""Measure how often the report's intervals contain the true value: `python scripts/interval_coverage.py [--repeats 1000] [--write]`.

The script draws paired differences with a known mean, and counts how often the report's 95 % intervals contain the mean. A false PASS is an
arm that is worse by exactly the margin and passes: its interval is wholly above the true value, which should happen in 2.5 % of the draws.
Draws for which the report gives no interval are not counted; `shown` says how often it gives one. For comparison, `percentile` is the
percentile bootstrap stratified by task, which is common in the field (Agarwal et al. 2021). `--write` saves the figures in harness/report/,
where the section on methods shows them.

The real differences come from the recorded trainings in tasks/tabular: random search of ten trials, where one arm starts from the default.
`start`: both arms share their other draws, as in the harness, so that most pairs are ties. `live`: the arms draw independently.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.report.analysis.intervals import (
    FEW_TASKS,
    Array,
    Estimate,
    Resampling,
    is_few,
    probability_of_improvement,
    seed_interval,
    task_interval,
)
from harness.report.sections.simulated import REPEATED, SIMULATED
from harness.tabular.table import Table, read_table

TABLES = Path(__file__).resolve().parent.parent / "tasks" / "tabular"
HOW = Resampling(resamples=1000)
TRIALS, POPULATION = 10, 3000
# Correlation between tasks of the scores of one seed, as measured when methods drew the same numbers on every task.
CORRELATION = 0.37
TABLES_COUNT = 6
# The figures of one case by their names.
Case: TypeAlias = dict[str, Any]
Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, int]], Array]

# Each function returns differences with mean 0, shape (tasks, seeds). Skew and rare large losses are on the side of a false PASS.
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "skewed": lambda rng, shape: 1.0 - rng.exponential(size=shape),
    "mostly ties": lambda rng, shape: 0.2 - (rng.random(shape) < 0.2) * rng.exponential(size=shape),
    "rare collapses": lambda rng, shape: 0.3 * rng.standard_normal(shape) + 0.5 - 10.0 * (rng.random(shape) < 0.05),
    REPEATED: lambda rng, shape: (
        np.sqrt(CORRELATION) * rng.standard_normal((1, shape[1])) + np.sqrt(1 - CORRELATION) * rng.standard_normal(shape)
    ),
}
DESIGNS = ((1, 5), (1, 10), (1, 30), (1, 100), (6, 3), (6, 5), (6, 10), (6, 30), (34, 3))
REAL = ("real: start", "real: live")
OTHER_DESIGNS = ((3, 5), (6, 3), (6, 5), (6, 30), (12, 5), (34, 3))
EFFECTS = ("normal", "skewed", "equal")


def spreads(tasks: int) -> Array:
    """Return the scale of each task's differences, shape (tasks, 1): from 0.4 to 2.7."""
    return np.exp(np.linspace(-1.0, 1.0, tasks))[:, None] if tasks > 1 else np.ones((1, 1))


def drawn(source: str, rng: np.random.Generator, shape: tuple[int, int], first: int = 0) -> Array:
    """Return differences with mean 0, shape (tasks, seeds). Real differences use the tables from number `first` on."""
    if source in REAL:
        pool = real_differences(shared=source == "real: start")
        rows = [pool[(first + task) % len(pool)] for task in range(shape[0])]
        return np.array([rng.choice(values, shape[1]) - values.mean() for values in rows])
    # Correlated tasks get the same scale, or one of them would decide the result alone.
    return DISTRIBUTIONS[source](rng, shape) * (1.0 if source == REPEATED else spreads(shape[0]))


@cache
def real_differences(shared: bool) -> list[Array]:
    """Return, for each table, differences of test score between random search with the default first and without."""
    return [_differences(read_table(path), shared) for path in sorted(TABLES.glob("*.npz"))]


def _differences(table: Table, shared: bool) -> Array:
    val, test = _scores(table)
    rng = np.random.default_rng(0)
    seeds, default = np.arange(POPULATION)[:, None] % len(val), table.number(table.space.default())
    one, other = rng.integers(0, val.shape[1], (2, POPULATION, TRIALS))
    started = np.concatenate([np.full((POPULATION, 1), default), (one if shared else other)[:, 1:]], axis=1)

    def chosen(drawn: npt.NDArray[np.int64]) -> Array:
        best = np.take_along_axis(drawn, val[seeds, drawn].argmax(axis=1)[:, None], axis=1)
        return np.asarray(test[seeds, best][:, 0], dtype=np.float64)

    found = chosen(started) - chosen(one)
    return found[~np.isnan(found)]


def _scores(table: Table) -> tuple[Array, Array]:
    """Return the best validation scores and their test scores, shape (seeds, configurations); -inf and NaN for failures."""
    val, test = np.full((2, *table.starts.shape), -np.inf)
    for seed, config in np.argwhere(table.arrays["status"] == 0):
        start = int(table.starts[seed, config])
        curve = table.arrays["curve_val_score_pct"][start : start + int(table.arrays["epochs"][seed, config])]
        best = int(np.argmax(curve))
        val[seed, config], test[seed, config] = curve[best], table.arrays["curve_test_score_pct"][start + best]
    return val, np.where(np.isinf(test), np.nan, test)


def percentile(strata: Sequence[Array], rng: np.random.Generator) -> Estimate:
    """Return the stratified percentile bootstrap's interval."""
    draws = [values[rng.integers(0, len(values), (HOW.resamples, len(values)))].mean(axis=1) for values in strata]
    low, high = np.quantile(np.mean(draws, axis=0), [HOW.tail, 1 - HOW.tail])
    return Estimate(float(np.mean([values.mean() for values in strata])), float(low), float(high))


class Tally:
    """Counts the intervals: shown, containing the true value, and wholly above it."""

    def __init__(self) -> None:
        self.shown = self.held = self.above = 0

    def add(self, estimate: Estimate, truth: float = 0.0) -> None:
        """Count one interval."""
        if not np.isnan(estimate.low):
            self.shown += 1
            self.held += estimate.low - 1e-12 <= truth <= estimate.high + 1e-12
            self.above += estimate.low > truth

    def share(self, count: int) -> float:
        """Return a count as a percentage of the intervals shown."""
        return 100 * count / self.shown if self.shown else float("nan")


def simulate(source: str, tasks: int, seeds: int, repeats: int) -> Case:
    """Return the figures of one case, for the same tasks; shares are percentages. With one real task, each table is used in turn."""
    rng = np.random.default_rng([tasks, seeds])
    ours, field, better = Tally(), Tally(), Tally()
    turns = TABLES_COUNT if source in REAL and tasks == 1 else 1
    for turn in range(turns):
        chance = float(np.mean(0.5 + 0.5 * np.sign(drawn(source, rng, (tasks, 20_000), turn))))
        for _ in range(repeats // turns):
            strata = list(drawn(source, rng, (tasks, seeds), turn))
            ours.add(seed_interval(strata, HOW))
            field.add(percentile(strata, rng))
            better.add(probability_of_improvement(strata, HOW), chance)
    return {
        "differences": source,
        "tasks": tasks,
        "seeds": seeds,
        "shown": 100 * ours.shown / field.shown,
        "covered": ours.share(ours.held),
        "false_pass": ours.share(ours.above),
        "percentile": field.share(field.held),
        "better": better.share(better.held),
        "few": is_few([np.zeros(seeds)] * tasks),
    }


def simulate_others(effects: str, tasks: int, seeds: int, repeats: int) -> Case:
    """Return the figures of one case, for other tasks: each task has its own effect, which is drawn in every repetition."""
    rng, ours = np.random.default_rng([tasks, seeds]), Tally()
    for _ in range(repeats):
        own = {"normal": rng.standard_normal(tasks), "skewed": 1.0 - rng.exponential(size=tasks), "equal": np.zeros(tasks)}[effects]
        ours.add(task_interval(list(drawn("normal", rng, (tasks, seeds)) + own[:, None]), HOW))
    return {
        "differences": f"other tasks, {effects} effects",
        "tasks": tasks,
        "seeds": seeds,
        "shown": 100 * ours.shown / repeats,
        "covered": ours.share(ours.held),
        "false_pass": ours.share(ours.above),
        "few": tasks < FEW_TASKS,
    }


def cases(repeats: int) -> Iterator[Case]:
    """Yield every case."""
    for source in (*DISTRIBUTIONS, *REAL):
        yield from (simulate(source, *design, repeats) for design in DESIGNS if source != REPEATED or design[0] > 1)
    for effects in EFFECTS:
        yield from (simulate_others(effects, *design, repeats) for design in OTHER_DESIGNS)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help=f"keep the figures in {SIMULATED.name}")
    given = parser.parse_args()
    heads = ("differences", "tasks", "seeds", "shown", "covered", "false PASS", "percentile", "P(better)", "few")
    print(f"| {heads[0]:28} | {' | '.join(f'{head:>10}' for head in heads[1:])} |")
    print(f"| {'-' * 28} | {' | '.join('-' * 9 + ':' for _ in heads[1:])} |")
    rows = []
    for case in cases(given.repeats):
        rows.append(case)
        shares = [case.get(name, float("nan")) for name in ("shown", "covered", "false_pass", "percentile", "better")]
        texts = [str(case["tasks"]), str(case["seeds"]), *(f"{share:.1f} %" for share in shares), "few" if case["few"] else ""]
        print(f"| {case['differences']:28} | {' | '.join(f'{text:>10}' for text in texts)} |".replace("nan %", "    –"), flush=True)
    if given.write:
        pd.DataFrame(rows).round(1).to_csv(SIMULATED, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
