"""A report as values: sections of paragraphs, tables and figures. Every renderer (HTML, Markdown, LaTeX, CSV, terminal) reads these.

A table holds its content twice: `rows` is the text that people read, `data` holds the numbers in full and becomes the CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Tone: TypeAlias = Literal["", "good", "bad", "warn", "muted"]
# A note that begins like this explains the strong texts of a table. A terminal, which has no bold, shows their sign in its place.
STRONG = "Bold: "


@dataclass(frozen=True, slots=True)
class Text:
    """A table cell's text. `strong` marks the best of its kind. `tone` colours the text; it repeats what the text says.

    `value` is the number in full by which a reader sorts: of an interval, its estimate. Without it, the number in the text counts.
    """

    text: str
    strong: bool = False
    tone: Tone = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head; `numeric` columns are aligned right. `hint` explains a short head."""

    title: str
    numeric: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table. `key` names its files. A terminal shows the tables in `terminal` when this one is wider than 80 columns."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]
    data: pd.DataFrame
    notes: tuple[str, ...] = ()
    terminal: tuple[Table, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.key}: a row of {len(row)} texts under {len(self.columns)} columns")


@dataclass(frozen=True)
class Figure:
    """A figure: `draw` makes it, `data` holds every number in it, `alt` describes it in words.

    `narrow` draws it for a phone, where the page shows that in its place; without one, a phone scrolls the wide drawing.
    """

    key: str
    title: str
    alt: str
    data: pd.DataFrame
    draw: Callable[[], Canvas]
    notes: tuple[str, ...] = ()
    narrow: Callable[[], Canvas] | None = None


@dataclass(frozen=True)
class Fold:
    """Items under a title that a reader opens."""

    title: str
    items: tuple[Item, ...]
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A text that is shown exactly as it is, e.g. the prompt of an LLM."""

    title: str
    text: str


Item: TypeAlias = "str | Table | Figure | Fold | Verbatim"


@dataclass(frozen=True)
class Section:
    """A part of the report under its own heading."""

    key: str
    title: str
    items: tuple[Item, ...]

    def walk(self) -> Iterable[Item]:
        """Yield every item, also those inside folds."""
        yield from _walk(self.items)


@dataclass(frozen=True)
class Answer:
    """One question of the study, its answer in a word, and the figures behind it: each of `lines` is (what, how much)."""

    question: str
    word: str
    tone: Tone
    text: str
    section: str
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Lead:
    """What stands first: what was found, in a few sentences, the figures that show it, and the notes that both need."""

    text: str
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hint:
    """What to do to learn more: a sentence, and the words of the command that it ends with."""

    text: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole report. `lead` heads it, and `hint` stands for the questions that the study cannot answer.

    `facts` are lines about the study: (name, value). `problems` has a line for each unusable record.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    problems: tuple[str, ...] = field(default=())
    lead: Lead | None = None
    hint: Hint | None = None

    @property
    def before_facts(self) -> int:
        """How many sections stand before the facts: the first, where no question does."""
        return 0 if self.answers or self.hint else min(1, len(self.sections) - 1)

    def items(self) -> Iterable[Item]:
        """Yield the figures of the lead, and every item of every section."""
        yield from self.lead.figures if self.lead else ()
        for section in self.sections:
            yield from section.walk()


def _walk(items: Iterable[Item]) -> Iterable[Item]:
    for item in items:
        yield item
        if isinstance(item, Fold):
            yield from _walk(item.items)


def columns(first: str, *rest: str | Column) -> tuple[Column, ...]:
    """Return the columns of a table: the first holds names, the others hold numbers."""
    return (Column(first, numeric=False), *(head if isinstance(head, Column) else Column(head) for head in rest))


def row(*cells: str | Text) -> tuple[Text, ...]:
    """Return a table row of texts."""
    return tuple(cell if isinstance(cell, Text) else Text(cell) for cell in cells)


def number(value: Any, digits: int = 1, *, sign: bool = False) -> str:
    """Write a number with fixed digits and a real minus sign; a dash for a value that is missing or not finite."""
    if value is None or pd.isna(value) or value in (float("inf"), float("-inf")):
        return "–"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.replace("-", "+" if sign else "")
    return text.replace("-", "−")


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """Write an interval as `[low, high]`; a dash when there is none."""
    if pd.isna(low) or pd.isna(high):
        return "–"
    return f"[{number(low, digits, sign=True)}, {number(high, digits, sign=True)}]"


def share(part: float, whole: float) -> str:
    """Write a share as a percentage; a dash when the whole is 0."""
    return "–" if not whole else f"{100 * part / whole:.0f} %"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Write names as a phrase: the first `most`, and how many more there are."""
    shown = list(names[:most])
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]])) if shown else "none"
