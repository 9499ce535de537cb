"""Tabular classification: gradient-boosted trees on measurements of water, many of which are missing.

The file is an altered copy of Kaggle's Water Quality: its measurements are the same except for some rounding, but its labels differ (556
rows of class 1; Kaggle has 1,278). So scores on it cannot be compared with published scores on the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.metrics import Parts
from harness.tasks.common.tables import columns, numbers
from harness.tasks_from import Split, curve, split

TARGET = "Potability"


class WaterPotability(datasets.OnPublicData):
    """Classify water as potable or not. The model has `stages` boosted trees; each of the `epochs` epochs is an equal number of them."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 50, stages: int = 150) -> None:
        self.space = space
        self.card = card
        self._epochs, self._stages = epochs, stages
        self._data = table()
        self.parts = Parts(*(len(part.targets) for part in (self._data.train, self._data.val, self._data.test)))

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets."""
        return ("water_potability",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return curve(boosting(config, self._stages, seed), self._data, metric="auc", epochs=self._epochs)


def boosting(config: Config, stages: int, seed: int) -> Pipeline:
    """Return histogram gradient boosting (Ke et al. 2017). Missing values are replaced by the median, or the trees handle them."""
    trees = HistGradientBoostingClassifier(
        learning_rate=float(config["learning_rate"]),
        max_iter=stages,
        max_leaf_nodes=int(config["max_leaf_nodes"]),
        min_samples_leaf=int(config["min_samples_leaf"]),
        l2_regularization=float(config["l2_regularization"]),
        max_features=float(config["max_features"]),
        max_bins=int(config["max_bins"]),
        early_stopping=False,
        random_state=seed,
    )
    filling = {"median": SimpleImputer(strategy="median"), "flag": SimpleImputer(strategy="median", add_indicator=True)}
    gaps = filling.get(str(config["missing_values"]), "passthrough")
    return make_pipeline(gaps, trees)


@cache
def table() -> Split:
    """Return nine measurements of 3,276 bodies of water, missing ones as NaN, split into 60 % training, 20 % validation and 20 % test.

    Raises DataError.
    """
    (body,) = datasets.read("water_potability", "water_potability.csv")
    named = columns(body)
    labels = np.array([int(text) for text in named.pop(TARGET)])
    return split(np.stack([numbers(column) for column in named.values()], axis=1), labels, stratify=True)
