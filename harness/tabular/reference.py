"""What scores a table can give: the median of random trials, and the best of the grid."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.space import Choice, Config, Space
from harness.tabular.grid import enumerate_configs
from harness.tabular.table import STATUSES, Table
from harness.task import Reference, Scale
from harness.trial import Objective, Status

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    # Shape (seeds, configs), or (configs,).
    Floats = npt.NDArray[np.float64]


def reference_of(table: Table) -> Reference | None:
    """Return the reference of a table, over all its configurations and training seeds; None where more than half of them failed.

    The median is that of random search, which draws each hyperparameter evenly from its levels. A failed training counts as the worst.
    """
    import numpy as np  # noqa: PLC0415 - as in table.py

    objective, seeds = table.header.subject.objective, len(table.header.subject.train_seeds)
    # One after the other, seed by seed: `at` is where the best epoch of each training stands, which counts.
    status = table.arrays["status"]
    ok = status == STATUSES.index(Status.OK)
    val, test = np.full(status.shape, -np.inf), np.full(status.shape, -np.inf)
    scores = table.arrays["curve_val_score_pct"]
    tests = table.arrays.get("curve_test_score_pct")
    for place in zip(*np.nonzero(ok), strict=True):
        begin = int(table.starts[place])
        curve = objective.sign * scores[begin : begin + int(table.arrays["epochs"][place])]
        at = int(curve.argmax())
        val[place] = curve[at] / objective.point
        if tests is not None:
            test[place] = objective.points(float(tests[begin + at]))
    weights = np.broadcast_to(probabilities(table.space), val.shape)
    found = scale_of(val, weights)
    if found is None:
        return None
    count = table.header.configs
    source = (
        f"the whole grid of {count:,} configurations with {seeds} training seed{'s' if seeds > 1 else ''} each: "
        "its best, and its median as random search draws it"
    )
    return Reference(found, scale_of(test, weights) if _has_test(objective, tests) else None, source)


def _has_test(objective: Objective, tests: object) -> bool:
    return objective.test and tests is not None


def scale_of(points: Floats, weights: Floats) -> Scale | None:
    """Return the weighted median and the highest of scores in points; None where they are equal, or the median is that of a failure."""
    import numpy as np  # noqa: PLC0415

    order = np.argsort(points, axis=None, kind="stable")
    reached = weights.reshape(-1)[order].cumsum()
    # A sum of many weights is not exact: a hair of the total decides nothing.
    median = float(points.reshape(-1)[order][np.searchsorted(reached, reached[-1] * (0.5 - 1e-12))])
    best = float(points.max())
    return Scale(median, best) if np.isfinite(median) and median < best else None


def probabilities(space: Space) -> Floats:
    """Return how likely random search is to draw each configuration of a grid, in the order of `enumerate_configs`; shape (configs,).

    It draws each active hyperparameter evenly. So a configuration with fewer active ones is more likely.
    """
    import numpy as np  # noqa: PLC0415

    return np.array([_probability(space, config) for config in enumerate_configs(space)])


def _probability(space: Space, config: Config) -> float:
    likely = 1.0
    for hp in _choices(space, config):
        likely /= len(hp.choices)
    return likely


def _choices(space: Space, config: Config) -> Iterable[Choice]:
    return (hp for hp in space if hp.name in config and isinstance(hp, Choice))
