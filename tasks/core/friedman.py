"""Tabular regression: stochastic gradient boosting on Friedman's test function."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import GradientBoostingRegressor

from harness import Config, Epoch, Space, TaskCard, keyed_seed
from harness.tasks.common.metrics import NUMBERS, Array, Parts, epoch_of

DATA_SEED = 1991
FEATURES = 20
NOISE = 1.0
CONTAMINATED, GROSS_ERROR = 0.1, 15.0


class Friedman:
    """Predict a smooth function of five features out of twenty; one epoch adds `trees_per_epoch` trees."""

    def __init__(
        self,
        space: Space,
        card: TaskCard,
        *,
        epochs: int = 20,
        trees_per_epoch: int = 8,
        train_size: int = 250,
        val_size: int = 2000,
    ) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._trees = trees_per_epoch
        self.parts = Parts(train_size, val_size, test=4000)
        self._features, self._targets = table(self.parts)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        features, targets = self._features, self._targets
        known = self.parts.slices()[0]
        model = boosting(config, seed)
        predicted = np.zeros(len(targets), dtype=np.float32)
        for epoch in range(self._epochs):
            model.set_params(n_estimators=(epoch + 1) * self._trees)
            with np.errstate(all="ignore"):
                model.fit(features[known], targets[known])
                if epoch == 0:
                    predicted += model.init_.predict(features).astype(np.float32)
                for tree in model.estimators_[epoch * self._trees :, 0]:
                    # Single precision, as in the other tasks: predictions that grow without end leave its range and so show as not finite.
                    predicted += (model.learning_rate * tree.predict(features)).astype(np.float32)
            yield epoch_of(predicted, targets, self.parts, NUMBERS)


def boosting(config: Config, seed: int) -> Any:
    """Return the untrained model, which keeps its trees when it is fitted again with more of them."""
    return GradientBoostingRegressor(
        learning_rate=float(config["learning_rate"]),
        loss=config["loss"],
        alpha=float(config.get("huber_quantile", 0.9)),
        max_depth=int(config["max_depth"]),
        min_samples_leaf=int(config["min_samples_leaf"]),
        subsample=float(config["subsample"]),
        max_features=float(config["max_features"]),
        random_state=keyed_seed(seed, "boosting"),
        warm_start=True,
    )


@cache
def table(parts: Parts) -> tuple[Array, Array]:
    """Draw features, shape (rows, 20), and the function's values with noise; always the same.

    A tenth of the training targets, and of no others, are off by a gross error, as Tukey's contaminated normal has it: there the
    choice of loss matters (Friedman 2001, section 6), and a score is not decided by a few wild rows of validation or test.
    """
    count = parts.train + parts.val + parts.test
    features, targets = make_friedman1(n_samples=count, n_features=FEATURES, noise=NOISE, random_state=DATA_SEED)
    rng = np.random.RandomState(DATA_SEED)
    gross = rng.choice(parts.train, size=round(CONTAMINATED * parts.train), replace=False)
    targets[gross] += rng.normal(0.0, GROSS_ERROR, len(gross))
    return features.astype(np.float32), targets
