"""Every table goes through LaTeX, whatever stands in it, and fits into one column of an article."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from harness.report.render.document import Column, Report, Table, Text, columns, row
from harness.report.render.escape import together
from harness.report.render.latex import to_latex
from harness.report.render.latex_layout import LINE, Place, Style, head_lines, lay_out, words
from harness.report.render.tex_metrics import tex_width

PDFLATEX = shutil.which("pdflatex")
PAGE = r"""\documentclass{article}\usepackage{booktabs,textcomp}
\begin{document}
%s
\end{document}
"""


def wide_table(count: int = 9, rows: int = 3) -> Table:
    """Return a table like that of the scores: a mean and a deviation for each of many tasks."""
    body = tuple(row(f"optuna_gp_startup{n}+default", *["93.5 ± 1.7"] * count) for n in range(rows))
    return Table("t", "T", columns("arm", *(f"task{n}" for n in range(count))), body, pd.DataFrame())


def widest(table: Table, place: Place, head: list[str], style: Style) -> float:
    """Return how wide a column is set: counted from its texts, not from its room."""
    heads = max(tex_width(line, style.size) for line in head)
    texts = [one[place.column] for one in table.rows]
    if place.width is None:
        return max([heads, *(tex_width(together(text.text), style.size, bold=text.strong) for text in texts)])
    pieces = [tex_width(piece, style.size, bold=text.strong) for text in texts for piece, _ in words(text.text, style.size)]
    assert max(pieces, default=0.0) <= place.width, "a word stands out of its column"
    return max(heads, place.width)


def line_widths(table: Table) -> list[float]:
    """Return the width in points of each panel of a table."""
    style, found = lay_out(table).style, []
    for panel in lay_out(table).panels:
        heads = list(zip(*head_lines(table, panel, style), strict=True))
        widths = [widest(table, place, list(head), style) for place, head in zip(panel, heads, strict=True)]
        found.append(sum(widths) + 2 * style.gap * (len(panel) - 1))
    return found


# As TeX measures them (\setbox0\hbox{...}\the\wd0 in an article at 10 pt).
@pytest.mark.parametrize(
    ("text", "size", "bold", "points"),
    [
        ("0123456789", 10.0, False, 50.0),
        ("0123456789", 8.5, False, 42.5),
        ("57.8 ± 1.2", 10.0, True, 50.58),
        ("[+1.94, +3.42]", 10.0, False, 62.78),
        ("−14.95", 10.0, False, 30.56),
        ("default_only", 10.0, False, 52.49),
        ("real: start", 10.0, False, 44.0),
        ("INCONCLUSIVE", 9.25, False, 72.19),
    ],
)
def test_a_text_is_as_wide_as_tex_sets_it(text: str, size: float, bold: bool, points: float) -> None:
    assert tex_width(text, size, bold=bold) == pytest.approx(points, rel=0.01)


@pytest.mark.parametrize("out", ["synthetic_out", "hostile"])
def test_every_table_fits_into_one_column_of_an_article(out: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(out)
    report = report if isinstance(report, Report) else report[0]
    tables = [item for item in report.items() if isinstance(item, Table)]
    assert len(tables) > 10
    assert {table.key: max(line_widths(table)) for table in tables if max(line_widths(table)) > LINE} == {}


def test_a_table_that_fits_keeps_the_size_of_the_text_and_its_lines() -> None:
    table = wide_table(3)
    written = to_latex(table)
    assert r"\normalsize" in written
    assert r"{@{}lrrr@{}}" in written
    assert len(lay_out(table).panels) == 1


def test_a_table_too_wide_for_the_smallest_size_is_broken_into_panels_that_name_their_rows() -> None:
    table = wide_table(9)
    layout = lay_out(table)
    assert layout.style.command == "footnotesize"
    assert [place.column for panel in layout.panels for place in panel if place.column] == list(range(1, 10))
    assert all(panel[0].column == 0 for panel in layout.panels)
    assert len(layout.panels) == 2
    assert max(line_widths(table)) <= LINE
    assert to_latex(table).count(r"\toprule") == 2


def test_all_columns_that_it_takes_to_tell_rows_apart_stand_in_each_panel() -> None:
    cells = [("normal", str(tasks), *["1.234567"] * 8) for tasks in range(5)]
    table = Table(
        "t", "T", columns("differences", "tasks", *["a long enough head"] * 8), tuple(row(*one) for one in cells), pd.DataFrame()
    )
    assert all([place.column for place in panel[:2]] == [0, 1] for panel in lay_out(table).panels)


def test_a_long_text_is_wrapped_and_an_interval_never() -> None:
    heads = (Column("arm", numeric=False), Column("gap"), Column("why", numeric=False))
    table = Table("t", "T", heads, (row("a", "[+1.94, +3.42]", "because of this " * 20),), pd.DataFrame())
    written = to_latex(table)
    assert re.search(r"\{@\{\}lrp\{[\d.]+pt\}@\{\}\}", written)
    assert "{[}+1.94,~+3.42{]}" in written


def test_a_table_longer_than_a_page_goes_on_under_the_same_number() -> None:
    written = to_latex(wide_table(2, rows=100))
    assert written.count(r"\begin{table}") == written.count("(continued)") + 1 > 1
    assert written.count(r"\addtocounter{table}{-1}") == written.count("(continued)")
    assert written.count(r"\label") == 1
    assert written.count("93.5") == 200


def test_a_star_at_the_start_of_a_row_is_not_taken_by_the_row_before() -> None:
    table = Table("t", "T", columns("arm"), (row("a"), (Text("*b"),)), pd.DataFrame())
    assert "{*}b" in to_latex(table)


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here: apt-get install texlive-latex-recommended")
def test_tables_are_set_without_an_error_and_within_the_line_and_the_page(
    hostile_out: Path, synthetic_out: tuple[Report, Path], tmp_path: Path
) -> None:
    tables = [table for out in (hostile_out, synthetic_out[1]) for table in sorted((out / "latex").glob("*.tex"))]
    assert len(tables) > 20
    (tmp_path / "all.tex").write_text(PAGE % "\n".join(f"\\input{{{table}}}\\clearpage" for table in tables))
    command = [str(PDFLATEX), "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "all.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert "Undefined" not in ran.stdout
    assert re.findall(r"Overfull.*|.*Float too large.*", ran.stdout) == []
