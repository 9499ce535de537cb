"""What of a task's settings depends on the command line or on the machine. Standard library only; `settings.py` applies it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import SettingsError

MIRROR = "HARNESS_DATA_MIRROR"


def shown_card(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's settings with the card that the prompt shows: `task.card=renamed` means the task's `renamed_card`.

    That one tells as much of the problem without the data set's name and fields, for a model may have read about those. `renamed`
    says whether it is shown; nothing but the prompt depends on it. Raises SettingsError.
    """
    settings = dict(task)
    renamed, card = settings.pop("renamed_card", None), settings["card"]
    settings["renamed"] = card == "renamed"
    if isinstance(card, str):
        if card != "renamed":
            raise SettingsError(f"task.card={card}: give task.card=renamed, or leave it out for the plain card")
        if not renamed:
            raise SettingsError(f"task.card=renamed: task '{task['name']}' has no renamed_card in its YAML")
        settings["card"] = renamed
    return settings


def mirrored(*data_sets: str) -> str:
    """Return the first of these data sets that the folder $HARNESS_DATA_MIRROR holds; without it, or any of them, the first of all.

    In a task's YAML as `${mirrored:cifar10,cifar10_subset}`: which of the two a cell is trained on is then part of its identity.
    """
    mirror = os.environ.get(MIRROR)
    held = [name for name in data_sets if mirror and (Path(mirror).expanduser() / name).is_dir()]
    return (held or list(data_sets))[0]
