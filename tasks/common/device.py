"""The device on which a network is trained: the parameter `device=auto|cpu|cuda` of the tasks that can use a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from harness import SettingsError, keyed_seed, near
from harness.tasks.common.training_loop import keyed_torch

KINDS = ("auto", "cpu", "cuda")


def pick_device(asked: str) -> torch.device:
    """Return the device called `asked`; `auto` is a GPU if PyTorch finds one, else the CPU. Raises SettingsError for a missing device.

    Several cells may share a GPU: each process allocates only the memory that it needs.
    """
    if asked not in KINDS:
        raise SettingsError(f"device={asked}: there is no such device{near(asked, KINDS)}")
    if asked == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device=cuda: PyTorch sees no GPU here ('python -m harness.doctor' says why); device=auto goes without")
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Compute in bfloat16 inside the block if the GPU supports it. Unlike float16, bfloat16 needs no scaling of the loss."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


@contextmanager
def keyed_on(device: torch.device, seed: int, purpose: str, number: int = 0) -> Iterator[None]:
    """Do what `keyed_torch` does, and the same for the GPU's generator, which draws the dropout masks on the GPU."""
    if device.type == "cpu":
        with keyed_torch(seed, purpose, number):
            yield
        return
    with keyed_torch(seed, purpose, number), torch.random.fork_rng(devices=[torch.cuda.current_device()]):
        torch.cuda.manual_seed(keyed_seed(seed, purpose, number))
        yield
