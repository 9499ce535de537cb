"""A study as the report reads it: its cells, with their trials and calls. All sources return these values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.errors import HarnessError, RecordError
from harness.space import Space
from harness.store.race import Race
from harness.trial import Objective, Trial


class State(StrEnum):
    """How far a planned cell is. Only a `done` cell enters the tables."""

    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"
    NEVER = "never started"


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one: a record may hold anything."""
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Call:
    """One call to an LLM.

    `call` counts within the trial, `attempt` within the call. `answered` is False when the server gave no usable answer at
    all (`error` says why). `problem` is what was wrong with the reply, `problem_kind` one of aborted, unparsed, invalid, repeat. Tokens are
    None where the server gave no count, `usd` where the model has no price. The texts are kept only where they are shown.
    """

    trial: int
    call: int
    attempt: int = 1
    role: str = "agent"
    model: str = ""
    answered: bool = True
    problem: str | None = None
    problem_kind: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float = 0.0
    usd: float | None = None
    error: str | None = None
    messages: tuple[Mapping[str, str], ...] = ()
    reply: str = ""
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class CellData:
    """One planned cell. `startup_trials` are drawn before the method's model speaks; `reason` says why a cell is not done."""

    task: str
    arm: str
    seed: int
    budget: int
    cell: str
    folder: str
    startup_trials: int = 0
    state: State = State.NEVER
    reason: str = ""
    fix: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    calls: tuple[Call, ...] = ()

    @property
    def own(self) -> tuple[Trial, ...]:
        """The trials of the budget: all but those that were given."""
        return tuple(trial for trial in self.trials if not trial.given)

    @property
    def given(self) -> str:
        """The digest of the trials that were given (setting `given`); empty where none were."""
        return str(mapping(self.identity.get("given")).get("digest", ""))

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything that decides the result of the cell; empty without a manifest that can be read."""
        return mapping(self.manifest.get("identity"))

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that the cell was launched with; empty when its manifest has none."""
        return mapping(self.manifest.get("settings"))

    @property
    def reference(self) -> Mapping[str, Any]:
        """The scores of the task's median random trial and of its best known one; empty where the manifest has none."""
        return mapping(self.manifest.get("reference"))

    @property
    def card(self) -> Mapping[str, Any]:
        """The task card: title, domain, data, ..."""
        return mapping(mapping(self.settings.get("task")).get("card"))

    @property
    def objective(self) -> Objective:
        """What the cell's scores are: its identity says it, else its settings do. Raises RecordError where that cannot be read."""
        said, task = mapping(self.identity.get("task")).get("objective"), mapping(self.settings.get("task"))
        if said is None:
            said = {"test": task.get("test", "score") == "score", **mapping(task.get("metric"))}
        try:
            return Objective.from_mapping(said)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise RecordError(f"{self.label}: its manifest does not say what its scores are ({error})") from error

    @property
    def space(self) -> Space | None:
        """The space that the identity holds; None without one that can be read."""
        try:
            return Space.from_mapping(mapping(self.identity.get("task"))["space"])
        except (HarnessError, KeyError, TypeError, AttributeError):
            return None

    @property
    def label(self) -> str:
        """Task, arm and seed in one short phrase."""
        return f"{self.task}/{self.arm}/seed{self.seed}"


# What a run's config holds of a manifest, apart from what names the cell.
CONFIG_KEYS = ("identity", "settings", "environment", "reference")


def cell_of_manifest(config: Mapping[str, Any], where: str) -> CellData:
    """Return the cell that a run's config, or a manifest, describes, without trials. Raises RecordError."""
    try:
        identity, settings = config["identity"], config["settings"]
        return CellData(
            task=str(settings["task"]["name"]),
            arm=str(config["arm"]),
            seed=int(identity["seed"]),
            budget=int(identity["budget"]),
            cell=str(config["cell"]),
            folder="",
            startup_trials=int(identity["optimizer"].get("startup_trials", 0)),
            manifest={key: config[key] for key in CONFIG_KEYS if key in config},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{where}: not a cell of this harness ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class StudyData:
    """A study. `problems` holds a line for each record that could not be used; `origin` names the source.

    `caveat` says what this source does not hold. `in_full` reads a cell again with its curves and the texts of its calls, which the
    tables do without; it raises RecordError. `race` says which methods `harness.advise` raced in it, None for any other study.
    """

    name: str
    origin: str
    cells: tuple[CellData, ...]
    problems: tuple[str, ...] = ()
    caveat: str = ""
    in_full: Callable[[CellData], CellData] = lambda cell: cell
    race: Race | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in the order of the plan."""
        return tuple(dict.fromkeys(cell.task for cell in self.cells))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms, in the order of the plan."""
        return tuple(dict.fromkeys(cell.arm for cell in self.cells))
