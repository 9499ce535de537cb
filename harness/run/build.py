"""From a cell's settings to its method."""

from __future__ import annotations

from harness.cell import Cell
from harness.optimizer import DefaultFirst, Optimizer
from harness.store.cell_folder import CellFolder
from harness.task import Task
from harness.training.build import call_target


def build_optimizer(cell: Cell, task: Task, folder: CellFolder) -> Optimizer:
    """Build a cell's method, wrapped for `start="default"`. An LLM's calls are kept in `folder`. Raises SettingsError."""
    if cell.agent:
        from harness.optimizers.agent.build import build_agent  # noqa: PLC0415 - only an agent's cell waits for it

        optimizer: Optimizer = build_agent(cell.agent, task, seed=cell.method_seed, budget=cell.budget, folder=folder)
    else:
        spec = cell.optimizer
        options = dict(spec["options"])
        if spec["startup_trials"]:
            options["startup_trials"] = spec["startup_trials"]
        optimizer = call_target(spec["_target_"], f"optimizer '{spec['name']}'", task.space, cell.method_seed, **options)
    return DefaultFirst(optimizer, task.space) if cell.start == "default" else optimizer
