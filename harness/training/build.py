"""Build objects from settings: import what `_target_` names, and call it."""

from __future__ import annotations

from typing import Any

from harness.errors import HarnessError, SettingsError
from harness.importing import load_target
from harness.task import Task, TaskSpec


def build_task(spec: TaskSpec) -> Task:
    """Build a task, and let it compare the scores that it gives with what its YAML says of them. Raises SettingsError."""
    task: Task = call_target(spec.target, f"task '{spec.name}'", spec.space, spec.card, **spec.params)
    check = getattr(task, "check_objective", None)  # what `harness.tasks_from` makes has one
    if callable(check):
        try:
            check(spec.objective)
        except SettingsError as error:
            raise SettingsError(f"task '{spec.name}': {error}") from error
    return task


def call_target(target: str, what: str, *args: object, **kwargs: object) -> Any:
    """Import what a `_target_` names and call it.

    Raises SettingsError when it refuses its arguments; `what` names the object in that error.
    """
    made = load_target(target)
    try:
        return made(*args, **kwargs)
    except HarnessError:
        raise
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{what} cannot be built from its settings: {error}") from error
