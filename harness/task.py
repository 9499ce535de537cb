"""The contract of a tunable task.

    class MyTask:
        def __init__(self, space: Space, card: TaskCard, **params): ...
        def train(self, config, *, seed):
            for _ in range(epochs):
                ...
                yield Epoch(val_score_pct=..., val_loss=..., train_score_pct=..., train_loss=..., test_score_pct=...)

        @staticmethod
        def ready(params) -> Readiness: ...   # only where the data do not come with the code: are they here?
        @staticmethod
        def prepare(params): ...              # and fetch them
        def clock(self, config, *, seed) -> Sequence[float]: ...  # only where trainings are looked up: how long they took

The harness drives the generator: it numbers the epochs, stops at the first value that is not finite, keeps the partial curve of a
training that fails, and enforces the time limit. The same config and seed must give the same numbers to the last bit on one thread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from harness.errors import SettingsError, near
from harness.importing import load_target
from harness.readiness import Readiness
from harness.space import Config, Space
from harness.trial import MARGIN_POINTS, PERCENT, Direction, Epoch, Objective


@dataclass(frozen=True)
class TaskCard:
    """What an expert who is asked for advice would be told. Every field is one line of text."""

    title: str
    domain: str
    data: str
    model: str
    metric: str
    epochs: str
    source: str = ""

    @classmethod
    def from_mapping(cls, entries: Mapping[str, Any]) -> TaskCard:
        """Read the `card` of a task's YAML. Raises SettingsError for a missing or an unknown field."""
        known = tuple(cls.__dataclass_fields__)
        for key in entries:
            if key not in known:
                raise SettingsError(f"task card: unknown field '{key}'{near(key, known)}")
        missing = [key for key in known if key != "source" and not entries.get(key)]
        if missing:
            raise SettingsError(f"task card: '{missing[0]}' is missing")
        return cls(**{key: " ".join(str(text).split()) for key, text in entries.items()})

    def to_mapping(self) -> dict[str, str]:
        """Return the fields that are not empty."""
        return {key: text for key, text in vars(self).items() if text}


@dataclass(frozen=True, slots=True)
class Scale:
    """Two scores of a task, in points as `Objective.points` gives them: `median`, of random trials, and `best`, the best known.

    A percentage that is to be maximised is its own number of points. Raises ValueError unless both are finite and `best` is the higher.
    """

    median: float
    best: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median) and math.isfinite(self.best) and self.median < self.best):
            raise ValueError(f"median {self.median}, best {self.best}: both must be finite, and the best the higher one")

    def normalised(self, points: float) -> float:
        """Return a score in points as a share of the way: 0 for the median random trial, 1 for the best known, below 0 for worse."""
        return (points - self.median) / (self.best - self.median)


@dataclass(frozen=True, slots=True)
class Reference:
    """What scores a task can give, found without any of the methods that are compared. So it does not change when arms are added.

    `test` is None for a task without a test score. `source` says in one sentence how the numbers were found.
    """

    val: Scale
    test: Scale | None
    source: str

    def to_mapping(self) -> dict[str, object]:
        """Return plain data, as a manifest holds it: `{"val": {"median": ..., "best": ...}, "test": {...} or None, "source": ...}`."""
        scales = {"val": self.val, "test": self.test}
        return {
            **{name: scale and {"median": scale.median, "best": scale.best} for name, scale in scales.items()},
            "source": self.source,
        }

    @classmethod
    def from_mapping(cls, entries: Mapping[str, Any], objective: Objective = PERCENT) -> Reference:
        """Read the `reference` of a task's YAML, whose scores are in the objective's own unit, or of a manifest, in points.

        A manifest is read with the default objective. Raises SettingsError.
        """
        known = ("val", "test", "source")
        for key in entries:
            if key not in known:
                raise SettingsError(f"reference: unknown field '{key}'{near(str(key), known)}")
        val = _scale("val", entries.get("val"), objective)
        test = _scale("test", entries.get("test"), objective) if objective.test else None
        if val is None or not entries.get("source"):
            raise SettingsError("reference: needs val: {median: ..., best: ...} and source: where they are from")
        return cls(val, test, " ".join(str(entries["source"]).split()))


def _scale(name: str, given: object, objective: Objective) -> Scale | None:
    if given is None:
        return None
    try:
        assert isinstance(given, Mapping)
        return Scale(objective.points(float(given["median"])), objective.points(float(given["best"])))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"reference: {name}={given!r}: give {{median: ..., best: ...}}, and the best must be better") from error


@dataclass(frozen=True)
class TableSpec:
    """The grid of a task's table: levels of some hyperparameters, `train_seeds` seeds 0, 1, ..., and whose seconds count (wall | cpu)."""

    levels: Mapping[str, Any]
    train_seeds: int = 3
    clock: str = "wall"


