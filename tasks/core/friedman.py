"""Tabular regression: stochastic gradient boosting on Friedman's test function."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import GradientBoostingRegressor

from harness import Config, Epoch, Space, TaskCard, keyed_seed
from harness.tasks.common.metrics import REGRESSION, Array, Parts, epoch_of

DATA_SEED = 1991
FEATURES = 20
NOISE = 1.0
CONTAMINATED, GROSS_ERROR = 0.1, 15.0


class Friedman:
    """Predict a smooth function that depends on 5 of 20 features. One epoch adds `trees_per_epoch` trees."""

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
                    # In single precision, as in the other tasks, predictions that diverge overflow, so the harness sees that they do.
                    predicted += (model.learning_rate * tree.predict(features)).astype(np.float32)
            yield epoch_of(predicted, targets, self.parts, REGRESSION)


def boosting(config: Config, seed: int) -> GradientBoostingRegressor:
    """Return the untrained model. When it is fitted again with more trees, it keeps those that it has (`warm_start`)."""
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
    """Generate features, shape (rows, 20), and noisy values of the function, shape (rows,). The result is always the same.

    A tenth of the training targets get an additional large error, as in Tukey's contaminated normal distribution, so that the choice of
    the loss matters (Friedman 2001, section 6). Validation and test targets get none, so that no outliers dominate a score.
    """
    count = parts.train + parts.val + parts.test
    features, targets = make_friedman1(n_samples=count, n_features=FEATURES, noise=NOISE, random_state=DATA_SEED)
    rng = np.random.RandomState(DATA_SEED)
    gross = rng.choice(parts.train, size=round(CONTAMINATED * parts.train), replace=False)
    targets[gross] += rng.normal(0.0, GROSS_ERROR, len(gross))
    return features.astype(np.float32), targets
