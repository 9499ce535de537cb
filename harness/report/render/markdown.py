"""A report as one Markdown file. Its escaping is by hand (escape.py): Jinja2 has none for Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report.render.document import Figure, Fold, Item, Lead, Report, Table, Text, Verbatim
from harness.report.render.escape import clean, markdown, width


def to_markdown(report: Report) -> str:
    """Return the whole report as one Markdown file; figures are links to the files beside it."""
    lines = [f"# {markdown(report.title)}", "", *_lead(report.lead)]
    if report.answers:
        lines += ["## In short", ""]
        for answer in report.answers:
            lines += [f"**{markdown(answer.question)}** {markdown(answer.word)}. {markdown(answer.text)}", ""]
            lines += [f"- {markdown(what)}: {markdown(figures)}" for what, figures in answer.lines] + [""]
    if report.hint:
        lines += [markdown(report.hint.text), ""]
        lines += [f"    {clean(' '.join(report.hint.command))}", ""] if report.hint.command else []
    for place, section in enumerate(report.sections):
        lines += _facts(report) if place == report.before_facts else []
        lines += [f"## {markdown(section.title)}", ""]
        for item in section.items:
            lines += [*_item(item), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _facts(report: Report) -> list[str]:
    """Return the facts about the study, and the records that could not be used."""
    lines = ["## About this study", ""] if report.facts else []
    lines += [*(f"- **{markdown(name)}**: {markdown(value)}" for name, value in report.facts), ""]
    if report.problems:
        lines += ["## Records that could not be used as they are", ""] + [f"- {markdown(line)}" for line in report.problems] + [""]
    return lines


def _lead(lead: Lead | None) -> Iterator[str]:
    if lead is None:
        return
    yield from (f"**{markdown(lead.text)}**", "")
    for figure in lead.figures:
        yield from (*_item(figure), "")
    for note in lead.notes:
        yield from (markdown(note), "")


def table_lines(table: Table) -> list[str]:
    """Return a table's lines, its columns aligned in the source too."""
    heads = [markdown(column.title) for column in table.columns]
    body = [[_cell(text) for text in texts] for texts in table.rows]
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


def _cell(text: Text) -> str:
    return f"**{markdown(text.text)}**" if text.strong and text.text else markdown(text.text)


def _item(item: Item) -> Iterator[str]:
    match item:
        case str():
            yield markdown(item)
        case Table():
            yield f"**{markdown(item.title)}** ([CSV](csv/{item.key}.csv))"
            yield ""
            yield from table_lines(item)
            for note in item.notes:
                yield ""
                yield markdown(note)
        case Figure():
            yield f"![{markdown(item.alt)}](figures/{item.key}.svg)"
            yield ""
            yield f"*{markdown(item.title)}* ([CSV](csv/{item.key}.csv), [PNG](figures/{item.key}.png))"
            for note in item.notes:
                yield ""
                yield markdown(note)
        case Verbatim():
            yield f"**{markdown(item.title)}**"
            yield ""
            yield from (f"    {line}" for line in clean(item.text, lines=True).splitlines())
        case Fold():
            yield f"### {markdown(item.title)}"
            for inner in item.items:
                yield ""
                yield from _item(inner)
