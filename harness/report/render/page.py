"""The report as one self-contained HTML page, made from the templates in templates/. It sends no request.

It runs one script of ours, templates/page.js, which the page's policy names by its hash. Nothing else may run: a text from outside that
became markup would stay idle. The page is complete without the script, which only adds controls to tables.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from harness.report.render.document import Column, Figure, Fold, Report, Table, Verbatim
from harness.report.render.escape import clean, together, width
from harness.report.render.plot_style import FAINT_COLOUR, PALETTE, TEXT_COLOUR
from harness.report.render.sorting import sort_value

if TYPE_CHECKING:
    from jinja2 import Environment

# As the template writes it, before anything of the study's own.
REFRESH = re.compile(r'<meta http-equiv="refresh" content="[0-9]+">\n')
# The colours of a drawing that the page replaces by its own.
_COLOURS = {TEXT_COLOUR: "front", FAINT_COLOUR: "faint", **{colour: f"arm{place}" for place, colour in enumerate(PALETTE)}}
# Of a drawing on the page: ids of groups, which every drawing has and nothing refers to; the font, which is the page's; turns by 0 degrees;
# and indentation.
_NEEDLESS = re.compile(
    r"""(?<=<g) id="[^"]*"|font-family: 'DejaVu Sans', sans-serif; | transform="rotate\(-0 [^"]*"|(?<=\n) +(?=<)"""
)
# Characters in a line of a printed table: at its usual size, and at its smallest on an upright page. A longer text is wrapped.
MOST_AT_EASE, MOST_UPRIGHT, WRAPPED = 136, 155, 24
KINDS = {"table": Table, "figure": Figure, "fold": Fold, "verbatim": Verbatim}

# Where a word may be broken: the name of an arm at its joints, `rules_anonymous+default`, and any other where it is very long.
_JOINT = re.compile(r"([_+]|[^\W_]{24})(?=\w)")


def narrow_key(key: str) -> str:
    """Return the key of a figure's drawing for a phone."""
    return f"{key}_narrow"


def to_html(report: Report, drawings: Mapping[str, str], refresh_seconds: int | None = None) -> str:
    """Return the page. `drawings` holds the SVG of every figure by its key, and those for a phone by their `narrow_key`.

    With `refresh_seconds` the page loads itself anew after this time.
    """
    from markupsafe import Markup  # noqa: PLC0415 - see _environment

    svgs = {key: Markup(inline_svg(svg)) for key, svg in drawings.items()}
    script = page_script()
    template = _environment().get_template("page.html.j2")
    return template.render(report=report, drawings=svgs, script=Markup(script), policy=policy(script), refresh=refresh_seconds)


def without_refresh(page: str) -> str:
    """Return a page that does not load itself anew."""
    return REFRESH.sub("", page, count=1)


@functools.cache
def page_script() -> str:
    """Return the text of the page's script, with nothing in it that could end it early."""
    script = resources.files(__package__).joinpath("templates", "page.js").read_text(encoding="utf-8")
    if not script.isascii() or re.search(r"</|<!", script):
        raise ValueError(
            "page.js must be ASCII, without '</' and '<!': else a browser reads another text than the one that is hashed"
        )
    return script


def policy(script: str) -> str:
    """Return the page's content security policy: no request, and no script but the one with this text."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def crowding(table: Table) -> str:
    """Return the classes of a table that paper has little room for: `crowded`, and `sideways` where only a page on its side has."""
    columns = zip(table.columns, *table.rows, strict=True)
    wide = sum(2 + _least_width(column, [text.text for text in texts]) for column, *texts in columns)
    return " crowded sideways" if wide > MOST_UPRIGHT else " crowded" if wide > MOST_AT_EASE else ""


def _least_width(column: Column, texts: Sequence[str]) -> int:
    """Return the characters that a column needs: those of its numbers, and few of its texts, which wrap."""
    head = max(map(width, re.findall(r"[^\s_+]+[_+]?", column.title)), default=0)
    pieces = (piece for text in texts for piece in ([text] if len(text) <= WRAPPED else together(text).split(" ")))
    content = max(map(width, pieces), default=0)
    return max(head, content if column.numeric else min(content, WRAPPED))


@functools.cache
def _environment() -> Environment:
    """Return the templates' environment. It escapes every value, after `clean` has spelt out the control characters in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only a report that is written needs it
    from markupsafe import Markup, escape  # noqa: PLC0415

    def cleaned(value: Any) -> Any:
        return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=PackageLoader("harness.report.render"),
        autoescape=True,
        finalize=cleaned,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    made.filters["verbatim"] = lambda text: escape(clean(text, lines=True))
    made.filters["together"] = together
    made.filters["crowding"] = crowding
    made.filters["joints"] = lambda text: Markup(_JOINT.sub(r"\1<wbr>", str(escape(clean(text)))))
    made.filters["sort_value"] = sort_value
    for name, kind in KINDS.items():
        made.tests[name] = lambda value, kind=kind: isinstance(value, kind)
    return made


def inline_svg(svg: str) -> str:
    """Return a figure's SVG for the page: without prolog and metadata, as wide as the page, in the page's colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    opening, _, rest = body.partition(">")
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    rest = _NEEDLESS.sub("", rest)
    for colour, name in _COLOURS.items():
        rest = rest.replace(colour, f"var(--{name})")
    return f'{opening} focusable="false" aria-hidden="true">{rest}'
