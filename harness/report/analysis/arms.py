"""What an arm is: read from the identity in its cells' manifests, never from its name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.report.analysis.answered import Answered, answered
from harness.report.sources.data import CellData, StudyData, mapping

CONTEXTS = {
    "tcs": "the TCS",
    "raw": "the raw logs",
    "scores": "configurations and scores only",
    "blind": "its own past proposals only",
    "shuffled": "a TCS with shuffled outcomes",
}
# Backends that run the weights on the user's own machine.
LOCAL_BACKENDS = ("ollama", "llamacpp")
# Parameters in billions. The largest of the source's small LLMs has 32.
LARGEST_SMALL = 40.0
# What differs between the cells of one arm. The card is the task's own, and a table is of one task.
_OF_THE_CELL = ("task", "seed", "train_seed", "card", "evaluator")


@dataclass(frozen=True)
class Arm:
    """One row of the tables.

    `kind` is llm, rules, classical, or unknown (no cell of it ever wrote a manifest). `context`, `model` and `llm` are empty without
    an LLM. `setting` is the identity without task and seeds. `startup_trials` of the method, `budget` in trials. `small` and
    `knows_default` are what the settings say, None where they say nothing; `backend` is the class that asks the LLM.
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
    backend: str = ""
    small: bool | None = None
    knows_default: bool | None = None
    answered: Answered = field(default_factory=Answered)
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
    def small_llm(self) -> bool:
        """Whether the arm asks a small local LLM: its settings say so (`llm.small`), or else its backend is local and no server said
        that the model is larger than the source's.
        """
        if self.kind != "llm" or self.small is not None:
            return self.kind == "llm" and bool(self.small)
        asked = {self.backend.lower(), *(name.lower().replace("_", "") for name in self.answered.backends)}
        local = bool(asked & set(LOCAL_BACKENDS)) and not self.model.casefold().endswith(("-cloud", ":cloud"))
        return local and not self.answered.billions > LARGEST_SMALL

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
    cells: dict[str, list[CellData]] = {}
    for cell in study.cells:
        cells.setdefault(cell.arm, []).append(cell)
    return {name: _arm(next((cell for cell in of_arm if cell.identity), of_arm[0]), of_arm) for name, of_arm in cells.items()}


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


def _arm(cell: CellData, cells: Sequence[CellData]) -> Arm:
    """Describe an arm by one of its cells, and by who answered in all of them."""
    identity = cell.identity
    optimizer, agent, llm = (mapping(identity.get(key)) for key in ("optimizer", "agent", "llm"))
    method, model = str(optimizer.get("_target_", "")), str(llm.get("model", "") or "")
    kind = _kind(identity, method, llm)
    return Arm(
        name=cell.arm,
        kind=kind,
        method=method,
        context=str(agent.get("context", "")) if llm.get("model") else "",
        model=model,
        llm=_llm_name(cell, llm),
        start=str(identity.get("start", "")),
        startup_trials=cell.startup_trials,
        budget=cell.budget,
        backend=str(llm.get("target", "")).rpartition(".")[2],
        small=_flag(mapping(cell.settings.get("llm")).get("small")),
        knows_default=_knows_default(cell, kind, method),
        answered=answered(cells, model) if kind == "llm" else Answered(),
        setting=_setting(cell),
    )


def _knows_default(cell: CellData, kind: str, method: str) -> bool | None:
    """Say whether a method is shown the default configuration whatever its start; None where neither settings nor records tell."""
    said = _flag(mapping(cell.settings.get("optimizer")).get("knows_default"))
    if said is not None:
        return said
    if kind in ("rules", "llm"):
        return True
    return False if method.startswith("harness.optimizers.") else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


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
