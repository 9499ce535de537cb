"""What of a task's settings depends on the command line or on the machine. Standard library only; `settings.py` applies it."""

from __future__ import annotations

import os
from pathlib import Path

MIRROR = "HARNESS_DATA_MIRROR"


def mirrored(*data_sets: str) -> str:
    """Return the first of these data sets that the folder $HARNESS_DATA_MIRROR holds; without it, or any of them, the first of all.

    In a task's YAML as `${mirrored:cifar10,cifar10_subset}`: which of the two a cell is trained on is then part of its identity.
    """
    mirror = os.environ.get(MIRROR)
    held = [name for name in data_sets if mirror and (Path(mirror).expanduser() / name).is_dir()]
    return (held or list(data_sets))[0]