@dataclass(frozen=True)
class TaskSpec:
    """A task as its YAML and the command line describe it: all that `harness.training.build.build_task` needs.

    `card` is the one that a prompt shows; `renamed` says whether that is `renamed_card`. `params` are keyword arguments of `target`.
    `data` names data sets that the task fetches before any of its cells begins.
    """

    name: str
    target: str
    space: Space
    card: TaskCard
    params: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    suite: str = "own"
    data: tuple[str, ...] = ()
    renamed: bool = False
    renamed_card: TaskCard | None = None
    table: TableSpec | None = None
    objective: Objective = PERCENT
    reference: Reference | None = None

    def __hash__(self) -> int:
        """Hash what tells tasks apart; `params` are a mapping, and equal specs have equal names."""
        return hash((self.name, self.target, self.version))

    @classmethod
    def from_mapping(cls, entries: Mapping[str, Any]) -> TaskSpec:
        """Read the settings of a task, as its YAML writes them. Raises SettingsError, which names the task."""
        name = str(entries["name"])
        renamed = _asks_renamed(name, entries.get("card"), entries.get("renamed_card"))
        try:
            renamed_card = TaskCard.from_mapping(entries["renamed_card"]) if entries.get("renamed_card") else None
            objective = _objective(entries.get("metric") or {}, entries.get("test", "score"))
            card = renamed_card if renamed and renamed_card else TaskCard.from_mapping(entries.get("card") or {})
            return cls(
                name=name,
                target=str(entries.get("_target_")),
                space=Space.from_mapping(entries.get("space") or {}),
                card=card,
                params=dict(entries.get("params") or {}),
                version=int(entries.get("version", 1)),
                suite=str(entries.get("suite", "own")),
                data=tuple(entries.get("data") or ()),
                renamed=renamed,
                renamed_card=renamed_card,
                objective=objective,
                reference=Reference.from_mapping(reference, objective) if (reference := entries.get("reference")) else None,
                table=TableSpec(**table) if (table := entries.get("table")) and table.get("levels") else None,
            )
        except SettingsError as error:
            raise SettingsError(f"task '{name}': {error}") from error


# Names of what is minimised. Without a direction it would be maximised, and the worst trial would be kept.
_ERROR = re.compile(r"(.*_)?(rmse|mse|mae|mape|rmsle|loss|logloss|error|perplexity|nll)(_.*)?")


def _objective(metric: Mapping[str, Any], test: object) -> Objective:
    """Read `metric` and `test` of a task's YAML. Raises SettingsError."""
    known = ("name", "direction", "unit", "margin")
    for key in metric:
        if key not in known:
            raise SettingsError(f"metric: unknown field '{key}'{near(str(key), known)}")
    unit = "%" if metric.get("unit") is None else " ".join(str(metric["unit"]).split())  # empty: a number without a unit
    in_unit = f" in {unit}" if unit else ""
    name = " ".join(str(metric.get("name") or "score").split())
    margin, direction = metric.get("margin"), metric.get("direction") or Direction.MAXIMIZE
    if str(direction) not in tuple(Direction):
        raise SettingsError(f"metric: direction={direction}{near(str(direction), map(str, Direction))}")
    if test not in ("score", "none", None, False):
        raise SettingsError(f"test: {test!r}: give none for a task without a test score, or leave it out")
    if margin is None and unit != "%":
        raise SettingsError(f"metric: margin is missing: give the difference{in_unit} that matters, e.g. margin: 0.5")
    if margin is not None and (isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < math.inf):
        raise SettingsError(f"metric: margin={margin!r}: give a number above 0{f',{in_unit}' if in_unit else ''}")
    if metric.get("direction") is None and _ERROR.fullmatch(name.lower().replace(" ", "_").replace("-", "_")):
        raise SettingsError(
            f"metric: lower is better by the name '{name}': add direction: minimize (or maximize, where it is not so)"
        )
    return Objective(name, Direction(str(direction)), unit, MARGIN_POINTS if margin is None else float(margin), test == "score")


def _asks_renamed(name: str, card: object, renamed_card: object) -> bool:
    """Say whether `task.card=renamed` asks for the renamed card. Raises SettingsError for another word, and where there is none.

    It tells as much of the problem without the data set's name and fields, for a model may have read about those.
    """
    if not isinstance(card, str):
        return False
    if card != "renamed":
        raise SettingsError(f"task.card={card}: give task.card=renamed, or leave it out for the plain card")
    if not renamed_card:
        raise SettingsError(f"task.card=renamed: task '{name}' has no renamed_card in its YAML")
    return True


class Task(Protocol):
    """One tunable problem: a space, a card, and a training that can be stopped after any epoch."""

    space: Space
    card: TaskCard

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        """Train once with `config` (a member of the space) and yield each epoch as it ends.

        `seed` decides initialisation, shuffling and dropout; the data and its split do not depend on it. Any exception is a crashed
        trial, any value that is not finite a diverged one.
        """
        ...


class NeedsData(Protocol):
    """What a task's class has besides, when its data must be fetched first and its YAML names them in `data`.

    A function that returns a task may have the same two as attributes. `params` are those of the YAML; no task is built yet.
    """

    def ready(self, params: Mapping[str, Any], /) -> Readiness:
        """Say whether all is here that a training needs. Quick; raises HarnessError at most."""
        ...

    def prepare(self, params: Mapping[str, Any], /) -> None:
        """Fetch what is not here. It is called once before several processes train. Raises HarnessError."""
        ...


@runtime_checkable
class Simulated(Protocol):
    """What a task has besides, when it trains nothing and gives recorded curves: how long the recorded trainings took.

    Those seconds count as the trial's, and nobody waits for them; `limits.trial_seconds` is compared with them.
    """

    def clock(self, config: Config, *, seed: int) -> Sequence[float]:
        """Return, for each epoch that `train` yields, the seconds from the start of the training to the end of that epoch."""
        ...


def task_readiness(target: str, params: Mapping[str, Any]) -> Readiness:
    """Say whether the task that a `_target_` names is ready; one without a `ready` has all that it needs. Raises HarnessError."""
    ready = getattr(load_target(target), "ready", None)
    found = Readiness("task", True, "data included") if ready is None else ready(params)
    if not isinstance(found, Readiness):
        raise SettingsError(f"{target}: ready(params) must return a Readiness, not {type(found).__name__}")
    return found


def prepare_task(target: str, params: Mapping[str, Any]) -> None:
    """Have the task that a `_target_` names fetch the data that its YAML names. Raises HarnessError."""
    prepare = getattr(load_target(target), "prepare", None)
    if prepare is None:
        raise SettingsError(f"its YAML names data, and {target} has no prepare(params) to fetch them")
    prepare(params)
