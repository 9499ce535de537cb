"""The typed schema of conf/: everything that a command line can set, of which type it is, and what it does.

The text below a field is its only description: `documented.py` reads it for --help and for the table in conf/README.md. The classes
are plain (Hydra would refuse to override a frozen one). `settings.py` checks what types cannot say.
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
    """One hyperparameter of the task. tasks/README.md shows which keys each type takes."""

    type: str = MISSING
    """float | int | ordinal | categorical | bool"""
    low: Any = None
    """smallest value of a float or int"""
    high: Any = None
    """largest value of a float or int"""
    scale: Any = None
    """linear | log, of a float or int; null: linear"""
    levels: Any = None
    """values of an ordinal, in order"""
    choices: Any = None
    """values of a categorical"""
    default: Any = MISSING
    """value in the default configuration"""
    meaning: str = MISSING
    """what it does, for people and LLMs"""
    unit: str = ""
    """unit of its values"""
    when: Any = None
    """it exists only under this condition, e.g. {optimizer: sgd}; null: always"""


@dataclass
class TableSettings:
    """The grid of recorded trainings that evaluator=table replays."""

    levels: dict[str, Any] = field(default_factory=dict)
    """for each hyperparameter of the grid, a list of values, or how many on its scale; the others keep their default"""
    train_seeds: int = 3
    """training seeds per configuration: 0, 1, ..."""
    clock: str = "wall"
    """wall | cpu: which seconds count as a training's"""


@dataclass
class MetricSettings:
    """What the scores of a task are."""

    name: str = "score"
    """name of the metric, e.g. rmse"""
    direction: str = "maximize"
    """maximize | minimize"""
    unit: str = "%"
    """unit of the scores; % means at most 100"""
    margin: float | None = None
    """difference that matters, in the unit: the verdict's margin; null: 0.9 of a percentage, and required for another unit"""


@dataclass
class TaskSettings:
    """The task that is tuned: a file of conf/task."""

    _target_: str = MISSING
    """class of the task, as a dotted path"""
    name: str = MISSING
    """name in tables and folders"""
    suite: str = "own"
    """which of task=core, task=full, ... includes it"""
    version: int = 1
    """part of a cell's identity: raise it when data or training change"""
    card: Any = field(default_factory=dict)
    """description of the task, shown to LLMs; task.card=renamed shows renamed_card instead"""
    renamed_card: dict[str, str] = field(default_factory=dict)
    """description without names that a model could recognise"""
    metric: MetricSettings = field(default_factory=MetricSettings)
    test: str = "score"
    """score | none: whether trainings measure a test score; none: tables show validation, and say so"""
    reference: dict[str, Any] = field(default_factory=dict)
    """{val: {median: .., best: ..}, test: {..}, source: ..}: scores of random trials and the best known, for normalised scores"""
    data: list[str] = field(default_factory=list)
    """public data sets that prepare(params) of the class fetches before the first cell"""
    params: dict[str, Any] = field(default_factory=dict)
    """further arguments of the class"""
    space: dict[str, HyperparameterSettings] = field(default_factory=dict)
    table: TableSettings = field(default_factory=TableSettings)


@dataclass
class OptimizerSettings:
    """The tuning method: a file of conf/optimizer."""

    _target_: str = MISSING
    """class of the method, as a dotted path"""
    name: str = MISSING
    """name in tables and folders; with an LLM, NAME_LLM"""
    suite: str = "own"
    """which of optimizer=classical, optimizer=local, ... includes it"""
    role: str = "tuner"
    """random | default | rules | llm | tuner: what the method is to the report; it decides no result"""
    startup_trials: int = 0
    """random trials before the method's model proposes; 0: it has no model"""
    ignores_start: bool = False
    """it proposes the same with either start"""
    knows_default: bool = False
    """it sees the default configuration even where that is not tried first"""
    uses: list[str] = field(default_factory=list)
    """which of agent, tcs, published, select, llm, task.card, task.renamed_card it reads, by key or group; others are refused in a sweep"""
    context: str | None = None
    """tcs | raw | scores | blind | shuffled | published | opro | llambo: what the LLM is shown; null: no LLM"""
    form: str = "json"
    """json | table: how the LLM answers, unless agent.form is given"""
    label: str | None = None
    """name in tables and folders instead of NAME_LLM"""
    options: dict[str, Any] = field(default_factory=dict)
    """further arguments of the class"""


@dataclass
class AgentSettings:
    """How an LLM is asked for a configuration."""

    calls: str = "one"
    """one | two: analysis and proposal in one call, or one call each"""
    names: str = "real"
    """real | anonymous: hide names and meanings of hyperparameters"""
    attempts: int = 3
    """calls per proposal, each after an invalid reply with the reason, before one marked random draw replaces it"""
    prompt: str = "v2"
    """version of the prompt templates"""
    analysis: str | None = None
    """none | after | before: where the model explains its configuration; null: the version's own place, in v2 after, in v1 before"""
    values: str = "free"
    """free | levels: levels lets the model choose each number from a list, which every server can hold it to"""
    form: str | None = None
    """json | table: a JSON object, or the next line of a table of trials, for models that only complete text; null: the arm's own"""
    log_every: int = 1
    """context raw: list every n-th epoch"""


