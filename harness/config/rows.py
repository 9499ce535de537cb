"""The rows of a table that a user wrote: a CSV file, or JSON lines. Each knows its line, for errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import SettingsError

SUFFIXES = (".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class Row:
    """One row. `where` names file and line; values are texts in CSV (`is_text`), and any JSON in JSON lines."""

    where: str
    fields: Mapping[str, object]
    is_text: bool

    def refuse(self, field: str, why: str) -> SettingsError:
        """Return the error for one field."""
        return SettingsError(f"{self.where}, {field}: {why}")


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of the file of the setting `given`. Raises SettingsError, which names file and line."""
    if path.suffix.lower() not in SUFFIXES:
        shown = path if path.name else ""
        raise SettingsError(f"given={shown}: give a file that ends in .csv, or in .jsonl for a JSON object a line")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"given={path}: is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise SettingsError(f"given={path}: cannot be read ({error.strerror or error})") from error
    yield from (_csv_rows if path.suffix.lower() == ".csv" else _json_rows)(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    head: list[str] = []
    try:
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not head:
                head = [cell.strip() for cell in cells]
                _check_head(where, head)
            elif len(cells) != len(head):
                raise SettingsError(f"{where}: has {len(cells)} cells, and the first line has {len(head)}")
            else:
                yield Row(where, dict(zip(head, (cell.strip() for cell in cells), strict=True)), is_text=True)
    except csv.Error as error:
        raise SettingsError(f"{path}, line {reader.line_num}: is not CSV ({error})") from error


def _check_head(where: str, head: Sequence[str]) -> None:
    if len(head) == 1 and ";" in head[0]:
        raise SettingsError(f"{where}: its cells are separated by ;, and must be by commas")
    if twice := next((name for name in head if head.count(name) > 1), None):
        raise SettingsError(f"{where}, {twice}: two columns have this name")


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{where}: is not JSON ({error})") from error
        if not isinstance(fields, dict):
            raise SettingsError(f"{where}: is not a JSON object")
        yield Row(where, fields, is_text=False)
