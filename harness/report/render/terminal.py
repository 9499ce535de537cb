"""A report for a terminal: 80 columns wide where that is possible, no colours, the best of its kind marked by a star."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text as Words

from harness.report.render.document import STRONG, Column, Hint, Lead, Report, Section, Table, Text
from harness.report.render.escape import clean, width

COLUMNS = 80
# Between two columns; one less where heads would be cut.
GAP = 2
# A column of texts other than names is wrapped, down to this width.
LEAST_TEXT = 12


def to_terminal(report: Report, sections: Sequence[str]) -> str:
    """Return the lead, some sections, the answers and the problems. Control characters in names and texts are spelt out."""
    lines = [clean(report.title), "", *_lead_lines(report.lead)]
    for section in (s for s in report.sections if s.key in sections):
        lines += _section_lines(section)
    for answer in report.answers:
        lines += _wrapped(f"{answer.question} {answer.word}. {answer.text}")
        lines += [f"  {clean(what)}: {clean(figures)}" for what, figures in answer.lines] + [""]
    lines += _hint_lines(report.hint)
    lines += [line for problem in report.problems for line in _wrapped(f"! {problem}")]
    return "\n".join(lines).rstrip("\n") + "\n"


def _lead_lines(lead: Lead | None) -> Iterator[str]:
    if lead is not None:
        yield from (*_wrapped(lead.text), "")
        yield from (line for note in lead.notes for line in _wrapped(note))
        yield from [""] if lead.notes else []


def _hint_lines(hint: Hint | None) -> Iterator[str]:
    """Yield the text, and the command over as many lines as it takes, which a shell reads as one."""
    if hint is None:
        return
    yield from _wrapped(hint.text)
    line = " "
    for word in map(clean, hint.command):
        if line.strip() and width(f"{line} {word} \\") > COLUMNS:
            yield f"{line} \\"
            line = "   "
        line = f"{line} {word}"
    yield from ([line, ""] if line.strip() else [""])


def _section_lines(section: Section) -> Iterator[str]:
    for item in section.items:
        if isinstance(item, str):
            yield from (*_wrapped(item), "")
        elif isinstance(item, Table):
            for table in item.terminal if item.terminal and natural_width(item) > COLUMNS else [item]:
                yield from (*_wrapped(table.title), *table_lines(table))
                yield from (line for note in table.notes for line in _wrapped(_without_bold(note)))
                yield ""


def _without_bold(note: str) -> str:
    return f"*: {note.removeprefix(STRONG)}" if note.startswith(STRONG) else note


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(clean(text), COLUMNS, break_on_hyphens=False) or [""]


def natural_width(table: Table) -> int:
    """Return the width of a table in which nothing is cut or wrapped."""
    return sum(_natural(table)) + _gaps(table)


def least_width(table: Table) -> int:
    """Return the least width of a table. Names and numbers keep theirs; the heads of numbers and other texts do not."""
    return sum(_least(table)) + _gaps(table)


def table_lines(table: Table) -> list[str]:
    """Return a table's lines: numbers aligned right, long heads cut, long texts wrapped. It is wider than 80 columns if it must be."""
    grid = Grid(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _gap(table) - 1, 0, 0))
    for column, wide in zip(table.columns, _widths(table), strict=True):
        side: Literal["right", "left"] = "right" if column.numeric else "left"
        grid.add_column(Words(clean(column.title)), justify=side, width=wide, overflow="ellipsis" if column.numeric else "fold")
    for row in table.rows:
        grid.add_row(*(Words(_words(text, column)) for text, column in zip(row, table.columns, strict=True)))
    out = io.StringIO()
    wide = max(COLUMNS, least_width(table))
    Console(file=out, width=wide, color_system=None, legacy_windows=False).print(grid, crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _widths(table: Table) -> list[int]:
    """Return the width of every column: where 80 columns are too few, the widest head of numbers gives way, and then the widest text."""
    widths, least = _natural(table), _least(table)
    for numeric in (True, False):
        while sum(widths) + _gaps(table) > COLUMNS:
            wide = [
                place for place, column in enumerate(table.columns) if column.numeric is numeric and widths[place] > least[place]
            ]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _natural(table: Table) -> list[int]:
    return [max(width(clean(column.title)), content) for column, content in zip(table.columns, _contents(table), strict=True)]


def _least(table: Table) -> list[int]:
    natural, contents = _natural(table), _contents(table)
    texts = [natural[0], *(min(wide, LEAST_TEXT) for wide in natural[1:])]
    return [content if column.numeric else text for column, content, text in zip(table.columns, contents, texts, strict=True)]


def _contents(table: Table) -> list[int]:
    """Return the width of the widest text in every column, without the heads."""
    return [max((width(_words(row[place], column)) for row in table.rows), default=0) for place, column in enumerate(table.columns)]


def _gaps(table: Table) -> int:
    return _gap(table) * (len(table.columns) - 1)


def _gap(table: Table) -> int:
    """Return the space between two columns: less where it spares the heads of a table of plain numbers a cut."""
    plain = all(column.numeric for column in table.columns[1:]) and not any(
        " " in text.text for row in table.rows for text in row[1:]
    )
    wide, between = sum(_natural(table)), len(table.columns) - 1
    return GAP - 1 if plain and wide + (GAP - 1) * between <= COLUMNS < wide + GAP * between else GAP


def _words(text: Text, column: Column) -> str:
    words = clean(text.text)
    return f"{words}*" if text.strong and column.numeric else words
