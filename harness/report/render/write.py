"""Writes a report: the page, Markdown, CSV and LaTeX of every table, CSV, SVG and PNG of every figure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from harness.errors import StorageError
from harness.report.render.document import Figure, Report, Table
from harness.report.render.escape import clean
from harness.report.render.latex import to_latex
from harness.report.render.markdown import to_markdown
from harness.report.render.page import narrow_key, to_html
from harness.report.render.plot_style import png_of, style, svg_of
from harness.store.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

PARTS = ("csv", "latex", "figures")
# A cell that begins like this is run by a spreadsheet, unless it is a number.
_FORMULA = ("=", "@", "+", "-")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


def write_report(report: Report, out: Path, trials: pd.DataFrame | None = None) -> None:
    """Write everything into `out`, and remove the files of an earlier report from its subfolders. Raises StorageError.

    `trials` is the table of all trials, for `trials.csv`.
    """
    try:
        for part in PARTS:
            shutil.rmtree(out / part, ignore_errors=True)
            (out / part).mkdir(parents=True)
        drawings: dict[str, str] = {}
        for item in report.items():
            if isinstance(item, Figure):
                drawings[item.key] = _write(item, out)
                if item.narrow is not None:
                    drawings[narrow_key(item.key)] = _svg(item.narrow, narrow_key(item.key))[1]
        for item in report.items():
            if isinstance(item, Table | Figure):
                _write_csv(item.data, out / "csv" / f"{item.key}.csv")
            if isinstance(item, Table):
                write_whole(out / "latex" / f"{item.key}.tex", to_latex(item).encode(), sync=False)
        if trials is not None:
            _write_csv(trials, out / "trials.csv")
        write_whole(out / "report.md", to_markdown(report).encode(), sync=False)
        write_whole(out / "report.html", to_html(report, drawings).encode(), sync=False)
    except OSError as error:
        raise StorageError(f"cannot write {error.filename or out}: {error.strerror or error}") from error


def _write(figure: Figure, out: Path) -> str:
    """Write one figure and return its SVG."""
    canvas, svg = _svg(figure.draw, figure.key)
    with style():
        (out / "figures" / f"{figure.key}.png").write_bytes(png_of(canvas))
    write_whole(out / "figures" / f"{figure.key}.svg", svg.encode(), sync=False)
    return svg


def _svg(draw: Callable[[], Canvas], key: str) -> tuple[Canvas, str]:
    """Draw a figure, and return it with its SVG."""
    with style():
        canvas = draw()
        if (layout := canvas.get_layout_engine()) is not None:
            # Computed once: else each of the two files computes the layout again, which takes most of the time.
            layout.execute(canvas)
            canvas.set_layout_engine("none")
        return canvas, svg_of(canvas, key)


def _write_csv(data: pd.DataFrame, path: Path) -> None:
    _plain(data).to_csv(path, index=False, lineterminator="\n")


def _plain(data: pd.DataFrame) -> pd.DataFrame:
    """Return the data for a CSV: control characters are spelt out, and a quote comes before what a spreadsheet would run."""
    return data.rename(columns=str).rename(columns=_cell).map(_cell)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = clean(value, lines=True)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text
