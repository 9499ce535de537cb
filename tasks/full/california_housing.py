"""Tabular regression: a fully connected network predicts house values from census data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from torch import nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.metrics import REGRESSION, Array, Parts
from harness.tasks.common.schedules import SCHEDULES
from harness.tasks.common.tables import columns, numbers
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit

SPLIT_SEED = 1990
TARGET, PLACE = "median_house_value", "ocean_proximity"
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


class CaliforniaHousing(datasets.OnPublicData):
    """Predict the median house value of a block group. Targets and numeric features are scaled with statistics of the training rows."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 20, train_size: int = 13_209, val_size: int = 3_303) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._raw = table()
        self.parts = Parts(train_size, val_size, len(self._raw[2]) - train_size - val_size)

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets."""
        return ("california_housing",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]), SCHEDULES[str(config["schedule"])])
        known = rows(self.parts, str(config["scaling"]))
        width = known.inputs[0].shape[1]
        return fit(lambda: network(config, width), known, Objective(functional.mse_loss, REGRESSION), plan, config, seed)


def network(config: Config, features: int) -> nn.Module:
    """Return the network; it maps shape (n, features) to (n,)."""
    hidden, activation = int(config["hidden_size"]), ACTIVATIONS[str(config["activation"])]
    layers: list[nn.Module] = []
    width = features
    for _ in range(int(config["num_layers"])):
        layers += [nn.Linear(width, hidden), activation(), nn.Dropout(float(config["dropout"]))]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(start_dim=0))


@cache
def table() -> tuple[Array, Array, Array]:
    """Return the numeric features, shape (20640, 8), the one-hot ocean proximity, shape (20640, 5), and the house values, in dollars.

    Missing entries are NaN. The rows are shuffled with a fixed seed, because no split is published and the file is ordered by location.
    Raises DataError.
    """
    (body,) = datasets.read("california_housing", "housing.csv")
    named = columns(body)
    places = np.array(named.pop(PLACE))
    values = numbers(named.pop(TARGET))
    # The stream of RandomState never changes (NEP 19), unlike the streams of NumPy's newer generators.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(values))
    features = np.stack([numbers(column) for column in named.values()], axis=1)
    return features[order], (places[:, None] == np.unique(places))[order].astype(np.float64), values[order]


@cache
def rows(parts: Parts, scaling: str) -> Rows:
    """Return the scaled features, shape (20640, 13), with targets of mean 0 and variance 1 on the training rows.

    A missing entry is replaced by the median of the training rows. `scaling` is "quantile", else the features are standardised.
    """
    numeric, places, values = table()
    train = parts.slices()[0]
    filled = np.where(np.isnan(numeric), np.nanmedian(numeric[train], axis=0), numeric)
    scaler: Any = StandardScaler()
    if scaling == "quantile":
        scaler = QuantileTransformer(n_quantiles=1000, output_distribution="normal", subsample=None)
    scaled = scaler.fit(filled[train]).transform(filled)
    target = (values - values[train].mean()) / values[train].std()
    features = torch.tensor(np.concatenate([scaled, places], axis=1), dtype=torch.float32)
    return Rows((features,), torch.tensor(target, dtype=torch.float32), parts)
