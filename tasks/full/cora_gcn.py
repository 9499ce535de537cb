"""Graph: a graph convolutional network on Cora, exactly as in the environment that AgentHPO released (arXiv 2402.01881).

- The features are 0 and 1; the rows are not normalised.
- There is no dropout on the input.
- The L2 penalty applies to all layers.
- Training loss and score are those of the training pass itself.
- Validation follows after each step.
- Training ends after 10 epochs in a row without a new best validation accuracy.

The recipe of Kipf and Welling (2017) differs in the first three points.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.device import keyed_on, pick_device
from harness.tasks.common.graphs import csr, renormalised
from harness.tasks.common.metrics import MULTICLASS, accuracy_pct, epoch_of
from harness.tasks.common.training_loop import make_optimizer, one_thread
from harness.tasks.full.planetoid import Planetoid, cora

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": functional.relu, "elu": functional.elu, "silu": functional.silu}


class CoraGcn(datasets.OnPublicData):
    """Classify the nodes of Cora. Training stops after `patience` epochs in a row without a new best validation accuracy."""

    def __init__(self, space: Space, card: TaskCard, *, patience: int = 10, device: str = "auto") -> None:
        self.space = space
        self.card = card
        self._patience = patience
        self._device = pick_device(device)
        self._graph = cora()
        self.parts = self._graph.measured[1]

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets."""
        return ("cora",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        return stop_early(train_gcn(self._graph, config, self._device, seed), self._patience)


def stop_early(epochs: Iterator[Epoch], patience: int) -> Iterator[Epoch]:
    """Yield epochs, and stop after `patience` epochs in a row without a new best validation score."""
    best, left = 0.0, patience
    for epoch in epochs:
        yield epoch
        best, left = (epoch.val_score_pct, patience) if epoch.val_score_pct > best else (best, left - 1)
        if left == 0:
            return


def train_gcn(graph: Planetoid, config: Config, device: torch.device, seed: int) -> Iterator[Epoch]:
    """Train with one gradient step per epoch, on all labelled nodes at once, and yield each epoch."""
    one_thread()
    nodes, parts = graph.measured
    labels, train = torch.tensor(graph.labels, device=device), torch.tensor(graph.train, device=device)
    with keyed_on(device, seed, "initial weights"):
        model = GraphNetwork(config, graph, device).to(device)
    optimizer = make_optimizer(model, config)
    for number in range(int(config["num_epochs"])):
        with keyed_on(device, seed, "epoch", number + 1):
            model.train()
            seen = model()[train]
            loss = functional.cross_entropy(seen, labels[train])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model().cpu().numpy()
        row = epoch_of(logits[nodes], graph.labels[nodes], parts, MULTICLASS)
        right = accuracy_pct(seen.detach().cpu().numpy(), graph.labels[graph.train])
        yield replace(row, train_loss=loss.item(), train_score_pct=right)


class Fixed(torch.autograd.Function):
    """The product of a constant sparse matrix and a dense one. It avoids that PyTorch transposes the constant in every backward pass."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
        """Return matrix @ dense."""
        ctx.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        """Return the gradient with respect to `dense`."""
        return None, None, ctx.transposed @ gradient


def product(matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
    """Return matrix @ dense, differentiable with respect to `dense`."""
    made: Tensor = Fixed.apply(matrix, transposed, dense)  # type: ignore[no-untyped-call]
    return made


class GraphNetwork(nn.Module):
    """Layers of `links @ (x @ weights) + bias` (Kipf and Welling 2017), with activation and dropout after all but the last layer."""

    def __init__(self, config: Config, graph: Planetoid, device: torch.device) -> None:
        super().__init__()
        self._links = links(device)
        self._features, self._by_word = sparse_features(device)
        self._dropout = float(config["dropout"])
        self._activation = ACTIVATIONS[str(config["activation"])]
        inner = [int(config["hidden_size"])] * (int(config["num_layers"]) - 1)
        widths = [graph.features.shape[1], *inner, int(graph.labels.max()) + 1]
        shapes = list(itertools.pairwise(widths))
        self._weights = nn.ParameterList(nn.init.xavier_uniform_(torch.empty(shape)) for shape in shapes)
        self._biases = nn.ParameterList(torch.zeros(width) for _, width in shapes)

    def forward(self) -> Tensor:
        """Return the logits of all nodes, shape (nodes, classes)."""
        mixed = product(self._features, self._by_word, self._weights[0])
        for depth, bias in enumerate(self._biases):
            if depth:
                hidden = functional.dropout(self._activation(mixed), self._dropout, self.training)
                mixed = hidden @ self._weights[depth]
            mixed = product(self._links, self._links, mixed) + bias
        return mixed


@cache
def links(device: torch.device) -> Tensor:
    """Return the renormalised adjacency matrix of Cora: sparse, symmetric, shape (nodes, nodes)."""
    graph = cora()
    linked = np.zeros((len(graph.labels), len(graph.labels)), dtype=bool)
    linked[tuple(graph.links)] = True
    return csr(renormalised(linked), device)


@cache
def sparse_features(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the features as a sparse matrix, shape (nodes, words), and its transpose; 99 % of the entries are 0."""
    features = cora().features
    return csr(features, device), csr(features.T, device)
