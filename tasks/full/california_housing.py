"""Tabular regression: a fully connected network predicts house values from the census."""

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
from harness.tasks.common.metrics import NUMBERS, Array, Parts
from harness.tasks.common.schedules import PACES
from harness.tasks.common.tables import columns, numbers
from harness.tasks.common.training_loop import Goal, Plan, Rows, fit

SPLIT_SEED = 1990
TARGET, PLACE = "median_house_value", "ocean_proximity"
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}


class CaliforniaHousing(datasets.OnPublicData):
    """Predict the median house value of a block group; values and numeric features are scaled by the training rows."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 20, train_size: int = 13_209, val_size: int = 3_303) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._raw = table()
        self.parts = Parts(train_size, val_size, len(self._raw[2]) - train_size - val_size)

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the data sets."""
        return ("california_housing",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]), PACES[str(config["schedule"])])
        known = rows(self.parts, str(config["scaling"]))
        width = known.inputs[0].shape[1]
        return fit(lambda: network(config, width), known, Goal(functional.mse_loss, NUMBERS), plan, config, seed)


def network(config: Config, features: int) -> nn.Module:
    """Return the network, (n, features) to (n,)."""
    hidden, activation = int(config["hidden_size"]), ACTIVATIONS[str(config["activation"])]
    layers: list[nn.Module] = []
    width = features
    for _ in range(int(config["num_layers"])):
        layers += [nn.Linear(width, hidden), activation(), nn.Dropout(float(config["dropout"]))]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, 1), nn.Flatten(start_dim=0))


@cache
def table() -> tuple[Array, Array, Array]:
    """Return numeric features with gaps as NaN, shape (20640, 8), one-hot kinds of place, (20640, 5), and values in dollars.

    Rows are in an order of ours, since none is published: the file's follows the map. Raises DataError.
    """
    (body,) = datasets.read("california_housing", "housing.csv")
    named = columns(body)
    places = np.array(named.pop(PLACE))
    values = numbers(named.pop(TARGET))
    # RandomState's stream is frozen for good (NEP 19), unlike that of NumPy's newer generators.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(values))
    features = np.stack([numbers(column) for column in named.values()], axis=1)
    return features[order], (places[:, None] == np.unique(places))[order].astype(np.float64), values[order]


@cache
def rows(parts: Parts, scaling: str) -> Rows:
    """Return scaled features, shape (20640, 13), and values with mean 0 and variance 1; a gap is filled with the training median."""
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
