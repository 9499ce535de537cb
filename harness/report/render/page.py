"""The report as one self-contained HTML page, made from the templates in templates/. It runs no script and sends no request."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.report.render.document import Figure, Fold, Report, Table, Verbatim
from harness.report.render.escape import clean
from harness.report.render.plot_style import FAINT_COLOUR, TEXT_COLOUR

if TYPE_CHECKING:
    from jinja2 import Environment

# As the template writes it, before anything of the study's own.
REFRESH = re.compile(r'<meta http-equiv="refresh" content="[0-9]+">\n')
KINDS = {"table": Table, "figure": Figure, "fold": Fold, "verbatim": Verbatim}


def to_html(report: Report, drawings: Mapping[str, str], refresh_seconds: int | None = None) -> str:
    """Return the page. `drawings` holds the SVG of every figure by its key. With `refresh_seconds` it loads itself anew after this time."""
    from markupsafe import Markup  # noqa: PLC0415 - see _environment

    svgs = {key: Markup(inline_svg(svg)) for key, svg in drawings.items()}
    return _environment().get_template("page.html.j2").render(report=report, drawings=svgs, refresh=refresh_seconds)


def without_refresh(page: str) -> str:
    """Return a page that does not load itself anew."""
    return REFRESH.sub("", page, count=1)


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
    for name, kind in KINDS.items():
        made.tests[name] = lambda value, kind=kind: isinstance(value, kind)
    return made


def inline_svg(svg: str) -> str:
    """Return a figure's SVG for the page: without prolog and metadata, as wide as the page allows, in the page's colours."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    opening, _, rest = body.partition(">")
    width = re.search(r'viewBox="0 0 ([\d.]+) ', opening)
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    size = f' style="max-width: {float(width[1]):.0f}pt"' if width else ""
    rest = rest.replace(TEXT_COLOUR, "var(--front)").replace(FAINT_COLOUR, "var(--faint)")
    return f'{opening}{size} focusable="false" aria-hidden="true">{rest}'
