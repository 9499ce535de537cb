"""What an arm is. The manifests of its cells say it, in their identity and settings; its name says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.optimizer import ROLES
from harness.report.analysis.answered import Answered, answered
from harness.report.study_data import CellData, StudyData, mapping

# Backends that run the weights on the user's own machine.
LOCAL_BACKENDS = ("ollama", "llamacpp")
# Parameters in billions. The largest of the source's small LLMs has 32.
LARGEST_SMALL = 40.0
# For manifests that record no role: the methods of the harness whose role is not tuner, by their dotted paths.
_ROLES_BEFORE = {
    "harness.optimizers.random.Random": "random",
    "harness.optimizers.default_only.DefaultOnly": "default",
    "harness.optimizers.rules.Rules": "rules",
    "harness.optimizers.rules.policy.Rules": "rules",
}
_DIGEST_SHOWN = 19  # characters of a model's digest, its kind included
# What differs between the cells of one arm. The card is the task's own, and a table is of one task.
_OF_THE_CELL = ("task", "seed", "train_seed", "card", "evaluator", "given")


@dataclass(frozen=True)
class Arm:
    """One row of the tables.

    `role` is a word of `harness.optimizer.ROLES`; it is empty when no cell of the arm has a manifest. `context`, `model` and `llm` are
    empty without an LLM. `setting` is the identity without task and seeds. `startup_trials` are the method's, `budget` is in trials.
    `given` maps each task on which trials were given to the digest of those trials, of which each cell has at least `given_trials`.
    `knows_default`: the method sees the default configuration even where it is not tried first. `small` is what the settings say of the
    LLM, None where they say nothing. `backend` is the class that asks the LLM.
    """

    name: str
    role: str = ""
    method: str = ""
    context: str = ""
    model: str = ""
    llm: str = ""
    start: str = ""
    startup_trials: int = 0
    budget: int = 0
    backend: str = ""
    small: bool | None = None
    knows_default: bool = False
    answered: Answered = field(default_factory=Answered)
    setting: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    given_trials: int = 0

    def given_alike(self, other: Arm) -> bool:
        """Say whether both arms began from the same given trials on the tasks that both have, or both from none."""
        if not self.given or not other.given:
            return not self.given and not other.given
        return all(self.given[task] == other.given[task] for task in self.given.keys() & other.given.keys())

    @property
    def all_startup(self) -> bool:
        """Whether the whole budget is start-up trials, so that the arm is random search under another name."""
        return 0 < self.budget <= self.startup_trials - self.given_trials

    @property
    def small_llm(self) -> bool:
        """Whether the arm asks a small local LLM.

        The settings decide (`llm.small`). Where they say nothing, the backend must be local, and no server may have said that the
        model is larger than LARGEST_SMALL.
        """
        if self.role != "llm" or self.small is not None:
            return self.role == "llm" and bool(self.small)
        asked = {self.backend.lower(), *(name.lower().replace("_", "") for name in self.answered.backends)}
        local = bool(asked & set(LOCAL_BACKENDS)) and not self.model.casefold().endswith(("-cloud", ":cloud"))
        return local and not self.answered.billions > LARGEST_SMALL


def arms_of(study: StudyData) -> dict[str, Arm]:
    """Return every arm by name, in the order of the plan."""
    cells: dict[str, list[CellData]] = {}
    for cell in study.cells:
        cells.setdefault(cell.arm, []).append(cell)
    return {name: _arm(next((cell for cell in of_arm if cell.identity), of_arm[0]), of_arm) for name, of_arm in cells.items()}


def mixed_arms(study: StudyData) -> list[str]:
    """Return a line for each arm whose cells were not all made with the same settings."""
    settings: dict[str, dict[str, list[CellData]]] = {}
    given: dict[tuple[str, str], dict[str, CellData]] = {}
    for cell in study.cells:
        if cell.identity:
            text = json.dumps(_setting(cell), sort_keys=True)
            settings.setdefault(cell.arm, {}).setdefault(text, []).append(cell)
            given.setdefault((cell.arm, cell.task), {}).setdefault(cell.given, cell)
    lines = [
        f"arm {name}: its cells were made with {len(kinds)} different settings (e.g. {' and '.join(c[0].label for c in kinds.values())})"
        for name, kinds in settings.items()
        if len(kinds) > 1
    ]
    return lines + [
        f"arm {arm} on {task}: its cells began from {len(kinds)} different sets of given trials "
        f"(e.g. {' and '.join(cell.label for cell in kinds.values())})"
        for (arm, task), kinds in given.items()
        if len(kinds) > 1 and all(kinds)
    ]


def _setting(cell: CellData) -> dict[str, Any]:
    """Return what all cells of an arm share: the identity without task and seeds, and the kind of card and of evaluator."""
    setting = {key: value for key, value in cell.identity.items() if key not in _OF_THE_CELL}
    renamed = "card" in cell.identity and bool(mapping(cell.settings.get("task")).get("renamed"))
    given = {"given": True} if cell.given else {}
    return setting | {"renamed": renamed, "tables": "evaluator" in cell.identity} | given


def _arm(cell: CellData, cells: Sequence[CellData]) -> Arm:
    """Describe an arm by the manifest of `cell`, and by the models that answered in all of its `cells`."""
    identity = cell.identity
    optimizer, agent, llm = (mapping(identity.get(key)) for key in ("optimizer", "agent", "llm"))
    method, model = str(optimizer.get("_target_", "")), _model(cell, llm)
    role = _role(cell, method, model)
    return Arm(
        name=cell.arm,
        role=role,
        method=method,
        context=str(agent.get("context", "")) if model else "",
        model=model,
        llm=_llm_name(cell, llm),
        start=str(identity.get("start", "")),
        startup_trials=cell.startup_trials,
        budget=cell.budget,
        backend=str(llm.get("target", "")).rpartition(".")[2],
        small=_flag(mapping(cell.settings.get("llm")).get("small")),
        knows_default=_knows_default(cell, role),
        answered=answered(cells, model) if role == "llm" else Answered(),
        setting=_setting(cell),
        given={cell.task: cell.given for cell in cells if cell.given},
        given_trials=min((_count_given(cell) for cell in cells if cell.identity), default=0),
    )


def _count_given(cell: CellData) -> int:
    count = mapping(cell.identity.get("given")).get("trials", 0)
    return count if isinstance(count, int) else 0


def _model(cell: CellData, llm: Mapping[str, Any]) -> str:
    """Return the model's name. The identity holds the digest of a model's file in its place, and the settings the name."""
    model = str(llm.get("model", "") or "")
    if not model.startswith("sha256"):
        return model
    return str(mapping(cell.settings.get("llm")).get("model") or model[:_DIGEST_SHOWN])


def _role(cell: CellData, method: str, model: str) -> str:
    """Return the role that the settings say. A manifest written before roles were recorded gets the one that its method has today."""
    if not cell.identity:
        return ""
    role = mapping(cell.settings.get("optimizer")).get("role")
    if isinstance(role, str) and role in ROLES:
        return role
    return "llm" if model else _ROLES_BEFORE.get(method, "tuner")


def _knows_default(cell: CellData, role: str) -> bool:
    """Return what the settings say; where they say nothing, rules and LLMs are shown the default configuration."""
    said = _flag(mapping(cell.settings.get("optimizer")).get("knows_default"))
    return role in ("rules", "llm") if said is None else said


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _llm_name(cell: CellData, llm: Mapping[str, Any]) -> str:
    """Return the short name that the settings give the model; without one, the model's own name."""
    name = mapping(cell.settings.get("llm")).get("name")
    return str(name or llm.get("model") or "") if llm else ""
