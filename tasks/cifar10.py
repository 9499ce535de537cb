"""CIFAR-10's official binary files as images and labels."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from harness.errors import SettingsError
from tasks import datasets
from tasks.fitting import Rows
from tasks.measures import Parts

SIDE, CHANNELS, CLASS_COUNT = 32, 3, 10
IMAGE_BYTES = CHANNELS * SIDE * SIDE
BATCHES, BATCH_IMAGES = 5, 10_000


@cache
def images(name: str, parts: Parts) -> Rows:
    """Return images, bytes of shape (rows, 3, 32, 32), and their labels: training images in the file's order, then test images.

    Validation images follow on those for training. `name` is `cifar10` or `cifar10_subset`. Raises DataError, and SettingsError
    where there are not so many images.
    """
    known = parts.train + parts.val
    wanted = -(-known // BATCH_IMAGES)
    held = [file for file in datasets.dataset(name).members if file.startswith("data_batch")]
    if wanted > len(held):
        raise SettingsError(f"{name} has {len(held) * BATCH_IMAGES} training images: train_size + val_size cannot be {known}")
    *training, test = datasets.read(name, *held[:wanted], "test_batch.bin")
    seen, held_out = _records(b"".join(training)), _records(test)
    if parts.test > len(held_out):
        raise SettingsError(f"{name} has {len(held_out)} test images: test_size cannot be {parts.test}")
    both = np.concatenate([seen[:known], held_out[: parts.test]])
    pixels = torch.tensor(both[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE))
    return Rows((pixels,), torch.tensor(both[:, 0].astype(np.int64)), parts)


def _records(body: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Cut a file into its records, shape (images, 3073): the label, then the red, green and blue bytes, row by row."""
    return np.frombuffer(body, dtype=np.uint8).reshape(-1, 1 + IMAGE_BYTES)
