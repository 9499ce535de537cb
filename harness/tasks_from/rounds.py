"""Estimators of XGBoost and LightGBM: how many rounds one was fitted for, and how to predict with its first rounds only.

Neither library is imported here: where an estimator is one of theirs, its library is imported already.
"""

from __future__ import annotations

import sys
from typing import Any

from harness.tasks_from.data import Estimator


def rounds_of(fitted: Estimator) -> int | None:
    """Return the number of rounds that `predict` uses; None for an estimator of another library, and for a linear one."""
    model: Any = fitted
    if _is(fitted, "xgboost", "XGBModel") and model.booster != "gblinear":  # that one has no members, and predicts with all rounds
        best = getattr(model, "best_iteration", None)  # only after early stopping
        return int(model.get_booster().num_boosted_rounds() if best is None else best + 1)
    if _is(fitted, "lightgbm", "LGBMModel"):
        return int(model.best_iteration_ or model.n_iter_)
    return None


def first_rounds(fitted: Estimator, count: int) -> dict[str, object]:
    """Return the keyword arguments of `predict` and `predict_proba` for a prediction with the first `count` rounds."""
    return {"num_iteration": count} if _is(fitted, "lightgbm", "LGBMModel") else {"iteration_range": (0, count)}


def _is(fitted: Estimator, library: str, name: str) -> bool:
    base = getattr(sys.modules.get(library), name, None)
    return isinstance(base, type) and isinstance(fitted, base)
