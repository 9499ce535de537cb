"""The contract of an expert block, and the building blocks of what it shows.

A block turns (space, trajectory, budget) into a `Section`: a frozen dataclass of facts at full precision, which a policy can use.
`Section.view` turns these facts into a `View`: named facts and small tables, rounded and shortened to a level of detail. `render.py`
writes views as text, JSON or Markdown. So all three formats hold the same facts, and a new block needs no renderer.
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
    """How much a view shows, in four steps."""

    LEAST = 0
    LESS = 1
    MORE = 2
    FULL = 3


@dataclass(frozen=True, slots=True)
class Detail:
    """How much a view shows: a level, and limits for the two longest tables.

    points: groups of tried values shown per hyperparameter (1: only the best). curves: earlier trials that get a line.
    """

    level: Level = Level.FULL
    points: int = 12
    curves: int = CURVES_KEPT

    def pick(self, *choices: int) -> int:
        """Return the number for this level; `choices` are four numbers, from LEAST to FULL."""
        return choices[self.level]


# From most to least detail. A summary is written with the first one that keeps it within its token bound.
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
    """A configuration, written as `name=value, ...` or as a JSON object. `more` counts the items that were left out."""

    items: tuple[tuple[str, Scalar], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Points:
    """Tried values with their scores, written as `value:score value:score` or as a JSON list of pairs. `more` counts those left out."""

    items: tuple[tuple[Scalar, Scalar], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase for people and LLMs (`text`), and the same facts as `data` for JSON."""

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
    """What is shown of a section: named facts, then notes (how to read the tables), then tables."""

    facts: tuple[tuple[str, Cell], ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = field(default=())


class Section(Protocol):
    """The facts that one block found: a frozen dataclass with a class attribute `name`."""

    name: ClassVar[str]

    def view(self, detail: Detail) -> View:
        """Return what is shown at a level of detail. All strings are printable and bounded in length, all numbers finite."""
        ...


class Block(Protocol):
    """An expert block: a deterministic function with a result of bounded size. It uses no LLM, clock, file or randomness."""

    def __call__(self, space: Space, trajectory: Trajectory, budget: int) -> Section:
        """Return the section about the trials so far; `budget` is the total number of trials allowed, at least 1."""
        ...
