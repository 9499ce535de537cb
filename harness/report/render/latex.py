r"""Tables as LaTeX, for `\input` in an article of one column that loads booktabs; `latex_layout.py` makes them fit.

Its escaping is by hand (escape.py): Jinja2 has none for LaTeX.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias

from harness.report.render.document import Table, Text
from harness.report.render.escape import latex, together
from harness.report.render.latex_layout import LINE, PAGE, Layout, Place, Style, head_lines, lay_out, lines, row_lines, words

NEEDS = rf"% Needs \usepackage{{booktabs,textcomp}}. For lines of {LINE:g} pt: the class article in one column, at 10 pt."
# Heights in points: the rules of a table with the space around them, and the space around a caption.
RULES, CAPTION = 14.0, 20.0
# A panel, and the rows of it that stand in one float.
Block: TypeAlias = tuple[tuple[Place, ...], tuple[tuple[Text, ...], ...]]


def to_latex(table: Table) -> str:
    """Return one `table` environment with caption, label and notes, or several where the table is longer than a page."""
    layout = lay_out(table)
    floats = list(_floats(table, layout))
    written = [
        line
        for number, blocks in enumerate(floats)
        for line in _float(table, layout.style, blocks, first=number == 0, last=number == len(floats) - 1)
    ]
    return "\n".join([NEEDS, *written]) + "\n"


def _floats(table: Table, layout: Layout) -> Iterator[list[Block]]:
    """Spread the panels and their rows over as many pages as they take."""
    style = layout.style
    room = PAGE - CAPTION - 12.0 * len(lines(table.title, LINE, 10.0))
    foot = sum(9.5 * len(lines(note, LINE, 8.5)) + 3.0 for note in table.notes)
    page: list[Block] = []
    left = room
    for panel in layout.panels:
        head = RULES + style.leading * len(head_lines(table, panel, style))
        rows = list(table.rows)
        while rows or not table.rows:
            heights = [style.leading * row_lines(row, panel, style) for row in rows]
            tops = list(accumulate(heights, initial=head))
            fitting = sum(top <= left for top in tops) - 1
            if fitting == len(rows) and panel is layout.panels[-1] and tops[-1] > left - foot:
                fitting -= 1  # so that the notes stand below rows
            if page and fitting < min(len(rows), 3):
                yield page
                page, left = [], room
                continue
            # A table does not end with one or two rows on a page of their own.
            taken = fitting if fitting == len(rows) else max(1, min(fitting, len(rows) - 3))
            page.append((panel, tuple(rows[:taken])))
            left -= head + sum(heights[:taken])
            rows = rows[taken:]
            if not table.rows:
                break
    if page and left < foot:
        yield page
        page = []
    yield page


def _float(table: Table, style: Style, blocks: Sequence[Block], *, first: bool, last: bool) -> Iterator[str]:
    yield r"\begin{table}"
    yield r"  \centering"
    # What has no place to break must not stand out of the line.
    yield r"  \emergencystretch=3em\setlength{\belowcaptionskip}{6pt}"
    if not first:
        yield r"  \addtocounter{table}{-1}"
    yield rf"  \caption{{{_flowing(table.title)}{'' if first else ' (continued)'}}}"
    if first:
        yield rf"  \label{{tab:{table.key}}}"
    yield rf"  \{style.command}\setlength{{\tabcolsep}}{{{style.gap:g}pt}}%"
    for number, (panel, rows) in enumerate(blocks):
        if number:
            yield r"  \par\medskip"
        yield from _tabular(table, panel, rows, style)
    if last:
        yield from (rf"  \par\smallskip\raggedright\footnotesize {_flowing(note)}" for note in table.notes)
    yield r"\end{table}"


def _tabular(table: Table, panel: Sequence[Place], rows: Sequence[Sequence[Text]], style: Style) -> Iterator[str]:
    yield rf"  \begin{{tabular}}{{@{{}}{''.join(_kind(table, place) for place in panel)}@{{}}}}"
    yield r"    \toprule"
    for heads in head_lines(table, panel, style):
        yield _row(_cell(table, place, Text(head)) for place, head in zip(panel, heads, strict=True))
    yield r"    \midrule"
    for row in rows:
        yield _row(_cell(table, place, row[place.column]) for place in panel)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"


def _kind(table: Table, place: Place) -> str:
    if place.width is not None:
        return f"p{{{place.width:.1f}pt}}"
    return "r" if table.columns[place.column].numeric else "l"


def _row(cells: Iterator[str]) -> str:
    # In a wrapped column, `\\` would end a line and not the row.
    return rf"    {' & '.join(cells)} \tabularnewline"


def _cell(table: Table, place: Place, text: Text) -> str:
    written = latex(together(text.text)) if place.width is None else _flowing(text.text)
    if text.strong and written:
        written = rf"\textbf{{{written}}}"
    if place.width is None or not written:
        return written
    return (r"\raggedleft " if table.columns[place.column].numeric else r"\raggedright ") + written


def _flowing(text: str) -> str:
    """Return a text that may be wrapped: also at the joints of long names, and within words that no line holds."""
    pieces = ((latex(piece), " " if space else r"\allowbreak{}") for piece, space in words(text, 10.0))
    return "".join(before + piece for piece, before in pieces).removeprefix(" ")
