"""Graphs as sparse matrices."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from harness.tasks.common.metrics import Array


def renormalised(linked: Array) -> Array:
    """Return D^-1/2 (A + I) D^-1/2 (Kipf and Welling 2017), where D is the diagonal matrix of the row sums of A + I.

    `linked` is A: booleans, symmetric, shape (nodes, nodes). Its diagonal is ignored.
    """
    loops = linked | np.eye(len(linked), dtype=bool)
    scale = 1.0 / np.sqrt(loops.sum(axis=1))
    normalised: Array = loops * np.outer(scale, scale)
    return normalised


def csr(matrix: Array, device: torch.device | None = None) -> Tensor:
    """Return a matrix in single precision and CSR format (compressed sparse rows), without PyTorch's warning about sparse tensors."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse")
        return torch.tensor(matrix, dtype=torch.float32).to_sparse_csr().to(device)
