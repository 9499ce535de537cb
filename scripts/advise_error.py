"""Measure how often the rule of `harness.advise` drops the best method: `python scripts/advise_error.py [--repeats 2000] [--seeds 20]`.

The script draws the scores of 3 to 10 methods whose true means it knows, races them with the code of the command, and counts in how many
races method 1, which is the best, is dropped at any look. At most 5 % is promised. In the hardest case for the best method, which is
simulated, all others are just as good in the mean; `one ahead` has it ahead of them by half a standard deviation of a difference. The last
column says how often any method is dropped where all are equally good: that is no error of the rule, since a dropped method is then no
better than those that stay. The last table says after how many seeds a worse method is dropped. It prints Markdown, with the intervals of
Wilson (1927).

The cases below the line are beyond what the rule promises: rare large gains of the best method, and rare collapses of the others.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from harness.report.analysis.intervals import Array
from harness.report.analysis.race import PROMISED, Standing, replay

ARMS = (3, 4, 6, 10)
Shape: TypeAlias = tuple[int, int]
Draw: TypeAlias = Callable[[np.random.Generator, Shape], Array]
BEST = "m1"


def _own_noise(rng: np.random.Generator, shape: Shape, of_best: Array) -> Array:
    """Return scores of mean 0 in which the best method has other noise than the rest, whose own is small."""
    scores = 0.1 * rng.standard_normal(shape)
    scores[0] += of_best
    return scores


# Each function returns scores of equal true mean, shape (methods, seeds); method 1 is the first row.
CASES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape[1]) + rng.standard_normal(shape),
    "normal, one ahead": lambda rng, shape: rng.standard_normal(shape) + 0.5 * math.sqrt(2) * (np.arange(shape[0]) == 0)[:, None],
    "unequal spread": lambda rng, shape: rng.standard_normal(shape) * np.linspace(3.0, 0.2, shape[0])[:, None],
    "heavy tails (t, 2 degrees)": lambda rng, shape: rng.standard_t(2, shape),
    "Cauchy (medians equal)": lambda rng, shape: rng.standard_cauchy(shape),
    "rounded to 1 sd": lambda rng, shape: np.round(rng.standard_normal(shape)),
    "two values": lambda rng, shape: (rng.random(shape) < 0.5).astype(np.float64),
    "80 % ties": lambda rng, shape: (rng.random(shape) < 0.2) * rng.standard_normal(shape),
    "all scores skewed": lambda rng, shape: -rng.exponential(size=shape),
    "best skewed, gamma 4": lambda rng, shape: _own_noise(rng, shape, (rng.gamma(4.0, size=shape[1]) - 4.0) / 2.0),
    "best skewed, exponential": lambda rng, shape: _own_noise(rng, shape, rng.exponential(size=shape[1]) - 1.0),
    "best skewed down": lambda rng, shape: _own_noise(rng, shape, 1.0 - rng.exponential(size=shape[1])),
}
BEYOND: dict[str, Draw] = {
    "best log-normal": lambda rng, shape: _own_noise(rng, shape, rng.lognormal(size=shape[1]) - math.exp(0.5)),
    "others collapse, 1 in 20": lambda rng, shape: (
        0.3 * rng.standard_normal(shape) - (10.0 * (rng.random(shape) < 0.05) - 0.5) * (np.arange(shape[0]) > 0)[:, None]
    ),
}
EQUAL = {name for name in (*CASES, *BEYOND) if name != "normal, one ahead"}
DISTANCES = (0.5, 1.0, 2.0, 3.0, 5.0)


def race(draw: Draw, rng: np.random.Generator, shape: Shape) -> Standing:
    """Return the end of one race."""
    return replay({f"m{number}": row.tolist() for number, row in enumerate(draw(rng, shape), start=1)})


def errors(draw: Draw, shape: Shape, repeats: int) -> tuple[int, int]:
    """Return in how many races the best method was dropped, and in how many any was."""
    rng = np.random.default_rng(shape)
    ends = [race(draw, rng, shape) for _ in range(repeats)]
    return sum(BEST in end.dropped for end in ends), sum(bool(end.dropped) for end in ends)


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of Wilson (1927) for a share."""
    z, share = 1.959964, count / of
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), min(1.0, (middle + half) / (1 + z * z / of))


def error_table(seeds: int, repeats: int) -> Iterator[str]:
    """Yield the lines of the table of errors."""
    yield "| scores | methods | best dropped | 95 % interval | within 5 % | any dropped, all equal |"
    yield "|---|--:|--:|---|---|--:|"
    for name, draw in {**CASES, **BEYOND}.items():
        for arms in ARMS:
            lost, any_lost = errors(draw, (arms, seeds), repeats)
            low, high = wilson(lost, repeats)
            verdict = ("yes" if lost <= PROMISED * repeats else "NO") if name in CASES else "not promised"
            equal = f"{100 * any_lost / repeats:.1f} %" if name in EQUAL else ""
            yield f"| {name} | {arms} | {100 * lost / repeats:.1f} % | [{100 * low:.1f}, {100 * high:.1f}] | {verdict} | {equal} |"


def _one_behind(distance: float) -> Draw:
    """Return normal scores of which the last method is worse, by so many standard deviations of a paired difference."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        is_last = np.arange(shape[0]) == shape[0] - 1
        return np.asarray(rng.standard_normal(shape) - distance * math.sqrt(2) * is_last[:, None])

    return draw


def power_table(seeds: int, repeats: int) -> Iterator[str]:
    """Yield the lines of the table of seeds until a worse method is dropped; all others are equal, scores are normal."""
    yield "| behind by, sd of a difference | methods | median seeds | dropped within 10 seeds |"
    yield "|--:|--:|--:|--:|"
    for distance in DISTANCES:
        for arms in (3, 7):
            rng = np.random.default_rng(arms)
            ends = [race(_one_behind(distance), rng, (arms, seeds)) for _ in range(repeats)]
            after = [end.dropped[f"m{arms}"].after if f"m{arms}" in end.dropped else math.inf for end in ends]
            middle = float(np.median(after))
            shown = f"{middle:.0f}" if math.isfinite(middle) else f"over {seeds}"
            yield f"| {distance:g} | {arms} | {shown} | {100 * float(np.mean(np.array(after) <= 10)):.0f} % |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20, help="seeds of a race; there is a look after each from the fifth on")
    given = parser.parse_args()
    for line in error_table(given.seeds, given.repeats):
        print(line, flush=True)
    print()
    for line in power_table(given.seeds, max(1, given.repeats // 4)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
