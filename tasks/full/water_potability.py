"""Tabular classification: gradient-boosted trees on measures of water, of which many are missing.

The file is an altered copy of Kaggle's Water Quality: the measures are the same but for some that were rounded, the labels are not (556
rows of class 1, where Kaggle has 1,278). So its scores cannot be compared with those that were published for the original.
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
    """Tell potable water from other water; `stages` trees are boosted, and an epoch is an equal stretch of them."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 50, stages: int = 150) -> None:
        self.space = space
        self.card = card
        self._epochs, self._stages = epochs, stages
        self._data = table()
        self.parts = Parts(*(len(part.targets) for part in (self._data.train, self._data.val, self._data.test)))

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the data sets."""
        return ("water_potability",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return curve(boosting(config, self._stages, seed), self._data, metric="auc", epochs=self._epochs)


def boosting(config: Config, stages: int, seed: int) -> Pipeline:
    """Return histogram gradient boosting (Ke et al. 2017), after filling gaps with the median or leaving them to the trees."""
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
    """Return the nine measures of the 3,276 waters, gaps as NaN, 60, 20 and 20 % for training, validation and test. Raises DataError."""
    (body,) = datasets.read("water_potability", "water_potability.csv")
    named = columns(body)
    labels = np.array([int(text) for text in named.pop(TARGET)])
    return split(np.stack([numbers(column) for column in named.values()], axis=1), labels, stratify=True)
