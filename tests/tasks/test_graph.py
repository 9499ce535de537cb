"""The graph task and its graph."""

from __future__ import annotations

import numpy as np
import torch

from harness.tasks.common.data import digits
from harness.tasks.core.graph import GraphNetwork, neighbour_graph
from harness.testing.contracts.task import TaskContract

SIZES = (50, 747)


class TestGraph(TaskContract):
    name = "graph"
    window = (88.0, 96.0)
    diverges = {"optimizer": "sgd", "learning_rate": 10.0, "momentum": 0.9, "num_layers": 4}  # noqa: RUF012


def test_links_are_the_normalised_graph_of_nearest_neighbours() -> None:
    pixels, _, _ = digits(*SIZES)
    links = neighbour_graph(5, *SIZES).to_dense().numpy()
    distance = np.linalg.norm(pixels[:40, None, :] - pixels[None, :, :], axis=2)
    for node, row in enumerate(distance):
        nearest = np.argsort(row)[1:6]
        assert (links[node, nearest] > 0).all()
    adjacency = links > 0
    degree = adjacency.sum(axis=1)
    np.testing.assert_allclose(links, adjacency / np.sqrt(np.outer(degree, degree)), rtol=1e-6)
    np.testing.assert_array_equal(links, links.T)
    assert (degree >= 6).all()


def test_the_network_is_the_product_of_links_features_and_weights() -> None:
    features, links = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)), torch.eye(4)
    model = GraphNetwork({"hidden_size": 3, "num_layers": 1, "dropout": 0.5}, features, links).eval()
    weight, bias = model.parameters()
    torch.testing.assert_close(model(torch.tensor([2, 0])), (features @ weight.T + bias)[[2, 0]])
