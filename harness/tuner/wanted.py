"""What a user asks a tuner for, as plain data; and the task and the cell that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.cell import Cell
from harness.config.composed import composed_cell
from harness.errors import SettingsError, near
from harness.store import codec
from harness.task import TaskCard, TaskSpec
from harness.trial import Direction
from harness.tuner.user_space import UserSpace

NOT_TOLD = "not told"
EXAMPLE = (
    "say what is measured, and which difference matters: metric={'name': 'rmse', 'unit': 'kWh', 'margin': 0.5} "
    "(unit '%': percentages, '': no unit)"
)
_CARD = tuple(TaskCard.__dataclass_fields__)


@dataclass(frozen=True)
class Wanted:
    """What is tuned, by which method.

    `metric` has the keys of `metric:` in a task's YAML (name, direction, unit, margin). `card` has those of a task's card; what it leaves
    out is shown to an LLM as not told. `llm` and `settings` are as in `composed_cell`. `name` is part of the seed of the method, so that
    problems of different names have different draws.
    """

    space: UserSpace
    method: str
    llm: str | None = None
    seed: int = 0
    metric: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    name: str = "tuning"
    settings: Mapping[str, Any] = field(default_factory=dict)
    _composed: dict[int, Cell] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            codec.json_text(self.to_mapping())
        except (TypeError, ValueError) as error:
            raise SettingsError(f"card, settings and fixed values are kept as JSON, and one of them cannot be: {error}") from error

    def task(self) -> TaskSpec:
        """Return the task. Raises SettingsError for a metric or a card that makes no sense."""
        for key in self.card:
            if key not in _CARD:
                raise SettingsError(f"card: unknown field '{key}'{near(str(key), _CARD)}")
        card = {**dict.fromkeys(_CARD, NOT_TOLD), "source": "", "metric": self.metric.get("name") or "score", **self.card}
        entries = {"space": self.space.space.to_mapping(), "card": card, "metric": self.metric, "test": "none"}
        return TaskSpec.from_mapping({"name": self.name, "_target_": "harness.tuner", **entries})

    def cell(self, budget: int) -> Cell:
        """Return the cell whose method proposes; it is composed once, which takes 0.1 s. Raises SettingsError."""
        if budget not in self._composed:
            self._composed[budget] = composed_cell(
                self.task(), self.method, llm=self.llm, seed=self.seed, budget=budget, settings=self.settings
            )
        return self._composed[budget]

    def identity(self, budget: int) -> dict[str, object]:
        """Return all that decides the proposals. The version of the harness's trainings does not: the user trains."""
        cell = self.cell(budget)
        versions = {name: version for name, version in cell.versions.items() if name not in cell.evaluator.versions}
        left_out = ("train_seed", "time_limit_seconds")
        kept = {name: value for name, value in cell.identity.items() if name not in left_out}
        # The space itself is part of the cell's identity already.
        way = {name: value for name, value in self.space.to_mapping().items() if name != "space"}
        return {"method": self.method, **kept, "versions": versions, "name": self.name, **way}

    def to_mapping(self) -> dict[str, object]:
        """Return plain data; the inverse of `from_mapping`."""
        plain = {name: getattr(self, name) for name in ("method", "llm", "seed", "name")}
        return {**plain, **{name: dict(getattr(self, name)) for name in ("metric", "card", "settings")}, **self.space.to_mapping()}

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> Wanted:
        """Read what `to_mapping` returned. Raises KeyError or SettingsError for anything else."""
        plain = {name: row[name] for name in ("method", "llm", "seed", "name", "metric", "card", "settings")}
        return cls(UserSpace.from_mapping(row), **plain)


def plain(given: Mapping[str, Any] | None, argument: str) -> dict[str, Any]:
    """Return a copy of an argument that is a dict; None is an empty one. Raises SettingsError."""
    if given is not None and not isinstance(given, Mapping):
        raise SettingsError(f"{argument}={given!r}: give a dict")
    return {str(key): value for key, value in (given or {}).items()}


def metric_of(metric: Mapping[str, Any] | None, direction: str | None) -> dict[str, Any]:
    """Return a metric as a task's YAML writes it, from the two arguments of a tuner; None is a percentage. Raises SettingsError."""
    if metric is not None and not isinstance(metric, Mapping):
        raise SettingsError(f"metric={metric!r}: {EXAMPLE}")
    found = dict(metric or {})
    if direction is not None and found.setdefault("direction", direction) != direction:
        raise SettingsError(f"direction={direction}: metric says direction={found['direction']}; leave one out")
    if found.get("direction") == Direction.MINIMIZE and "unit" not in found:
        raise SettingsError(f"direction=minimize: {EXAMPLE}")
    return found
