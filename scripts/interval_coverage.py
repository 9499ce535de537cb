"""How often do the report's intervals hold the truth? `python scripts/interval_coverage.py [--repeats 1000]`.

Draws paired differences whose mean is 0, over tasks of unlike spread, and counts how often 95 % intervals hold 0: the report's own, and
the percentile bootstrap stratified by task that is common in the field (Agarwal et al. 2021).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from harness.report.statistics import Array, Resampling, seed_interval, task_interval

DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "skewed": lambda rng, size: 1.0 - rng.exponential(size=size),
    "mostly ties": lambda rng, size: 0.3 - (rng.random(size) < 0.3) * rng.exponential(size=size),
}
DESIGNS = ((1, 3), (1, 5), (1, 20), (6, 3), (6, 5), (6, 10), (6, 30), (12, 5))
HOW = Resampling(resamples=1000)


def percentile(strata: list[Array], rng: np.random.Generator) -> tuple[float, float]:
    """Return the stratified percentile bootstrap's interval."""
    draws = [values[rng.integers(0, len(values), (HOW.resamples, len(values)))].mean(axis=1) for values in strata]
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return float(low), float(high)


def coverage(kind: str, tasks: int, seeds: int, repeats: int) -> tuple[float, float, float]:
    """Return the shares of intervals that hold the truth: the report's over seeds, the percentile's, the report's over tasks."""
    rng = np.random.default_rng([tasks, seeds])
    spreads = np.exp(np.linspace(-1.0, 1.0, tasks)) if tasks > 1 else np.ones(1)
    hits = np.zeros(3)
    for _ in range(repeats):
        strata = [spread * DISTRIBUTIONS[kind](rng, seeds) for spread in spreads]
        ours, field = seed_interval(strata, HOW), percentile(strata, rng)
        others = task_interval([values + rng.standard_normal() for values in strata], HOW)
        hits += [ours.low <= 0.0 <= ours.high, field[0] <= 0.0 <= field[1], others.low <= 0.0 <= others.high]
    mine, theirs, over_tasks = hits / repeats
    return mine, theirs, over_tasks if tasks >= 3 else float("nan")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    print("| differences | tasks | seeds | report, these tasks | percentile bootstrap | report, other tasks |")
    print("| ----------- | ----: | ----: | ------------------: | -------------------: | ------------------: |")
    for kind in DISTRIBUTIONS:
        for tasks, seeds in DESIGNS:
            mine, theirs, over_tasks = coverage(kind, tasks, seeds, repeats)
            other = "–" if np.isnan(over_tasks) else f"{100 * over_tasks:.1f} %"
            print(
                f"| {kind:11} | {tasks:5} | {seeds:5} | {100 * mine:17.1f} % | {100 * theirs:18.1f} % | {other:>19} |", flush=True
            )


if __name__ == "__main__":
    main()
