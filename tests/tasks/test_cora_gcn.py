"""Cora with AgentHPO's environment: the data, the network, the early stop, and what others have reported."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
import torch

from harness.errors import HarnessError
from harness.space import Config, Value
from harness.tasks.common.registry import DataError
from harness.tasks.full.cora_gcn import CoraGcn, GraphNetwork, links, product, sparse_features, stop_early
from harness.tasks.full.planetoid import both_ways, cora, restricted_load
from harness.testing.contracts.task import TaskContract, default_curve, task_of
from harness.training.trainer import InProcess
from harness.trial import Epoch, Outcome

CPU = torch.device("cpu")
SMALLER = (("device", "cpu"),)

pytestmark = pytest.mark.usefixtures("mirror")


class TestCoraGcn(TaskContract):
    name = "cora_gcn"
    window = (73.0, 82.0)
    smaller = SMALLER
    random_configs = 3


def outcomes(seeds: int, **values: Value) -> list[Outcome]:
    task = task_of("cora_gcn", SMALLER)
    config: Config = {**task.space.default(), **values}
    assert task.space.problems(config) == ()
    return [InProcess(task).train(config, seed=seed) for seed in range(seeds)]


def test_the_graph_is_cora_in_its_published_split() -> None:
    # Yang et al. 2016 and the table of Kipf and Welling 2017: 2,708 nodes, 5,429 citations (of which 5,278 join different papers and
    # are not repeats), 1,433 words, 7 classes, 20 labelled nodes a class, 500 for validation, 1,000 for test.
    graph = cora()
    assert graph.features.shape == (2708, 1433)
    assert set(np.unique(graph.features)) == {0.0, 1.0}
    assert int(graph.features.sum()) == 49216
    assert np.bincount(graph.labels[graph.train]).tolist() == [20] * 7
    assert graph.links.shape == (2, 2 * 5278)
    assert set(map(tuple, graph.links.T)) == set(map(tuple, graph.links[::-1].T))
    assert not (graph.links[0] == graph.links[1]).any()
    assert len({*graph.train, *graph.val, *graph.test}) == 140 + 500 + 1000


def test_links_go_both_ways_without_repeats_and_loops() -> None:
    assert both_ways({0: [1, 1, 0], 1: [0], 2: [1]}).tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]


def test_kipf_and_wellings_recipe_reaches_about_what_they_report() -> None:
    # 81.5 % test accuracy (Kipf and Welling 2017, table 2), with normalised features and dropout of the input, which this environment
    # has not; it stops at the first 10 epochs without gain, too.
    assert 77.0 <= mean(outcome.test_score_pct or 0.0 for outcome in outcomes(5)) <= 82.5


def test_agenthpos_first_trial_reaches_what_its_log_says() -> None:
    # The log beside the released environment: 2 layers, Adam at 0.001, 100 epochs, 32 units, ReLU, decay 0.0005, dropout 0.5: 81.5 % test.
    scores = [o.test_score_pct for o in outcomes(3, learning_rate=1e-3, num_epochs=100, hidden_size=32)]
    assert 78.0 <= mean(score or 0.0 for score in scores) <= 83.0


def test_agenthpos_third_trial_learns_nothing_here_either() -> None:
    # Its log: the same with SGD at 0.0005, ELU, 150 epochs, decay 0.0001, dropout 0.4: 17.7 % test.
    values: Config = {"learning_rate": 5e-4, "num_epochs": 150, "hidden_size": 32, "activation": "elu", "weight_decay": 1e-4}
    (outcome,) = outcomes(1, optimizer="sgd", dropout=0.4, **values)
    assert (outcome.test_score_pct or 0.0) < 35.0


def test_training_ends_after_ten_epochs_in_a_row_without_a_better_validation() -> None:
    def scores(*values: float) -> Iterator[Epoch]:
        return (Epoch(val_score_pct=value) for value in values)

    assert [e.val_score_pct for e in stop_early(scores(1, 2, 2, 1, 3, 3, 3, 3, 9), patience=3)] == [1, 2, 2, 1, 3, 3, 3, 3]
    assert len(list(stop_early(scores(*range(1, 20)), patience=3))) == 19
    curve = default_curve("cora_gcn", 0, SMALLER)
    best = max(range(len(curve)), key=lambda i: curve[i].val_score_pct)
    assert len(curve) == best + 1 + 10


def test_num_epochs_is_a_limit() -> None:
    assert [len(outcome.curve) for outcome in outcomes(1, num_epochs=3)] == [3]


def test_losses_of_training_are_those_of_the_training_pass() -> None:
    # Before any step the network knows nothing, so the first loss is that of guessing among seven.
    first = default_curve("cora_gcn", 0, SMALLER)[0]
    assert first.train_loss == pytest.approx(np.log(7), abs=0.05)
    assert first.val_loss is not None
    assert first.train_loss is not None
    assert first.val_loss < first.train_loss


def test_a_layer_is_the_formula_of_the_paper() -> None:
    config: Config = {"num_layers": 1, "hidden_size": 8, "activation": "relu", "dropout": 0.0}
    graph = cora()
    model = GraphNetwork(config, graph, CPU)
    adjacency = np.eye(2708)
    adjacency[tuple(graph.links)] = 1.0
    root = adjacency.sum(axis=1, keepdims=True) ** -0.5
    weights, bias = (next(iter(group)).detach().numpy() for group in (model._weights, model._biases))
    expected = root * (adjacency @ (root * (graph.features @ weights))) + bias
    np.testing.assert_allclose(model().detach().numpy(), expected, atol=1e-5)


def test_the_product_with_a_constant_has_the_gradient_that_pytorch_would_give_it() -> None:
    features, by_word = sparse_features(CPU)
    weights = torch.randn(1433, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    product(features, by_word, weights).square().sum().backward()  # type: ignore[no-untyped-call]
    found = weights.grad
    weights.grad = None
    (features.to_dense() @ weights).square().sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, weights.grad, rtol=1e-4, atol=1e-3)
    matrix = links(CPU).to_dense()
    torch.testing.assert_close(matrix, matrix.T)


def test_every_optimizer_and_activation_is_the_one_that_is_named() -> None:
    curves = {
        (optimizer, activation): outcomes(1, optimizer=optimizer, activation=activation, num_epochs=2)[0].curve
        for optimizer in ("adam", "sgd")
        for activation in ("relu", "elu", "silu")
    }
    assert len({tuple(e.val_loss for e in curve) for curve in curves.values()}) == 6


@pytest.mark.parametrize("program", [b"cos\nsystem\n(S'true'\ntR.", b"c__builtin__\neval\n(S'1'\ntR.", b"cnumpy\nload\n(S'x'\ntR."])
def test_a_pickle_can_call_nothing_but_what_makes_arrays(program: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is not data"):
        restricted_load(program)


def test_nothing_is_unpickled_before_its_hash_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "cora"
    folder.mkdir()
    for file in (mirror / "cora").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "ind.cora.graph").write_bytes(b"cos\nsystem\n(S'touch " + bytes(folder / "pwned") + b"'\ntR.")
    monkeypatch.setenv("HARNESS_DATA_MIRROR", str(folder.parent))
    with pytest.raises(DataError, match=r"ind\.cora\.graph is not the published file"):
        cora.__wrapped__()
    assert not (folder / "pwned").exists()


def test_a_gpu_that_is_not_there_is_refused_in_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    task = task_of("cora_gcn", SMALLER)
    with pytest.raises(HarnessError, match="device=cuda: PyTorch sees no GPU here"):
        CoraGcn(task.space, task.card, device="cuda")
    with pytest.raises(HarnessError, match="did you mean 'cuda'"):
        CoraGcn(task.space, task.card, device="cude")


def test_the_ranges_are_those_that_agenthpo_released() -> None:
    assert {hp.name: hp.range_text for hp in task_of("cora_gcn", SMALLER).space} == {
        "num_layers": "integer from 1 to 5, linear scale",
        "learning_rate": "float from 1e-06 to 0.1, log scale",
        "optimizer": 'one of "adam", "sgd"',
        "num_epochs": "integer from 1 to 200, linear scale",
        "hidden_size": "one of, in this order, 8, 16, 32, 64",
        "activation": 'one of "relu", "elu", "silu"',
        "weight_decay": "float from 1e-06 to 0.1, log scale",
        "dropout": "float from 0 to 0.5, linear scale",
    }
