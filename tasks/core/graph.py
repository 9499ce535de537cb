"""Graph: a graph convolutional network on the nearest-neighbour graph of digit images, of which few have a label."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common.data import digits
from harness.tasks.common.graphs import csr, renormalised
from harness.tasks.common.metrics import MULTICLASS, Array
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit

PIXELS = 64
CLASS_COUNT = 10
SLOPE = 0.1


class Graph:
    """Classify the nodes of a graph of images; training uses the labels of `train_size` nodes."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 50, train_size: int = 50, val_size: int = 747) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._sizes = (train_size, val_size)
        pixels, labels, parts = digits(*self._sizes)
        self._features = torch.tensor(pixels, dtype=torch.float32)
        self._nodes = Rows((torch.arange(len(labels)),), torch.tensor(labels), parts)
        self.parts = self._nodes.parts

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        links = neighbour_graph(int(config["num_neighbors"]), *self._sizes)
        plan = Plan(self._epochs, batch_size=self._nodes.parts.train)
        objective = Objective(functional.cross_entropy, MULTICLASS)
        return fit(lambda: GraphNetwork(config, self._features, links), self._nodes, objective, plan, config, seed)


class GraphNetwork(nn.Module):
    """Layers of `links @ (x @ weights)` (Kipf and Welling 2017) on fixed `features`, shape (nodes, 64)."""

    def __init__(self, config: Config, features: Tensor, links: Tensor) -> None:
        super().__init__()
        self._features, self._links = features, links
        self._dropout = float(config["dropout"])
        inner = [int(config["hidden_size"])] * (int(config["num_layers"]) - 1)
        widths = [PIXELS, *inner, CLASS_COUNT]
        self._layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, nodes: Tensor) -> Tensor:
        """Map node numbers, shape (n,), to logits, shape (n, 10). Every call computes the whole graph."""
        hidden = self._features
        for depth, layer in enumerate(self._layers):
            hidden = functional.leaky_relu(hidden, SLOPE) if depth else hidden
            hidden = self._links @ layer(functional.dropout(hidden, self._dropout, self.training))
        return hidden[nodes]


@cache
def neighbour_graph(neighbors: int, train_size: int, val_size: int) -> Tensor:
    """Return D^-1/2 (A + I) D^-1/2, sparse, shape (nodes, nodes), where D is the diagonal matrix of the row sums of A + I.

    A links two images when one of them is among the `neighbors` nearest images of the other.
    """
    nearest = _by_distance(train_size, val_size)[:, :neighbors]
    linked = np.zeros((len(nearest), len(nearest)), dtype=bool)
    np.put_along_axis(linked, nearest, values=True, axis=1)
    return csr(renormalised(linked | linked.T))


@cache
def _by_distance(train_size: int, val_size: int) -> Array:
    """Return for each image all others, the nearest first, shape (nodes, nodes - 1). The distance is Euclidean; ties go by number."""
    pixels, _, _ = digits(train_size, val_size)
    squares = (pixels**2).sum(axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * pixels @ pixels.T
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance.round(6), axis=1, kind="stable")[:, :-1]
