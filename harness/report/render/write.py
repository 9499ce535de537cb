"""Writes a report: the page, Markdown, CSV and LaTeX of every table, CSV, SVG and PNG of every figure."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from harness.errors import StorageError
from harness.report.render.document import Figure, Report, Table
from harness.report.render.escape import clean
from harness.report.render.latex import to_latex
from harness.report.render.markdown import to_markdown
from harness.report.render.page import narrow_key, to_html, without_refresh
from harness.report.render.plot_style import png_of, style, svg_of
from harness.store.files import DRAFT, remove_dead_drafts, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

PAGE = "report.html"
PARTS = ("csv", "latex", "figures")
# A cell that begins like this is run by a spreadsheet, unless it is a number.
_FORMULA = ("=", "@", "+", "-")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


def write_report(report: Report, out: Path, trials: pd.DataFrame | None = None, refresh_seconds: int | None = None) -> None:
    """Write everything into `out`, and then remove the files of an earlier report from its subfolders. Raises StorageError.

    Each file replaces its forerunner whole, and the page comes last: who reads an earlier report meanwhile misses no file. `trials` is the
    table of all trials, for `trials.csv`. With `refresh_seconds` the page loads itself anew after this time.
    """
    try:
        for part in PARTS:
            _make_folder(out / part)
        drawings: dict[str, str] = {}
        written: dict[str, set[str]] = {part: set() for part in PARTS}
        for item in report.items():
            if isinstance(item, Figure):
                drawings[item.key] = _write(item, out)
                written["figures"] |= {f"{item.key}.svg", f"{item.key}.png"}
                if item.narrow is not None:
                    drawings[narrow_key(item.key)] = _svg(item.narrow, narrow_key(item.key))[1]
        for item in report.items():
            if isinstance(item, Table | Figure):
                _write_csv(item.data, out / "csv" / f"{item.key}.csv")
                written["csv"].add(f"{item.key}.csv")
            if isinstance(item, Table):
                write_whole(out / "latex" / f"{item.key}.tex", to_latex(item).encode(), sync=False)
                written["latex"].add(f"{item.key}.tex")
        if trials is not None:
            _write_csv(trials, out / "trials.csv")
        write_whole(out / "report.md", to_markdown(report).encode(), sync=False)
        write_whole(out / PAGE, to_html(report, drawings, refresh_seconds).encode(), sync=False)
        for part, names in written.items():
            _remove_others(out / part, names)
    except OSError as error:
        raise StorageError(f"cannot write {error.filename or out}: {error.strerror or error}") from error


def end_refresh(out: Path) -> None:
    """Let the page in `out` load itself anew no longer. Raises StorageError."""
    try:
        text = (out / PAGE).read_text(encoding="utf-8")
        still = without_refresh(text)
        if still != text:
            write_whole(out / PAGE, still.encode(), sync=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot write {error.filename or out}: {error.strerror or error}") from error


def _make_folder(path: Path) -> None:
    """Make a folder. Raises FileExistsError for a link, since files of a folder elsewhere are not ours to remove."""
    if path.is_symlink():
        raise FileExistsError(errno.EEXIST, "it is a link, and a report's files are removed with the next report", str(path))
    path.mkdir(parents=True, exist_ok=True)


def _remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove what an earlier report left in a folder. What another process is just writing stays."""
    remove_dead_drafts(folder)
    for path in folder.iterdir():
        if path.name in names or DRAFT.fullmatch(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _write(figure: Figure, out: Path) -> str:
    """Write one figure and return its SVG."""
    canvas, svg = _svg(figure.draw, figure.key)
    with style():
        write_whole(out / "figures" / f"{figure.key}.png", png_of(canvas), sync=False)
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
    write_whole(path, _plain(data).to_csv(index=False, lineterminator="\n").encode(), sync=False)


def _plain(data: pd.DataFrame) -> pd.DataFrame:
    """Return the data for a CSV: control characters are spelt out, and a quote comes before what a spreadsheet would run."""
    return data.rename(columns=str).rename(columns=_cell).map(_cell)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = clean(value, lines=True)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text
