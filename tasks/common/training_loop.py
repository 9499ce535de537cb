"""The training loop that the neural tasks share: keyed randomness, the update rule, minibatches, one measured epoch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from harness import Config, Epoch, keyed_seed
from harness.tasks.common.metrics import Measure, Parts, epoch_of

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
MEASURED_ROWS = 2048

# PyTorch imports its compiler, which takes a second, when the first optimizer is made: here, so that no trial's seconds hold it.
torch.optim.SGD([torch.zeros(1)], lr=1.0)


@dataclass(frozen=True)
class Rows:
    """A data set: `inputs` hold one row each along their first axis, `targets` has shape (rows,); `parts` says which are which."""

    inputs: tuple[Tensor, ...]
    targets: Tensor
    parts: Parts


@dataclass(frozen=True)
class Goal:
    """What training minimises (`loss`, differentiable), and what the curve shows (`measure`)."""

    loss: Loss
    measure: Measure


def constant(_done: float) -> float:
    """Keep the learning rate as it is."""
    return 1.0


@dataclass(frozen=True)
class Plan:
    """How long and in what steps: `pace` maps the share of training done, in [0, 1), to a factor on the learning rate."""

    epochs: int
    batch_size: int
    pace: Callable[[float], float] = constant


@contextmanager
def keyed_torch(seed: int, purpose: str, number: int = 0) -> Iterator[None]:
    """Let PyTorch's global generator be a function of the three keys inside the block, and put it back after.

    Layers draw their initial weights and dropout draws its masks from the one global generator. No block may hold a `yield`:
    then two trainings may be advanced in turns, and neither sees the other's draws, nor does the rest of the process.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(keyed_seed(seed, purpose, number))
        yield


@contextmanager
def tiny_as_zero() -> Iterator[None]:
    """Treat numbers too small for full precision (below 1e-38) as 0 inside the block.

    A training whose weights decay to nothing is full of them, and processors take up to a hundred times longer over each.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def one_thread() -> None:
    """Use one thread in this process: with more, the order of additions, and so the last bit, depends on the machine."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def make_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Return the update rule named by `optimizer`, with `learning_rate`, `weight_decay` and, where present, its own parameters.

    Weight decay is the L2 term for sgd, adagrad and adam, and decoupled for adamw (Loshchilov and Hutter 2019).
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


def fit(build: Callable[[], nn.Module], rows: Rows, goal: Goal, plan: Plan, config: Config, seed: int) -> Iterator[Epoch]:
    """Train the model that `build` makes and yield each epoch, measured without dropout after its last step.

    `build` is called once, with PyTorch's generator keyed to `seed`. Every row is predicted after every epoch; rows of validation
    and test decide nothing here.
    """
    one_thread()
    with keyed_torch(seed, "initial weights"):
        model = build()
    optimizer = make_optimizer(model, config)
    targets = rows.targets.numpy()
    for number in range(plan.epochs):
        with keyed_torch(seed, "epoch", number + 1), tiny_as_zero():
            _run_epoch(model, optimizer, rows, goal, plan, number)
            predictions = predict(model, rows.inputs).numpy()
        yield epoch_of(predictions, targets, rows.parts, goal.measure)


def _run_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, rows: Rows, goal: Goal, plan: Plan, number: int) -> None:
    model.train()
    rate = optimizer.defaults["lr"]
    batches = torch.split(torch.randperm(rows.parts.train), plan.batch_size)
    for step, batch in enumerate(batches):
        factor = plan.pace((number + step / len(batches)) / plan.epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        loss = goal.loss(model(*(values[batch] for values in rows.inputs)), rows.targets[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def predict(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the model's outputs for all rows, without dropout, in stretches that fit a processor's cache."""
    model.eval()
    stretches = zip(*(torch.split(values, MEASURED_ROWS) for values in inputs), strict=True)
    return torch.cat([model(*stretch) for stretch in stretches])
