"""The plot style, and figures as SVG and PNG.

The page replaces TEXT_COLOUR, FAINT_COLOUR and the colours of PALETTE by its own, which follow the light or dark scheme of the reader.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

# Exact values, so that the page can find them in the SVG and put its own colours there.
TEXT_COLOUR, FAINT_COLOUR = "#1a1b1e", "#8c8f96"
# Six colours that stand out on white and can be told apart without colour vision; a test computes both. Besides, every arm has dashes and
# a mark of its own. page.css has them as --arm0 to --arm5, and others for black.
PALETTE = ("#3f4aa2", "#d9606f", "#0f7326", "#978f26", "#2699cb", "#98246e")
# Dots are left out: they say that some cells of an arm have no score yet.
DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 1.6)),
    (0, (5, 1.4, 1.2, 1.4)),
    (0, (9, 2)),
    (0, (3, 1.2)),
    (0, (7, 1.4, 1.2, 1.4, 1.2, 1.4)),
)
MARKS = ("o", "s", "^", "D", "v", "P")
PNG_DPI = 125
# Inches: as wide as the page, and as wide as a phone.
WIDTH, NARROW = 9.6, 3.8
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": FAINT_COLOUR,
    "axes.labelcolor": TEXT_COLOUR,
    "axes.titlesize": 9,
    "axes.titlecolor": TEXT_COLOUR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "xtick.color": FAINT_COLOUR,
    "ytick.color": FAINT_COLOUR,
    "xtick.labelcolor": TEXT_COLOUR,
    "ytick.labelcolor": TEXT_COLOUR,
    "text.color": TEXT_COLOUR,
    "grid.color": FAINT_COLOUR,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 100,
}

# In a matplotlib SVG: a comment, an attribute that holds places in points, and the digits of a number behind the first one.
_COMMENT = re.compile(r" *<!--.*?-->\n?", re.DOTALL)
_PLACES = re.compile(r' (?:d|x|y|transform)="[^"]*"')
_DIGITS = re.compile(r"(\.\d)\d+")


def look(accent: int) -> dict[str, Any]:
    """Return colour, dashes and mark of the arm with this number. From the seventh arm on, colours come again with hollow marks."""
    first = accent < len(PALETTE)
    place = accent % len(PALETTE)
    colour = PALETTE[place]
    marks = {"marker": MARKS[place], "markersize": 4.0, "markerfacecolor": colour if first else "none", "markeredgewidth": 0.9}
    return {"color": colour, "linestyle": DASHES[(accent + accent // len(PALETTE)) % len(DASHES)], **marks}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the report; the user's matplotlibrc does not count."""
    # Scores of 1e300 overflow while matplotlib looks for round numbers; the axis is as it is.
    with mpl.rc_context(), np.errstate(all="ignore"), warnings.catch_warnings():
        # A name in a script that the font lacks is a box in the PNG, and text in the SVG.
        warnings.filterwarnings("ignore", message="Glyph")
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def svg_of(canvas: Canvas, key: str) -> str:
    """Return a figure as SVG, the same bytes for the same figure. `key` makes its ids unique on the page."""
    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": key, "svg.fonttype": "none"}):
        # Not by savefig, which goes through the whole drawing once more before.
        writer: Any = FigureCanvasSVG(canvas)
        writer.print_svg(out, metadata={"Date": None, "Creator": None})
    # A comment repeats every text, and places have six digits: half of the file.
    without = _COMMENT.sub("", out.getvalue())
    return _PLACES.sub(lambda found: _DIGITS.sub(r"\1", found[0]), without)


def png_of(canvas: Canvas) -> bytes:
    """Return a figure as PNG on white."""
    out = io.BytesIO()
    canvas.patch.set_facecolor("white")
    canvas.set_dpi(PNG_DPI)
    writer: Any = FigureCanvasAgg(canvas)
    writer.print_png(out, metadata={"Software": None})
    return out.getvalue()
