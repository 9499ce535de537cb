r"""Tables as LaTeX, for `\input` in a paper that loads booktabs. Its escaping is by hand (escape.py): Jinja2 has none for LaTeX."""

from __future__ import annotations

from harness.report.render.document import Table, Text
from harness.report.render.escape import latex


def to_latex(table: Table) -> str:
    """Return a `table` environment with caption, label and notes."""
    align = "".join("r" if column.numeric else "l" for column in table.columns)
    head = " & ".join(latex(column.title) for column in table.columns)
    body = [" & ".join(_cell(text) for text in row) + r" \\" for row in table.rows]
    notes = [rf"\par\smallskip\footnotesize {latex(note)}" for note in table.notes]
    lines = [
        r"% Needs \usepackage{booktabs,textcomp}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{latex(table.title)}}}",
        rf"  \label{{tab:{table.key}}}",
        rf"  \begin{{tabular}}{{{align}}}",
        r"    \toprule",
        rf"    {head} \\",
        r"    \midrule",
        *(f"    {line}" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(f"  {note}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: Text) -> str:
    words = latex(text.text)
    return rf"\textbf{{{words}}}" if text.strong and words else words
