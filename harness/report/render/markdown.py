"""A report as Markdown: for a file (escaped), and for a terminal (aligned, at most 80 columns where that is possible, the best of its
kind marked by a star).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence

from harness.report.render.document import Column, Figure, Fold, Item, Report, Section, Table, Text, Verbatim
from harness.report.render.escape import clean, markdown, width

LINE = 80


def to_markdown(report: Report) -> str:
    """Return the whole report as one Markdown file; figures are links to the files beside it."""
    lines = [f"# {markdown(report.title)}", ""]
    lines += [f"- **{markdown(name)}**: {markdown(value)}" for name, value in report.facts] + [""]
    if report.answers:
        lines += ["## In short", ""]
        for answer in report.answers:
            lines += [f"**{markdown(answer.question)}** {markdown(answer.word)}. {markdown(answer.text)}", ""]
            lines += [f"- {markdown(what)}: {markdown(figures)}" for what, figures in answer.lines] + [""]
    if report.problems:
        lines += ["## Records that could not be used as they are", ""] + [f"- {markdown(line)}" for line in report.problems] + [""]
    for section in report.sections:
        lines += [f"## {markdown(section.title)}", ""]
        for item in section.items:
            lines += [*_item(item), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def to_terminal(report: Report, sections: Sequence[str]) -> str:
    """Return the answers, the problems and some sections for a terminal; what others wrote cannot move its cursor."""
    lines = [clean(report.title), ""]
    for section in (s for s in report.sections if s.key in sections):
        lines += _terminal_section(section)
    for answer in report.answers:
        lines += _wrapped(f"{answer.question} {answer.word}. {answer.text}")
        lines += [f"  {clean(what)}: {clean(figures)}" for what, figures in answer.lines] + [""]
    lines += [line for problem in report.problems for line in _wrapped(f"! {problem}")]
    return "\n".join(lines).rstrip("\n") + "\n"


def _terminal_section(section: Section) -> list[str]:
    lines = []
    for item in section.items:
        if isinstance(item, str):
            lines += [*_wrapped(item), ""]
        elif isinstance(item, Table):
            for table in [item] if not item.narrow or _fits(item) else item.narrow:
                lines += [
                    *_wrapped(table.title),
                    *table_lines(table, clean),
                    *(n for note in table.notes for n in _wrapped(note)),
                    "",
                ]
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(clean(text), LINE) or [""]


def _fits(table: Table) -> bool:
    return all(width(line) <= LINE for line in table_lines(table, clean))


def table_lines(table: Table, safe: Callable[[str], str]) -> list[str]:
    """Return a table's lines, its columns aligned. `safe` escapes the texts."""
    heads = [safe(column.title) for column in table.columns]
    body = [[_cell(text, column, safe) for text, column in zip(texts, table.columns, strict=True)] for texts in table.rows]
    widths = [max([3, *(width(line[i]) for line in [heads, *body])]) for i in range(len(heads))]
    rule = [("-" * (w - 1) + ":") if c.numeric else "-" * w for w, c in zip(widths, table.columns, strict=True)]
    lines = []
    for line in [heads, rule, *body]:
        padded = [
            " " * (w - width(text)) + text if column.numeric else text + " " * (w - width(text))
            for text, w, column in zip(line, widths, table.columns, strict=True)
        ]
        lines.append(f"| {' | '.join(padded)} |")
    return lines


def _cell(text: Text, column: Column, safe: Callable[[str], str]) -> str:
    if safe is clean:
        words = clean(text.text.replace("|", "/"))
        return f"{words}*" if text.strong and column.numeric else words
    return f"**{safe(text.text)}**" if text.strong and text.text else safe(text.text)


def _item(item: Item) -> Iterator[str]:
    match item:
        case str():
            yield markdown(item)
        case Table():
            yield f"**{markdown(item.title)}** ([CSV](csv/{item.key}.csv))"
            yield ""
            yield from table_lines(item, markdown)
            for note in item.notes:
                yield ""
                yield markdown(note)
        case Figure():
            yield f"![{markdown(item.alt)}](figures/{item.key}.svg)"
            yield ""
            yield f"*{markdown(item.title)}* ([CSV](csv/{item.key}.csv), [PNG](figures/{item.key}.png))"
        case Verbatim():
            yield f"**{markdown(item.title)}**"
            yield ""
            yield from (f"    {line}" for line in clean(item.text, lines=True).splitlines())
        case Fold():
            yield f"### {markdown(item.title)}"
            for inner in item.items:
                yield ""
                yield from _item(inner)
