"""Estimators of XGBoost and LightGBM: how many rounds one was fitted for, and what it predicts with its first rounds only.

Neither library is imported here: where an estimator is one of theirs, its library is imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit, softmax

from harness.tasks_from.data import Estimator
from harness.tasks_from.scores import Outputs, Scale

Link: TypeAlias = Callable[[Outputs], Outputs]
# What LightGBM makes of the sum of its trees, by objective. For any other objective all first rounds are predicted for each point.
LINKS: dict[str, Link] = {
    "regression": lambda raw: raw,
    "regression_l1": lambda raw: raw,
    "huber": lambda raw: raw,
    "binary": lambda raw: np.column_stack([1.0 - expit(raw), expit(raw)]),
    "multiclass": lambda raw: np.asarray(softmax(raw, axis=1)),
}
SAMPLE_ROWS = 100


def rounds_of(fitted: Estimator) -> int | None:
    """Return the number of rounds that `predict` uses; None for an estimator of another library, and for a linear one."""
    model: Any = fitted
    if _is(fitted, "xgboost", "XGBModel") and model.booster != "gblinear":  # that one has no members, and predicts with all rounds
        best = getattr(model, "best_iteration", None)  # only after early stopping
        return int(model.get_booster().num_boosted_rounds() if best is None else best + 1)
    if _is(fitted, "lightgbm", "LGBMModel"):
        return int(model.best_iteration_ or model.n_iter_)
    return None


def first_rounds(fitted: Estimator, scale: Scale, ends: list[int]) -> Iterator[list[Outputs]]:
    """Yield the outputs (see `Scale.outputs`) of the first rounds, for each number of rounds in `ends`, which rise."""
    if not _is(fitted, "lightgbm", "LGBMModel"):
        yield from (scale.outputs(fitted, iteration_range=(0, end)) for end in ends)
    elif (link := _link(fitted, scale)) is None:
        yield from (scale.outputs(fitted, num_iteration=end) for end in ends)
    else:
        yield from _sums(fitted, scale, ends, link)


def _sums(fitted: Estimator, scale: Scale, ends: list[int], link: Link) -> Iterator[list[Outputs]]:
    """LightGBM predicts slowly, so each tree predicts once, and the sums are kept."""
    sums: list[Outputs] = []
    for start, end in zip([0, *ends], ends, strict=False):
        added = scale.outputs(fitted, raw_score=True, start_iteration=start, num_iteration=end - start)
        sums = [old + new for old, new in zip(sums, added, strict=True)] if sums else added
        yield [link(total) for total in sums]


def _link(fitted: Estimator, scale: Scale) -> Link | None:
    """Return how LightGBM makes its outputs of the sum of its trees; None where that is not known, or differs on a sample of rows."""
    model: Any = fitted
    link, half = LINKS.get(str(model.objective_)), (rounds_of(fitted) or 0) // 2
    if link is None or half == 0:
        return None
    method, rows = getattr(fitted, scale.method(fitted)), scale.data.val.features[:SAMPLE_ROWS]
    parts = (method(rows, raw_score=True, num_iteration=half), method(rows, raw_score=True, start_iteration=half))
    return link if np.allclose(link(parts[0] + parts[1]), method(rows), rtol=1e-9) else None


def _is(fitted: Estimator, library: str, name: str) -> bool:
    base = getattr(sys.modules.get(library), name, None)
    return isinstance(base, type) and isinstance(fitted, base)
