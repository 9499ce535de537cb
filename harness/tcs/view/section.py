"""The contract of an expert block, and the forms in which its section can be shown.

A block turns (space, trajectory, budget) into a `Section`: a frozen dataclass of facts at full precision, on which a policy can act.
A section shows itself as a `View`: facts and small tables, rounded and folded to a level of detail, which `render.py` writes as text,
JSON or Markdown. So the three formats say the same, and a new block needs no renderer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Protocol, TypeAlias

from harness.space import Space
from harness.tcs.thresholds import CURVES_KEPT
from harness.trial import Trajectory

Scalar: TypeAlias = str | int | float | bool | None


class Level(IntEnum):
    """How much a view holds, in four steps."""

    LEAST = 0
    LESS = 1
    MORE = 2
    FULL = 3


@dataclass(frozen=True, slots=True)
class Detail:
    """How much a view holds: a level, and how much the two longest tables hold.

    points: groups of tried values that each hyperparameter may show (1: the best alone). curves: earlier trials that get a line.
    """

    level: Level = Level.FULL
    points: int = 12
    curves: int = CURVES_KEPT

    def pick(self, *choices: int) -> int:
        """Return one of four numbers, given from LEAST to FULL."""
        return choices[self.level]


# From most to least; a summary is written with the first that keeps it within its bound.
DETAILS = (
    Detail(),
    Detail(Level.MORE, 10),
    Detail(Level.MORE, 7, 10),
    Detail(Level.LESS, 5, 10),
    Detail(Level.LESS, 4, 8),
    Detail(Level.LESS, 3, 8),
    Detail(Level.LESS, 3, 6),
    Detail(Level.LEAST, 4, 10),
    Detail(Level.LEAST, 4, 6),
    Detail(Level.LEAST, 3, 6),
    Detail(Level.LEAST, 3, 3),
    Detail(Level.LEAST, 1, 3),
)


@dataclass(frozen=True, slots=True)
class Assignments:
    """A configuration: `name=value, ...`; a JSON object. `more` counts what was left out."""

    items: tuple[tuple[str, Scalar], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Points:
    """Tried values with what they gave: `value:score value:score`; a JSON list of pairs."""

    items: tuple[tuple[Scalar, Scalar], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase for people and LLMs; in JSON, the same as data."""

    text: str
    data: Mapping[str, Scalar]


Cell: TypeAlias = Scalar | Assignments | Points | Phrase


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of equal length under `columns`. `more` counts the rows that were left out."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """A section as it is shown: named facts, then notes (how to read the tables), then tables."""

    facts: tuple[tuple[str, Cell], ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = field(default=())


class Section(Protocol):
    """The facts of one block: a frozen dataclass."""

    name: ClassVar[str]

    def view(self, detail: Detail) -> View:
        """Return what is shown at a level of detail. All strings are clean, all numbers finite."""
        ...


class Block(Protocol):
    """An expert block: deterministic, bounded, without model, clock, file or randomness."""

    def __call__(self, space: Space, trajectory: Trajectory, budget: int) -> Section:
        """Return the section about the trials so far; `budget` is how many there may be in all, at least 1."""
        ...