@dataclass
class TcsSettings:
    """The summary (TCS) that an LLM reads."""

    blocks: list[str] = field(
        default_factory=lambda: ["status", "last_trial", "curves", "parameters", "changes", "failures", "phase"]
    )
    """the expert blocks, in this order; surrogate, a Gaussian process's belief, is there too"""
    format: str = "text"
    """text | json | markdown"""


@dataclass
class PublishedSettings:
    """The published system: which side of its faults is run. The first value is the authors' release."""

    after_rules: str = "on"
    """on | off | alone: its hidden rules change the LLM's values; they do not; no LLM, the rules act on the last configuration"""
    previous: str = "itself"
    """itself | real: what the summary compares the last trial with"""
    curve: str = "whole"
    """whole | thinned | none: epochs of the last training that the summary shows; thinned: 1, 5, 10, ..."""
    target: str = "shown"
    """shown | hidden: the fixed target of the metric, with level and gap"""
    overfitting: str = "as_named"
    """as_named | real: look the train metric up by a name that val_accuracy has not, or read the real one"""
    options: str = "hidden"
    """hidden | shown: options of categoricals, and scales, in the summary"""
    repair: str = "silent"
    """silent | strict: turn an unusable value into the default, or ask again, up to agent.attempts times"""
    score: str = "last"
    """last | best: the epoch whose score the agents are told"""
    window: str = "full"
    """full | 4096: send the whole prompt, or its last 4,096 tokens by the harness's estimate"""


@dataclass
class SelectSettings:
    """The candidates of a selector: optimizer=select_*."""

    source: str = "mix"
    """rules | forest | gp | random | mix: where the candidates come from; mix: from each in turn"""
    candidates: int = 5
    """how many there are, 2 to 9"""
    orders: int = 1
    """calls per trial, each with the list rotated by one place more; at most as many as candidates"""


@dataclass
class LimitSettings:
    """What a single trial may use. With a limit, trainings run in a child process."""

    trial_seconds: float | None = None
    """a trial that takes longer fails; null: no limit"""
    trial_memory_mb: float | None = None
    """a trial whose processes hold more megabytes fails; null: no limit"""


@dataclass
class StoreSettings:
    """The records."""

    sync: Sync = Sync.trial
    """make records durable after every trial, or only after every cell, which is faster"""


@dataclass
class TrackingSettings:
    """Weights & Biases: a file of conf/tracking."""

    mode: Mode = Mode.offline
    """runs on the disk, to be uploaded by `wandb sync`; at the server; none; unless tracking is given, WANDB_MODE"""
    project: str = "tcs-harness"
    """project of the runs; unless given, WANDB_PROJECT"""
    entity: str | None = None
    """user or team of the project; null: WANDB_ENTITY, else W&B's default"""


@dataclass
class Settings:
    """A study and its cells."""

    study: str = "main"
    """name of the study: a set of cells that are compared"""
    out: str = "runs"
    """folder of the records: OUT/STUDY/TASK/ARM/SEED"""
    task: TaskSettings = field(default_factory=TaskSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    tcs: TcsSettings = field(default_factory=TcsSettings)
    published: PublishedSettings = field(default_factory=PublishedSettings)
    select: SelectSettings = field(default_factory=SelectSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    start: Start = Start.none
    """first trial: the method's own, or the task's default configuration"""
    evaluator: Evaluator = Evaluator.live
    """train, or replay recorded trainings of the task's grid"""
    seed: int = 0
    """seed of the method; several: seed=0,1,2 or 'seed=range(5)' with -m"""
    seeds: Any = None
    """several seeds in one job: 5, [0,3,7] or "seeds='0-9,20'"; null: only seed"""
    train_seed: int | None = None
    """seed of the training; null: the same as seed (tables: in turn)"""
    budget: int = 10
    """trials per cell"""
    given: str | None = None
    """file (.csv, .jsonl) of trials that were evaluated before: every method sees them, and the budget does not count them"""
    arm: str | None = None
    """name of the table row; null: from optimizer, LLM and start"""
    variant: str = ""
    """set by a sweep over other keys, so that each value is a row"""
    planned: str = ""
    """set by a sweep: which cells a job is for"""
    limits: LimitSettings = field(default_factory=LimitSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    progress: Progress = Progress.auto
    """display of progress; auto: live on a terminal, plain elsewhere"""
    unready: Unready = Unready.fail
    """exit status 1, or 0, when an LLM or data of some cells are not there"""
