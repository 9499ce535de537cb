"""Write a summary as text, JSON or Markdown tables, within a bound on its size.

The three formats hold the same facts. A summary is written with full detail first. If it exceeds its bound, it is written again with
less detail. If that is not enough (a space with very many hyperparameters), lists and rows are cut. The text counts what is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from harness.errors import SettingsError, near
from harness.tcs import thresholds as limit
from harness.tcs.summarizer import Summary
from harness.tcs.view.section import DETAILS, Assignments, Cell, Detail, Phrase, Points, Scalar, Table, View
from harness.tcs.view.words import shortest
from harness.tokens import estimate_tokens

_CUTS = (12, 8, 5, 3, 2, 1, 0)

Titled = Sequence[tuple[str, View]]


class Format(StrEnum):
    """The format of a written summary."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def token_bound(trials: int) -> int:
    """Return the most tokens that a summary of `trials` trials may take.

    The bound is 1,500 up to 10 trials, 2,000 at 100 trials, and 2,500 from 1,000 trials on; it grows with the logarithm in between.
    """
    more = math.log10(max(trials, 1) / limit.FEW_TRIALS)
    grown = limit.TOKENS_FEW_TRIALS + math.floor(500 * max(more, 0.0))
    return min(grown, limit.TOKENS_MANY_TRIALS)


def format_named(name: str) -> Format:
    """Return the format called `name`. Raises SettingsError for an unknown name."""
    if name not in set(Format):
        raise SettingsError(f"tcs.format: unknown format '{name}'{near(name, Format)}")
    return Format(name)


def render(summary: Summary, form: str = Format.TEXT) -> str:
    """Write a summary in at most `token_bound(summary.trials)` tokens, as `estimate_tokens` counts them.

    Raises SettingsError for an unknown format.
    """
    write = {Format.TEXT: _text, Format.JSON: _json, Format.MARKDOWN: _markdown}[format_named(form)]
    bound = token_bound(summary.trials)

    def attempt(detail: Detail, most: int | None = None) -> tuple[bool, str]:
        views = [(section.name, section.view(detail)) for section in summary.sections]
        written = write(views if most is None else [(name, _cut(view, most)) for name, view in views])
        return estimate_tokens(written) <= bound, written

    fits, written = attempt(DETAILS[0])
    if fits:
        return written
    # Less detail is at most a few tokens longer, so binary search finds the most detail that fits in about three more attempts.
    shortest, low, high = None, 1, len(DETAILS) - 1
    while low <= high:
        middle = (low + high) // 2
        fits, written = attempt(DETAILS[middle])
        shortest, low, high = (written, low, middle - 1) if fits else (shortest, middle + 1, high)
    if shortest is not None:
        return shortest
    for most in _CUTS:
        fits, written = attempt(DETAILS[-1], most)
        if fits:
            break
    return written


def _cut(view: View, most: int) -> View:
    tables = tuple(
        replace(table, rows=tuple(_cut_row(row, most) for row in table.rows[:most]), more=table.more + _over(table.rows, most))
        for table in view.tables
    )
    return View(tuple((key, _cut_cell(cell, most)) for key, cell in view.facts), tables, view.notes if most else ())


def _cut_row(row: tuple[Cell, ...], most: int) -> tuple[Cell, ...]:
    return tuple(_cut_cell(cell, most) for cell in row)


def _cut_cell(cell: Cell, most: int) -> Cell:
    if isinstance(cell, Assignments):
        return Assignments(cell.items[:most], cell.more + _over(cell.items, most))
    if isinstance(cell, Points):
        return Points(cell.items[:most], cell.more + _over(cell.items, most))
    return cell


def _over(items: Sequence[object], most: int) -> int:
    return max(len(items) - most, 0)


# --- text -------------------------------------------------------------------------------------------------------------------------


def _text(views: Titled) -> str:
    return "\n\n".join(_text_section(name, view) for name, view in views) + "\n"


def _text_section(name: str, view: View) -> str:
    lines = [f"[{_spaced(name)}]"]
    lines += [f"{_spaced(key)}: {_cell_text(cell)}" for key, cell in view.facts]
    lines += [f"({note})" for note in view.notes]
    for table in view.tables:
        lines.append(" | ".join(table.columns))
        lines += [" | ".join(_cell_text(cell).replace("|", "/") for cell in row) for row in table.rows]
        lines += _more(table)
    return "\n".join(lines)


def _more(table: Table) -> list[str]:
    return [f".. {table.more} more"] if table.more else []


def _spaced(key: str) -> str:
    return key.replace("_", " ")


def _cell_text(cell: Cell) -> str:
    if isinstance(cell, Phrase):
        return cell.text
    if isinstance(cell, Assignments):
        return _joined([f"{name}={_scalar_text(value)}" for name, value in cell.items], cell.more, ", ")
    if isinstance(cell, Points):
        return _joined([f"{_scalar_text(value)}:{_scalar_text(score)}" for value, score in cell.items], cell.more, " ")
    return _scalar_text(cell)


def _joined(parts: list[str], more: int, between: str) -> str:
    return between.join([*parts, *([f".. {more} more"] if more else [])])


def _scalar_text(value: Scalar) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return str(value)


def _float_text(value: float) -> str:
    return shortest(value) if abs(value) >= 1e6 or abs(value) < 1_000 else repr(value).removesuffix(".0")


# --- JSON -------------------------------------------------------------------------------------------------------------------------


def _json(views: Titled) -> str:
    sections = [f"{json.dumps(name)}:{_dumps(_json_section(view))}" for name, view in views]
    return "{" + ",\n".join(sections) + "}\n"


def _dumps(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _json_section(view: View) -> dict[str, object]:
    section: dict[str, object] = {key: _cell_data(cell) for key, cell in view.facts}
    if view.notes:
        section["notes"] = list(view.notes)
    for table in view.tables:
        rows = [[_cell_data(cell) for cell in row] for row in table.rows]
        section[table.name] = {"columns": list(table.columns), "rows": rows, **({"more": table.more} if table.more else {})}
    return section


def _cell_data(cell: Cell) -> object:
    if isinstance(cell, Phrase):
        return {key: value for key, value in cell.data.items() if value is not None}
    if isinstance(cell, Assignments):
        return {**dict(cell.items), **_more_data(cell.more)}
    if isinstance(cell, Points):
        return [*([value, score] for value, score in cell.items), *([f"{cell.more} more"] if cell.more else [])]
    return cell


def _more_data(more: int) -> Mapping[str, str]:
    return {"..": f"{more} more"} if more else {}


# --- Markdown ---------------------------------------------------------------------------------------------------------------------


def _markdown(views: Titled) -> str:
    return "\n\n".join(_markdown_section(name, view) for name, view in views) + "\n"


def _markdown_section(name: str, view: View) -> str:
    parts = [f"## {_spaced(name)}"]
    if view.facts:
        parts.append(_grid(("fact", "value"), [(_spaced(key), cell) for key, cell in view.facts]))
    parts += [f"({note})" for note in view.notes]
    for table in view.tables:
        parts.append(_grid(table.columns, table.rows))
        parts += _more(table)
    return "\n\n".join(parts)


def _grid(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    lines = [_line(columns), "|" + "---|" * len(columns)]
    return "\n".join([*lines, *(_line([_cell_text(cell) for cell in row]) for row in rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells) + " |"
