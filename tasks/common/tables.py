"""Read tables of numbers from CSV files."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import numpy as np

from harness.tasks.common.metrics import Array


def columns(body: bytes) -> dict[str, list[str]]:
    """Return the columns of a CSV file as text, by the names in its first line."""
    header, *rows = csv.reader(body.decode("utf-8").splitlines())
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def numbers(texts: Sequence[str]) -> Array:
    """Return a column as numbers, shape (rows,); an empty entry becomes NaN."""
    return np.array([float(text) if text else np.nan for text in texts])
