"""The report as one self-contained HTML page: no script, no request, everything that others wrote escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness.report.render.document import Answer, Column, Figure, Fold, Item, Report, Section, Table, Text, Verbatim
from harness.report.render.html import Safe, escape, join, tag
from harness.report.render.plot_style import FAINT, INK

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
CSS = Path(__file__).with_name("page.css")


def to_html(report: Report, drawings: Mapping[str, str]) -> str:
    """Return the page. `drawings` holds every figure's SVG by its key."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", report.title),
        tag("style", Safe(CSS.read_text(encoding="utf-8"))),
    )
    page = _Page(drawings)
    body = tag(
        "body",
        tag("header", tag("h1", report.title), _facts(report), _contents(report)),
        tag("main", _answers(report.answers), _problems(report.problems), *(page.section(s) for s in report.sections)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _facts(report: Report) -> Safe:
    return tag("dl", *((tag("dt", name), tag("dd", value)) for name, value in report.facts), class_="facts")


def _contents(report: Report) -> Safe:
    links = [tag("a", section.title.partition(":")[0], href=f"#{section.key}") for section in report.sections]
    return tag("nav", *links, aria_label="Sections")


def _answers(answers: tuple[Answer, ...]) -> Safe:
    blocks = [
        tag(
            "div",
            tag("h2", answer.question),
            tag("p", tag("strong", answer.word, class_=f"word {answer.tone}")),
            tag("p", answer.text, " ", tag("a", "Details", href=f"#{answer.section}")),
            tag("dl", *(tag("div", tag("dt", what), tag("dd", figures)) for what, figures in answer.lines))
            if answer.lines
            else None,
            class_="answer",
        )
        for answer in answers
    ]
    return tag("section", *blocks, class_="answers", aria_label="In short") if blocks else Safe("")


def _problems(problems: tuple[str, ...]) -> Safe:
    if not problems:
        return Safe("")
    lines = tag("ul", *(tag("li", line) for line in problems))
    title = f"{len(problems)} {'record or setting needs' if len(problems) == 1 else 'records or settings need'} a look"
    return tag("details", tag("summary", title), lines, class_="problems", open=len(problems) <= 5)


class _Page:
    """Renders items; knows the drawings."""

    def __init__(self, drawings: Mapping[str, str]) -> None:
        self._drawings = drawings

    def section(self, section: Section) -> Safe:
        return tag("section", tag("h2", section.title), *(self.item(item) for item in section.items), id=section.key)

    def item(self, item: Item) -> Safe:
        match item:
            case Table():
                return _table(item)
            case Figure():
                return self._figure(item)
            case Fold():
                inner = (self.item(one) for one in item.items)
                return tag("details", tag("summary", item.title), *inner, open=item.opened)
            case Verbatim():
                return tag("figure", tag("figcaption", item.title), tag("pre", escape(item.text, lines=True)), class_="verbatim")
            case _:
                return tag("p", item)

    def _figure(self, figure: Figure) -> Safe:
        drawing = tag(
            "div", inline_svg(self._drawings[figure.key]), class_="drawing", role="img", aria_label=figure.alt, tabindex="0"
        )
        files = _files(("SVG", f"figures/{figure.key}.svg"), ("PNG", f"figures/{figure.key}.png"), ("CSV", f"csv/{figure.key}.csv"))
        return tag("figure", drawing, tag("figcaption", figure.title, ". ", files))


def _table(table: Table) -> Safe:
    head = tag(
        "tr", *(tag("th", column.title, scope="col", class_=_align(column), title=column.hint or None) for column in table.columns)
    )
    body = [tag("tr", *(_cell(text, column) for text, column in zip(row, table.columns, strict=True))) for row in table.rows]
    files = _files(("CSV", f"csv/{table.key}.csv"), ("LaTeX", f"latex/{table.key}.tex"))
    caption = tag("figcaption", table.title, ". ", files)
    grid = tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body)),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=table.title,
    )
    notes = [tag("p", note, class_="note") for note in table.notes]
    return tag("figure", caption, grid, *notes, class_="table")


def _cell(text: Text, column: Column) -> Safe:
    content: str | Safe = tag("strong", text.text) if text.strong else text.text
    classes = " ".join(filter(None, (_align(column), text.tone)))
    return tag("td", content, class_=classes or None)


def _align(column: Column) -> str | None:
    return "n" if column.numeric else None


def _files(*links: tuple[str, str]) -> Safe:
    return tag("span", *(join((tag("a", name, href=path), " ")) for name, path in links), class_="files")


def inline_svg(svg: str) -> Safe:
    """Return matplotlib's SVG ready for the page: no prolog, sized by the page, its ink in the page's colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    opening, _, rest = body.partition(">")
    width = re.search(r'viewBox="0 0 ([\d.]+) ', opening)
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    size = f' style="max-width: {float(width[1]):.0f}pt"' if width else ""
    rest = rest.replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")
    return Safe(f'{opening}{size} focusable="false" aria-hidden="true">{rest}')
