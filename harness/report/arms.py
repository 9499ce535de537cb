"""What an arm is: read from the identity in its cells' manifests, never from its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.report.data import CellData, StudyData, mapping

CONTEXTS = {
    "tcs": "the TCS",
    "raw": "the raw logs",
    "scores": "configurations and scores only",
    "blind": "its own past proposals only",
    "shuffled": "a TCS with shuffled outcomes",
}
# These differ from cell to cell within an arm.
# What differs between the cells of one arm. The card is the task's own, and a table is of one task.
_OF_THE_CELL = ("task", "seed", "train_seed", "card", "evaluator")


@dataclass(frozen=True)
class Arm:
    """One row of the tables.

    `kind` is llm, rules, classical, or unknown (no cell of it ever wrote a manifest). `context`, `model` and `llm` are empty without
    an LLM. `setting` is the identity without task and seeds. `startup_trials` of the method, `budget` in trials.
    """

    name: str
    kind: str = "unknown"
    method: str = ""
    context: str = ""
    model: str = ""
    llm: str = ""
    start: str = ""
    startup_trials: int = 0
    budget: int = 0
    setting: Mapping[str, Any] = field(default_factory=dict)

    @property
    def all_startup(self) -> bool:
        """Whether the whole budget is drawn before the method's model speaks: random search under another name."""
        return 0 < self.budget <= self.startup_trials

    @property
    def tries_more(self) -> bool:
        """Whether the method searches at all, rather than trying the default alone."""
        return not self.method.rpartition(".")[2].startswith("DefaultOnly")

    @property
    def in_words(self) -> str:
        """The arm in one phrase."""
        shown = CONTEXTS.get(self.context, self.context or "an unnamed context")
        parts = {"llm": f"{self.llm or self.model}, shown {shown}", "rules": "fixed rules on the TCS"}
        text = parts.get(self.kind, self.method.rpartition(".")[2] or "not started")
        start = {"default": ", default first"}.get(self.start, "")
        return f"{text}{start}"


def arms_of(study: StudyData) -> dict[str, Arm]:
    """Return every arm by name, in the order of the plan."""
    first: dict[str, CellData] = {}
    for cell in study.cells:
        if cell.arm not in first or (cell.identity and not first[cell.arm].identity):
            first[cell.arm] = cell
    return {name: _arm(cell) for name, cell in first.items()}


def mixed_arms(study: StudyData) -> list[str]:
    """Return a line for each arm whose cells were not all made with the same settings."""
    settings: dict[str, dict[str, list[CellData]]] = {}
    for cell in study.cells:
        if cell.identity:
            text = json.dumps(_setting(cell), sort_keys=True)
            settings.setdefault(cell.arm, {}).setdefault(text, []).append(cell)
    return [
        f"arm {name}: its cells were made with {len(kinds)} different settings (e.g. {' and '.join(c[0].label for c in kinds.values())})"
        for name, kinds in settings.items()
        if len(kinds) > 1
    ]


def _setting(cell: CellData) -> dict[str, Any]:
    """Return what makes the arm: the identity without what is the cell's, and the kind of card and of evaluator."""
    setting = {key: value for key, value in cell.identity.items() if key not in _OF_THE_CELL}
    renamed = "card" in cell.identity and bool(mapping(cell.settings.get("task")).get("renamed"))
    return setting | {"renamed": renamed, "tables": "evaluator" in cell.identity}


def _arm(cell: CellData) -> Arm:
    identity = cell.identity
    optimizer, agent, llm = (mapping(identity.get(key)) for key in ("optimizer", "agent", "llm"))
    method = str(optimizer.get("_target_", ""))
    return Arm(
        name=cell.arm,
        kind=_kind(identity, method, llm),
        method=method,
        context=str(agent.get("context", "")) if llm.get("model") else "",
        model=str(llm.get("model", "") or ""),
        llm=_llm_name(cell, llm),
        start=str(identity.get("start", "")),
        startup_trials=cell.startup_trials,
        budget=cell.budget,
        setting=_setting(cell),
    )


def _llm_name(cell: CellData, llm: Mapping[str, Any]) -> str:
    """Return the name that the settings give the model, which is shorter than its own."""
    name = mapping(cell.settings.get("llm")).get("name")
    return str(name or llm.get("model") or "") if llm else ""


def _kind(identity: Mapping[str, Any], method: str, llm: Mapping[str, Any]) -> str:
    if not identity:
        return "unknown"
    if llm.get("model"):
        return "llm"
    return "rules" if method.rpartition(".")[2].lower().endswith("rules") else "classical"
