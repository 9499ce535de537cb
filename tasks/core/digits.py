"""Vision: a small convolutional network on a small training set of scikit-learn's handwritten digits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
from torch import nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common.data import digits
from harness.tasks.common.metrics import MULTICLASS
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit

SIDE = 8
CLASS_COUNT = 10
SLOPE = 0.1


class Digits:
    """Classify 8 x 8 grey images of digits: `train_size` images for training, `val_size` for validation, and the rest for test."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 10, train_size: int = 300, val_size: int = 700) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._rows = images(train_size, val_size)
        self.parts = self._rows.parts

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]))
        return fit(lambda: network(config), self._rows, Objective(functional.cross_entropy, MULTICLASS), plan, config, seed)


def network(config: Config) -> nn.Module:
    """Return a network that maps images of shape (n, 1, 8, 8) to logits of shape (n, 10).

    It has two 3 x 3 convolutions, each followed by pooling that halves the image, and one hidden layer.
    """
    filters, hidden, dropout = int(config["num_filters"]), int(config["hidden_size"]), float(config["dropout"])
    return nn.Sequential(
        nn.Conv2d(1, filters, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.MaxPool2d(2),
        nn.Conv2d(filters, 2 * filters, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * filters * (SIDE // 4) ** 2, hidden),
        nn.LeakyReLU(SLOPE),
        nn.Dropout(dropout),
        nn.Linear(hidden, CLASS_COUNT),
    )


@cache
def images(train_size: int, val_size: int) -> Rows:
    """Return the images, shape (1797, 1, 8, 8), with their labels, shape (1797,)."""
    pixels, labels, parts = digits(train_size, val_size)
    return Rows((torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, SIDE, SIDE),), torch.tensor(labels), parts)
