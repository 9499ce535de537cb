"""The settings of a report: `report.KEY=VALUE` after the study on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from harness.errors import SettingsError, near


@dataclass(frozen=True)
class Options:
    """Every setting, with its default."""

    # The arm that gaps are measured to. Empty: the first of `references` that ran.
    reference: str = ""
    references: tuple[str, ...] = ("gpt4", "gpt6_sol", "random+default", "random")
    # An arm is good enough when it is at most so many points worse than the reference. None: the margin of the task (0.9 points unless its
    # `metric` names another). In another unit, a point is the task's own margin / 0.9.
    margin_points: float | None = None
    # Of every interval.
    confidence: float = 0.95
    # Of every bootstrap.
    resamples: int = 10_000
    # The small LLMs that read one of these contexts get the verdict.
    small_contexts: tuple[str, ...] = ("tcs",)
    # Models that count as small although their settings do not say so.
    small_models: tuple[str, ...] = ()
    # An arm is marked when more than this share of its proposals are fallback trials.
    fallback_share: float = 0.1
    # Nothing is concluded of an arm of which more than this share of the configurations asked of its model were not the model's.
    most_not_the_models: float = 0.5
    # A trial that lies so many points below the best of its cell so far counts as catastrophic.
    catastrophe_points: float = 20.0
    # A trial repeats another when no hyperparameter moves by more than this share of its range.
    near_repeat: float = 0.02
    # At most so many cells, one of each arm, are shown trial by trial.
    traces: int = 40
    # Of the numbers of seeds that a verdict shows.
    power: float = 0.8
    # Of every bootstrap.
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise SettingsError(f"report.{name}={value}: must be from {low:g} to {high:g}")


_RANGES = (
    ("margin_points", 0.0, 100.0),
    ("confidence", 0.5, 0.999),
    ("resamples", 100, 1_000_000),
    ("fallback_share", 0.0, 1.0),
    ("most_not_the_models", 0.0, 1.0),
    ("catastrophe_points", 0.0, 1e9),
    ("near_repeat", 0.0, 1.0),
    ("traces", 0, 1000),
    ("power", 0.5, 0.999),
)


def with_overrides(options: Options, overrides: Iterable[str]) -> Options:
    """Apply `report.KEY=VALUE` words. Raises SettingsError for an unknown key or a value that does not fit."""
    known = {f.name: f for f in fields(Options)}
    changes: dict[str, Any] = {}
    for word in overrides:
        key, equals, value = word.removeprefix("report.").partition("=")
        if not equals or not word.startswith("report."):
            raise SettingsError(f"cannot read '{word}': write report.KEY=VALUE, e.g. report.reference=gpt4")
        if key not in known:
            raise SettingsError(f"there is no setting 'report.{key}'{near(key, known)}")
        changes[key] = _read(key, value, getattr(options, key))
    return replace(options, **changes)


def _read(key: str, value: str, default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(filter(None, (part.strip() for part in value.strip("[]").split(","))))
    wanted = float if default is None else type(default)
    try:
        return wanted(value)
    except ValueError:
        kind = {"int": "a whole number", "float": "a number"}[wanted.__name__]
        raise SettingsError(f"report.{key}={value}: must be {kind}") from None
