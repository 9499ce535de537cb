"""Build the method of a cell."""

from __future__ import annotations

from harness.cell import Cell
from harness.importing import load_target
from harness.llm.asking import Asking
from harness.llm.backend import Backend
from harness.optimizer import DefaultFirst, Optimizer
from harness.run.spending import dollars_of
from harness.space import Space
from harness.store.cell_folder import CALLS, CellFolder
from harness.task import Task, TaskCard
from harness.training.build import call_target


def build_optimizer(cell: Cell, task: Task, folder: CellFolder) -> Optimizer:
    """Build a cell's method, wrapped for `start="default"`. Calls to an LLM are recorded in `folder`. Raises SettingsError."""
    backend = backend_of(cell, cell.asking, folder) if cell.asking else None
    return optimizer_with(cell, task.space, task.card, backend)


def optimizer_with(cell: Cell, space: Space, card: TaskCard, backend: Backend | None) -> Optimizer:
    """Build a cell's method on a space; `backend` is its LLM, None for a method that asks none. Raises SettingsError."""
    spec = cell.optimizer
    options: dict[str, object] = dict(spec.options)
    if cell.given and options.get("budget") == cell.budget:  # as its YAML says, `${budget}`: a method is told of all trials
        options["budget"] = cell.all_trials
    if spec.startup_trials:
        options["startup_trials"] = spec.startup_trials
    if getattr(load_target(spec.target), "reads_card", False):
        options["card"] = card
    if cell.asking:
        options |= {
            "asking": cell.asking,
            "card": card,
            "budget": cell.all_trials,
            "backend": backend,
        }
    optimizer: Optimizer = call_target(spec.target, f"optimizer '{spec.name}'", space, cell.method_seed, **options)
    return DefaultFirst(optimizer, space) if cell.start == "default" else optimizer


def backend_of(cell: Cell, asking: Asking, folder: CellFolder) -> Backend:
    """Return the LLM of a cell. It records each call in the folder, and answers calls of earlier launches from these records."""
    from harness.llm.build import build_backend  # noqa: PLC0415 - only a method that asks an LLM needs these
    from harness.llm.calls import read_calls  # noqa: PLC0415

    answered = tuple(read_calls(folder.path / CALLS))
    dollars = dollars_of(folder.path.parents[2], asking.llm) if asking.llm.cap_usd else None
    return build_backend(
        asking.llm,
        keep=lambda call: folder.append_call(call.to_dict()),
        answered=answered,
        cell=cell.folder,
        dollars=dollars,
    )
