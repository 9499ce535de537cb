"""From plain settings to the objects of a cell: import what `_target_` names, and call it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import HarnessError, SettingsError
from harness.identity import Cell
from harness.optimizer import DefaultFirst, Optimizer
from harness.space import Space
from harness.store import CellFolder
from harness.target import load_target
from harness.task import Task, TaskCard


def build_task(spec: Mapping[str, Any]) -> Task:
    """Build a task from its settings (keys `_target_`, `space`, `card`, `params`). Raises SettingsError."""
    space, card = Space.from_mapping(spec["space"]), TaskCard.from_mapping(spec["card"])
    task: Task = _call(spec["_target_"], f"task '{spec['name']}'", space, card, **spec["params"])
    return task


def build_optimizer(cell: Cell, task: Task, folder: CellFolder) -> Optimizer:
    """Build a cell's method, wrapped for `start="default"`. An LLM's calls are kept in `folder`. Raises SettingsError."""
    if cell.agent:
        from harness.agent.build import build_agent  # noqa: PLC0415 - only an agent's cell waits for it

        optimizer: Optimizer = build_agent(cell.agent, task, seed=cell.method_seed, budget=cell.budget, folder=folder)
    else:
        spec = cell.optimizer
        options = dict(spec["options"])
        if spec["startup_trials"]:
            options["startup_trials"] = spec["startup_trials"]
        optimizer = _call(spec["_target_"], f"optimizer '{spec['name']}'", task.space, cell.method_seed, **options)
    return DefaultFirst(optimizer, task.space) if cell.start == "default" else optimizer


def _call(target: str, what: str, *args: Any, **kwargs: Any) -> Any:
    made = load_target(target)
    try:
        return made(*args, **kwargs)
    except HarnessError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{what} cannot be built from its settings: {error}") from error
