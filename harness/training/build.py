"""From plain settings to the objects of a cell: import what `_target_` names, and call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import HarnessError, SettingsError
from harness.importing import load_target
from harness.space import Space
from harness.task import Task, TaskCard


def build_task(spec: Mapping[str, Any]) -> Task:
    """Build a task from its settings (keys `_target_`, `space`, `card`, `params`). Raises SettingsError."""
    space, card = Space.from_mapping(spec["space"]), TaskCard.from_mapping(spec["card"])
    task: Task = call_target(spec["_target_"], f"task '{spec['name']}'", space, card, **spec["params"])
    return task


def call_target(target: str, what: str, *args: Any, **kwargs: Any) -> Any:
    """Import what a `_target_` names and call it. Raises SettingsError for arguments that it refuses; `what` names it there."""
    made = load_target(target)
    try:
        return made(*args, **kwargs)
    except HarnessError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{what} cannot be built from its settings: {error}") from error
