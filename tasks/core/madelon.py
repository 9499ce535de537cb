"""Tabular classification: a fully connected network, with most of its usual hyperparameters, on a problem like Madelon."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common.metrics import BINARY, Parts
from harness.tasks.common.training_loop import Objective, Plan, Rows, constant, fit

DATA_SEED = 2003
INFORMATIVE, REDUNDANT, PROBES = 5, 10, 25
NOISE, FLIPPED = 0.3, 0.01
FEATURES = INFORMATIVE + REDUNDANT + PROBES
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "leaky_relu": partial(nn.LeakyReLU, 0.1), "elu": nn.ELU}
NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class Madelon:
    """Separate two classes. Each corner of a five-dimensional cube belongs to one of them at random; other features are noise."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 15, train_size: int = 1000, val_size: int = 3000) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._rows = table(Parts(train_size, val_size, test=5000))
        self.parts = self._rows.parts

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]), schedule_of(config))
        objective = Objective(partial(smoothed_loss, smoothing=float(config["label_smoothing"])), BINARY)
        return fit(lambda: network(config), self._rows, objective, plan, config, seed)


def network(config: Config) -> nn.Module:
    """Return the network; it maps features of shape (n, 40) to logits of shape (n,)."""
    hidden, depth = int(config["hidden_size"]), int(config["num_layers"])
    first = layer(FEATURES, hidden, config)
    others = [layer(hidden, hidden, config) for _ in range(depth - 1)]
    if config["skip_connections"]:
        others = [Skipped(other) for other in others]
    return nn.Sequential(first, *others, nn.Linear(hidden, 1), nn.Flatten(start_dim=0))


def layer(width: int, hidden: int, config: Config) -> nn.Module:
    """Return one hidden layer; it maps shape (n, width) to (n, hidden)."""
    normalization = NORMALIZATIONS[str(config["normalization"])](hidden)
    activation = ACTIVATIONS[str(config["activation"])]()
    linear = nn.Linear(width, hidden)
    with torch.no_grad():
        linear.weight *= float(config["init_gain"])
    return nn.Sequential(linear, normalization, activation, nn.Dropout(float(config["dropout"])))


class Skipped(nn.Module):
    """A layer with a skip connection: the output is added to the input (He et al. 2016)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self._inner = inner

    def forward(self, values: Tensor) -> Tensor:
        added: Tensor = self._inner(values)
        return values + added


def schedule_of(config: Config) -> Callable[[float], float]:
    """Return the schedule of the learning rate: constant, half a cosine to a factor of 0, or exponential to the factor `final_rate`."""
    match config["schedule"]:
        case "cosine":
            return lambda done: 0.5 * (1.0 + math.cos(math.pi * done))
        case "exponential":
            final = float(config["final_rate"])
            return lambda done: final**done
        case _:
            return constant


def smoothed_loss(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return the logistic loss for targets that label smoothing moves from 0 and 1 towards one half (Szegedy et al. 2016)."""
    return functional.binary_cross_entropy_with_logits(logits, targets * (1.0 - smoothing) + 0.5 * smoothing)


@cache
def table(parts: Parts) -> Rows:
    """Generate the data as Guyon (2003) describes Madelon, but with fewer features and more rows. The result is always the same.

    A random half of the 32 corners of the cube [-1, 1]^5 belongs to each class. A row has 5 numbers that are a corner plus Gaussian noise,
    10 random linear combinations of these, and 25 features of pure noise. 1 % of the labels are flipped. Each feature is scaled to mean 0
    and variance 1 on the training rows.
    """
    count = parts.train + parts.val + parts.test
    # The stream of RandomState never changes (NEP 19), unlike the streams of NumPy's newer generators.
    rng = np.random.RandomState(DATA_SEED)
    class_of = rng.permutation(2**INFORMATIVE) % 2
    corner = rng.randint(2**INFORMATIVE, size=count)
    informative = 2.0 * ((corner[:, None] >> np.arange(INFORMATIVE)) & 1) - 1.0 + rng.normal(0, NOISE, (count, INFORMATIVE))
    mixtures = informative @ rng.normal(0, 1, (INFORMATIVE, REDUNDANT))
    features = np.hstack([informative, mixtures, rng.normal(0, 1, (count, PROBES))])
    labels = class_of[corner] ^ (rng.random_sample(count) < FLIPPED)
    known = features[: parts.train]
    scaled = (features - known.mean(axis=0)) / known.std(axis=0)
    return Rows((torch.tensor(scaled, dtype=torch.float32),), torch.tensor(labels, dtype=torch.float32), parts)
