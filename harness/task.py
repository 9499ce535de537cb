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

The harness drives the generator: it numbers the epochs, stops at the first value that is not finite, keeps the partial curve of a
training that fails, and enforces the time limit. The same config and seed must give the same numbers to the last bit on one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from harness.errors import SettingsError, near
from harness.importing import load_target
from harness.readiness import Readiness
from harness.space import Config, Space
from harness.trial import Epoch


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
