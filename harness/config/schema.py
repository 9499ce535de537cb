"""The typed schema of conf/: everything that a command line can set, and of which type it is.

The classes are plain (Hydra would refuse to override a frozen one). `settings.py` checks what types cannot say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omegaconf import MISSING

from harness.llm.settings import LlmSettings

# Hydra takes an Enum by its names, where Literal is refused.
Start = Enum("Start", ["none", "default"])
Sync = Enum("Sync", ["trial", "cell"])
Unready = Enum("Unready", ["fail", "skip"])
Mode = Enum("Mode", ["offline", "online", "off"])
Progress = Enum("Progress", ["auto", "live", "plain", "off"])
Evaluator = Enum("Evaluator", ["live", "table"])


@dataclass
class HyperparameterSettings:
    """One entry of a task's space; `harness.space.hyperparameter.parse` says what each kind needs."""

    type: str = MISSING
    low: Any = None
    high: Any = None
    scale: Any = None
    levels: Any = None
    choices: Any = None
    default: Any = MISSING
    meaning: str = MISSING
    unit: str = ""
    when: Any = None


@dataclass
class TableSettings:
    """The grid of `evaluator=table`, see `harness.tabular`: levels of some hyperparameters, and training seeds 0, 1, ...

    A hyperparameter's levels are a list of values, or how many, evenly spaced on its scale; one that is not named keeps its default.
    `clock` says which seconds count as a training's: wall | cpu.
    """

    levels: dict[str, Any] = field(default_factory=dict)
    train_seeds: int = 3
    clock: str = "wall"


@dataclass
class TaskSettings:
    """A tunable problem. `suite` decides which of `task=all`, `task=full`, ... names it; `card=renamed` shows `renamed_card`.

    A task that names `data` has a static `prepare(params)`, which fetches them before any of its cells begins.
    """

    _target_: str = MISSING
    name: str = MISSING
    suite: str = "own"
    version: int = 1
    card: Any = field(default_factory=dict)
    renamed_card: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    space: dict[str, HyperparameterSettings] = field(default_factory=dict)
    table: TableSettings = field(default_factory=TableSettings)


@dataclass
class OptimizerSettings:
    """A method. `startup_trials` are drawn at random before its model speaks (0: it has no model).

    A method that asks an LLM has a `context` (see `harness/optimizers/agent/context.py`) and its table row is named `NAME_LLM`, or `label`.
    `knows_default`: it sees the default configuration even where it is not tried first. `uses`: what it reads of the settings that
    not every method reads (`settings.NOT_FOR_ALL`), each by its name or that of its group. `role`: what the method is to the report, a
    word of `harness.optimizer.ROLES` (random | default | rules | llm | tuner); it decides no result.
    """

    _target_: str = MISSING
    name: str = MISSING
    suite: str = "own"
    role: str = "tuner"
    startup_trials: int = 0
    ignores_start: bool = False
    knows_default: bool = False
    uses: list[str] = field(default_factory=list)
    context: str | None = None
    label: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class AgentSettings:
    """How an LLM is asked; see `harness.optimizers.agent.agent.AgentSettings`."""

    calls: str = "one"
    names: str = "real"
    attempts: int = 3
    prompt: str = "v1"
    log_every: int = 1


@dataclass
class TcsSettings:
    """Which expert blocks summarise the trials, in which order, and how the summary is written."""

    blocks: list[str] = field(default_factory=list)
    format: str = "text"


@dataclass
class LimitSettings:
    """What a single trial may use; null for no limit."""

    trial_seconds: float | None = None
    trial_memory_mb: float | None = None


@dataclass
class StoreSettings:
    """`sync`: make every trial durable before the next (`trial`), or only every cell (`cell`: faster)."""

    sync: Sync = Sync.trial


@dataclass
class TrackingSettings:
    """Weights & Biases."""

    mode: Mode = Mode.offline
    project: str = "tcs-harness"
    entity: str | None = None


@dataclass
class Settings:
    """Everything that a command line can set."""

    study: str = "main"
    out: str = "runs"
    task: TaskSettings = field(default_factory=TaskSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    tcs: TcsSettings = field(default_factory=TcsSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    start: Start = Start.none
    evaluator: Evaluator = Evaluator.live
    seed: int = 0
    seeds: Any = None
    train_seed: int | None = None
    budget: int = 10
    arm: str | None = None
    variant: str = ""
    planned: str = ""
    limits: LimitSettings = field(default_factory=LimitSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    progress: Progress = Progress.auto
    unready: Unready = Unready.fail
