"""The training loop of all neural tasks: keyed randomness, the update rule, minibatches, and the scores after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from harness import Config, Epoch, keyed_seed
from harness.tasks.common.metrics import Metric, Parts, epoch_of

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
PREDICTION_BATCH = 2048

# PyTorch imports its compiler, which takes a second, with the first optimizer. This line imports it before the time of a trial counts.
torch.optim.SGD([torch.zeros(1)], lr=1.0)


@dataclass(frozen=True)
class Rows:
    """A data set. The first axis of each of `inputs` is the rows; `targets` has shape (rows,). `parts` splits the rows in order."""

    inputs: tuple[Tensor, ...]
    targets: Tensor
    parts: Parts


@dataclass(frozen=True)
class Objective:
    """The differentiable `loss` that training minimises, and the `metric` that the training curve shows."""

    loss: Loss
    metric: Metric


def constant(_done: float) -> float:
    """Return the factor 1: the learning rate stays constant."""
    return 1.0


@dataclass(frozen=True)
class Plan:
    """The length and the steps of a training. `schedule` maps the share of training done, in [0, 1), to a factor on the learning rate."""

    epochs: int
    batch_size: int
    schedule: Callable[[float], float] = constant


@contextmanager
def keyed_torch(seed: int, purpose: str, number: int = 0) -> Iterator[None]:
    """Seed PyTorch's global generator from the three keys inside the block, and restore its state afterwards.

    Layers draw their initial weights, and dropout draws its masks, from this one global generator. A block must not contain a `yield`.
    Then two trainings can run alternately in one process, and neither changes the draws of the other or of the rest of the process.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(keyed_seed(seed, purpose, number))
        yield


@contextmanager
def tiny_as_zero() -> Iterator[None]:
    """Treat denormal numbers (below about 1e-38 in single precision) as 0 inside the block.

    A training whose weights decay to zero produces many of them, and a processor needs up to a hundred times longer for each.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def one_thread() -> None:
    """Use one thread in this process. With more threads, the order of additions, and so the last bit, depends on the machine."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Return the update rule that `config["optimizer"]` names: sgd, adagrad, adam or adamw. Raises ValueError for another name.

    It uses `learning_rate` and, where `config` has them, `weight_decay`, `momentum`, `nesterov`, `beta1` and `beta2`. Weight decay is an
    L2 penalty for sgd, adagrad and adam, and decoupled for adamw (Loshchilov and Hutter 2019).
    """
    weights, rate, decay = model.parameters(), float(config["learning_rate"]), float(config.get("weight_decay", 0.0))
    match config["optimizer"]:
        case "sgd":
            momentum, nesterov = float(config.get("momentum", 0.0)), bool(config.get("nesterov", False))
            nesterov = nesterov and momentum > 0
            return torch.optim.SGD(weights, lr=rate, weight_decay=decay, momentum=momentum, nesterov=nesterov, fused=True)
        case "adagrad":
            return torch.optim.Adagrad(weights, lr=rate, weight_decay=decay, fused=True)
        case "adam" | "adamw" as name:
            rule = torch.optim.Adam if name == "adam" else torch.optim.AdamW
            betas = (float(config.get("beta1", 0.9)), float(config.get("beta2", 0.999)))
            return rule(weights, lr=rate, weight_decay=decay, betas=betas, fused=True)
        case other:
            raise ValueError(f"unknown optimizer {other!r}")


def fit(build: Callable[[], nn.Module], rows: Rows, objective: Objective, plan: Plan, config: Config, seed: int) -> Iterator[Epoch]:
    """Train the model that `build` returns, and yield each epoch with its losses and scores, measured without dropout after the epoch.

    `build` is called once, while PyTorch's generator is seeded from `seed`. All rows are predicted after every epoch; the rows for
    validation and test do not influence the training.
    """
    one_thread()
    with keyed_torch(seed, "initial weights"):
        model = build()
    optimizer = make_optimizer(model, config)
    targets = rows.targets.numpy()
    for number in range(plan.epochs):
        with keyed_torch(seed, "epoch", number + 1), tiny_as_zero():
            _run_epoch(model, optimizer, rows, objective, plan, number)
            predictions = predict(model, rows.inputs).numpy()
        yield epoch_of(predictions, targets, rows.parts, objective.metric)


def _run_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, rows: Rows, objective: Objective, plan: Plan, number: int
) -> None:
    model.train()
    rate = optimizer.defaults["lr"]
    batches = torch.split(torch.randperm(rows.parts.train), plan.batch_size)
    for step, batch in enumerate(batches):
        factor = plan.schedule((number + step / len(batches)) / plan.epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        loss = objective.loss(model(*(values[batch] for values in rows.inputs)), rows.targets[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def predict(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the model's outputs for all rows, without dropout, computed in batches that fit the cache of a processor."""
    model.eval()
    batches = zip(*(torch.split(values, PREDICTION_BATCH) for values in inputs), strict=True)
    return torch.cat([model(*batch) for batch in batches])
