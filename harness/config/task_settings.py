"""What of a task's settings depends on the command line or on the machine. Standard library only; `settings.py` applies it."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from harness.config.overrides import conf_dir

MIRROR = "HARNESS_DATA_MIRROR"


def mirrored(*data_sets: str) -> str:
    """Return the first of these data sets that the folder $HARNESS_DATA_MIRROR holds; without it, or any of them, the first of all.

    In a task's YAML as `${mirrored:cifar10,cifar10_subset}`: which of the two a cell is trained on is then part of its identity.
    """
    mirror = os.environ.get(MIRROR)
    held = [name for name in data_sets if mirror and (Path(mirror).expanduser() / name).is_dir()]
    return (held or list(data_sets))[0]


def referenced(name: str) -> dict[str, Any]:
    """Return the reference scores of a task from conf/task/base/references.json; nothing where that has none of it.

    In a task's YAML as `${reference:${.name}}`. `scripts/foreign_references.py` makes the file.
    """
    return dict(_references(conf_dir()).get(name, {}))


@functools.cache
def _references(conf: Path) -> dict[str, dict[str, Any]]:
    path = conf / "task" / "base" / "references.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["tasks"] if path.is_file() else {}
    return found
