"""From plain settings to the objects of a cell: import what `_target_` names, and call it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from harness.errors import HarnessError, SettingsError, near
from harness.optimizer import DefaultFirst, Optimizer
from harness.space import Space
from harness.task import Task, TaskCard


def load_target(path: str) -> Any:
    """Return the class or function that a dotted path names. Raises SettingsError with the nearest name."""
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"_target_ '{path}': cannot import '{module_name}' ({error})") from error
    if not callable(getattr(module, name, None)):
        raise SettingsError(f"_target_ '{path}': '{module_name}' has no '{name}'{near(name, vars(module))}")
    return getattr(module, name)


def build_task(spec: Mapping[str, Any]) -> Task:
    """Build a task from its settings (keys `_target_`, `space`, `card`, `params`). Raises SettingsError."""
    space, card = Space.from_mapping(spec["space"]), TaskCard.from_mapping(spec["card"])
    task: Task = _call(spec["_target_"], f"task '{spec['name']}'", space, card, **spec["params"])
    return task


def build_optimizer(spec: Mapping[str, Any], space: Space, *, seed: int, start: str) -> Optimizer:
    """Build a method from its settings (keys `_target_`, `startup_trials`, `options`), wrapped for `start="default"`."""
    options = dict(spec["options"])
    if spec["startup_trials"]:
        options["startup_trials"] = spec["startup_trials"]
    optimizer: Optimizer = _call(spec["_target_"], f"optimizer '{spec['name']}'", space, seed, **options)
    return DefaultFirst(optimizer, space) if start == "default" else optimizer


def _call(target: str, what: str, *args: Any, **kwargs: Any) -> Any:
    made = load_target(target)
    try:
        return made(*args, **kwargs)
    except HarnessError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{what} cannot be built from its settings: {error}") from error
