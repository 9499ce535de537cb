"""Read images and labels from CIFAR-10's official binary files."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
import torch

from harness import SettingsError
from harness.tasks.common import datasets, registry
from harness.tasks.common.metrics import Parts
from harness.tasks.common.training_loop import Rows

SIDE, CHANNELS, CLASS_COUNT = 32, 3, 10
IMAGE_BYTES = CHANNELS * SIDE * SIDE
BATCH_IMAGES = 10_000
Records: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


@cache
def images(name: str, parts: Parts) -> Rows:
    """Return images as bytes, shape (rows, 3, 32, 32), with their labels, shape (rows,).

    The rows for training and then for validation come from the training files, in the files' order; the rows for test from the test file.
    `name` is `cifar10` or `cifar10_subset`. Raises DataError, and SettingsError when there are fewer images than requested.
    """
    known = parts.train + parts.val
    wanted = -(-known // BATCH_IMAGES)
    held = [file for file in registry.dataset(name).members if file.startswith("data_batch")]
    if wanted > len(held):
        raise SettingsError(f"{name} has {len(held) * BATCH_IMAGES} training images: train_size + val_size cannot be {known}")
    seen, held_out = _records(name, (*held[:wanted], "test_batch.bin"))
    if parts.test > len(held_out):
        raise SettingsError(f"{name} has {len(held_out)} test images: test_size cannot be {parts.test}")
    both = np.concatenate([seen[:known], held_out[: parts.test]])
    pixels = torch.tensor(both[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE))
    return Rows((pixels,), torch.tensor(both[:, 0].astype(np.int64)), parts)


@cache
def _records(name: str, files: tuple[str, ...]) -> tuple[Records, Records]:
    """Return the records of all files but the last, and those of the last file, each of shape (images, 3073).

    A record is the label, followed by the red, green and blue bytes.
    """
    *training, test = datasets.read(name, *files)
    seen, held_out = (np.frombuffer(body, dtype=np.uint8).reshape(-1, 1 + IMAGE_BYTES) for body in (b"".join(training), test))
    return seen, held_out
