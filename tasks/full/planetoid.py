"""Cora in the split of Planetoid (Yang et al. 2016), read from its Python 2 pickles."""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.tasks.common.datasets import read
from harness.tasks.common.metrics import Array, Parts

# Planetoid defines no validation set. The convention is the 500 nodes after the labelled ones (Kipf and Welling 2017).
VAL_NODES = 500


@dataclass(frozen=True)
class Planetoid:
    """A graph in its published split.

    features: 0 or 1, shape (nodes, words).
    labels: class numbers, shape (nodes,).
    links: pairs of node numbers, shape (2, links); each link once in each direction, without repeats and self-loops.
    train, val, test: node numbers.
    """

    features: Array
    labels: Array
    links: Array
    train: Array
    val: Array
    test: Array

    @property
    def measured(self) -> tuple[Array, Parts]:
        """The node numbers that are scored, in the order train, val, test, and the size of each part."""
        return np.concatenate([self.train, self.val, self.test]), Parts(len(self.train), len(self.val), len(self.test))


@cache
def cora() -> Planetoid:
    """Return the graph of the 2,708 papers. Raises DataError."""
    *pickles, index = read("cora", *(f"ind.cora.{part}" for part in ("y", "tx", "ty", "allx", "ally", "graph", "test.index")))
    y, tx, ty, allx, ally, graph = map(restricted_load, pickles)
    test = np.array(index.split(), dtype=np.int64)
    # The rows of tx and ty are the test nodes in the (shuffled) order of the index file.
    features, onehot = np.concatenate([allx.dense(), tx.dense()]), np.concatenate([ally, ty])
    features[test], onehot[test] = tx.dense(), ty
    train = np.arange(len(y))
    val = np.arange(len(y), len(y) + VAL_NODES)
    return Planetoid(features, onehot.argmax(axis=1), both_ways(graph), train, val, test)


def both_ways(graph: Mapping[int, Iterable[int]]) -> Array:
    """Return the links of an adjacency list in both directions, sorted, without repeats and self-loops, shape (2, links)."""
    pairs = {(a, b) for node, others in graph.items() for other in others for a, b in ((node, other), (other, node)) if a != b}
    return np.array(sorted(pairs), dtype=np.int64).T


class SparseRows:
    """A replacement for scipy's csr_matrix in a pickle. It holds the same data, and unpickling it runs no code of scipy."""

    data: Array
    indices: Array
    indptr: Array
    _shape: tuple[int, int]

    def dense(self) -> Array:
        """Return the matrix as an array."""
        matrix = np.zeros(self._shape, dtype=self.data.dtype)
        rows = np.repeat(np.arange(self._shape[0]), np.diff(self.indptr))
        matrix[rows, self.indices] = self.data
        return matrix


_rebuild_array = np.empty(0).__reduce__()[0]
ALLOWED = {
    ("scipy.sparse.csr", "csr_matrix"): SparseRows,
    ("numpy.core.multiarray", "_reconstruct"): _rebuild_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
}


class _Restricted(pickle.Unpickler):
    """An unpickler that allows only the six names in the files of Planetoid, so that no pickle can call anything else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is not data") from None


def restricted_load(body: bytes) -> Any:
    """Unpickle arrays, sparse matrices and adjacency lists written by Python 2. Raises UnpicklingError for anything else."""
    return _Restricted(io.BytesIO(body), encoding="latin1").load()
