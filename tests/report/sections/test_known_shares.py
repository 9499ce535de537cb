"""How far the shares of hyperparameters are from the truth, on recorded grids of which every configuration was trained.

From each table some random configurations are drawn, each with the score of one of its trainings, and the shares are estimated from these
alone. What failed in a table has the score that a forest of the whole table foretells. The report's page says the errors that come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from harness.report.sections.configurations.importance import LEAST_CONFIGS, LEAST_R2
from harness.report.sections.configurations.variance import Array, Even, Shares, sobol_shares, variance_shares
from harness.space import Config, Space
from harness.tabular.grid import enumerate_configs
from harness.tabular.table import read_table

TABLES = sorted((Path(__file__).resolve().parents[3] / "tasks" / "tabular").glob("*.npz"))
DRAWS = 5
POINTS = 4096


@cache
def recorded(path: Path) -> tuple[Space, list[Config], Array]:
    """Return the space of a table, its configurations, and its validation scores, oriented, of shape (configs, training seeds)."""
    table = read_table(path)
    seeds, sign = table.header.subject.train_seeds, table.header.subject.objective.sign
    configs = list(enumerate_configs(table.space))
    scores = [[table.outcome(number, seed).val_score_pct for seed in seeds] for number in range(len(configs))]
    return table.space, configs, sign * np.array([[np.nan if score is None else score for score in row] for row in scores])


@cache
def truth(path: Path) -> tuple[Array, Array]:
    """Return the shares, alone and total, of the mean scores over training seeds."""
    space, configs, scores = recorded(path)
    units = np.array([space.to_unit(config) for config in configs])
    known = ~np.isnan(scores).all(axis=1)
    means = np.zeros(len(configs))
    means[known] = np.nanmean(scores[known], axis=1)
    if not known.all():
        means[~known] = RandomForestRegressor(200, random_state=0).fit(units[known], means[known]).predict(units[~known])
    score = {tuple(row): mean for row, mean in zip(units.tolist(), means, strict=True)}
    even = Even(space)

    def exact(points: Array) -> Array:
        return np.array([[score[tuple(row)] for row in even.places(points.T).tolist()]])

    alone, total = sobol_shares(exact, len(space), POINTS, np.random.default_rng(0))
    return alone[0], total[0]


def estimates(count: int, noise: float = 0.0) -> Iterator[tuple[Path, Shares]]:
    """Yield estimates from `count` configurations of each table; `noise` is added, in standard deviations of the table's scores."""
    for path in TABLES:
        space, configs, scores = recorded(path)
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            one = scores[np.arange(len(configs)), rng.integers(0, scores.shape[1], len(configs))]
            drawn = [int(number) for number in rng.permutation(len(configs)) if not np.isnan(one[number])][:count]
            values = one[drawn] + rng.normal(0.0, noise * float(np.nanstd(scores)), count)
            yield path, variance_shares(space, [configs[number] for number in drawn], values.tolist(), seed, -np.inf)


def worst(path: Path, found: Shares) -> float:
    """Return the largest error of a share alone."""
    return float(np.max(np.abs(found.alone - truth(path)[0])))


@pytest.mark.full
@pytest.mark.parametrize(("count", "points"), [(LEAST_CONFIGS, 18), (100, 11), (200, 7)])
def test_the_worst_share_of_a_task_is_so_many_points_off_as_the_page_says(count: int, points: int) -> None:
    found = list(estimates(count))
    assert 100 * float(np.mean([worst(path, shares) for path, shares in found])) == pytest.approx(points, abs=1.0)
    held = [
        np.abs(share - true) <= 2 * sd
        for path, shares in found
        for share, sd, true in zip((shares.alone, shares.total), (shares.alone_sd, shares.total_sd), truth(path), strict=True)
    ]
    assert float(np.mean(np.concatenate(held))) == pytest.approx(0.75, abs=0.06)


@pytest.mark.full
def test_noise_that_hides_the_shares_takes_r2_below_the_least() -> None:
    found = list(estimates(200, noise=2.0))
    assert sum(shares.r2 >= LEAST_R2 for _, shares in found) == 0
    assert float(np.mean([worst(path, shares) for path, shares in found])) > 0.15
