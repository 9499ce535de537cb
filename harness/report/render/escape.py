"""Makes text from outside (names, configurations, errors, an LLM's words) safe for a terminal, Markdown and LaTeX.

HTML is escaped by Jinja2 (page.py). It has no escaping for Markdown and LaTeX, so these are done by hand here.
"""

from __future__ import annotations

import re
import unicodedata

# Control characters can move the cursor of a terminal and break an SVG; bidirectional ones can reorder a line.
_KEPT = "\n\t"
_MARKDOWN = re.compile(r"([\\`*<>|~\[\]#$&]|(?<![^\W_])_|_(?![^\W_]))")
_HELD = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)|(?<=,) (?=[+−]?[\d.]+\])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "*": "{*}",  # else the end of the row before would take it
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": r"{[}",
    "]": r"{]}",
    "−": r"$-$",
    "±": r"$\pm$",
    "–": "--",
    "“": "``",
    "”": "''",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "¶": r"\P{}",
    "‖": r"\textbardbl{}",
    "◇": r"$\diamond$",
    "§": r"\S{}",
    "→": r"$\rightarrow$",
    "↓": r"$\downarrow$",
    "Δ": r"$\Delta$",
    "…": r"\ldots{}",
    "\u00a0": "~",
    "\n": " ",
    "\t": " ",
}


def clean(text: str, *, lines: bool = False) -> str:
    """Return `text` with control, bidirectional, private and unpaired characters as escapes. `lines` keeps line ends and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _harmless(c) or (lines and c in _KEPT) else _spelt(c) for c in text)


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _spelt(character: str) -> str:
    code = ord(character)
    if character in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[character]
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def markdown(text: str) -> str:
    """Return `text` so that Markdown shows it as it is, also inside a table cell."""
    return _MARKDOWN.sub(r"\\\1", clean(text))


def latex(text: str) -> str:
    """Return `text` so that LaTeX sets it as it is. What a Latin font lacks becomes its code point."""
    return "".join(
        _LATEX.get(c) or (c if c.isascii() or unicodedata.name(c, "").startswith("LATIN") else _point(c)) for c in clean(text)
    )


def together(text: str) -> str:
    """Return `text` with no line end inside `93.5 ± 1.7`, `22 %` and `[1.9, 3.5]`."""
    return _HELD.sub("\u00a0", text)


def _point(character: str) -> str:
    return f"U+{ord(character):04X}"


def width(text: str) -> int:
    """Return how many columns `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) + wide - marks


def cut(text: str, most: int) -> str:
    """Cut `text` to `most` columns; an ellipsis marks the cut."""
    if width(text) <= most:
        return text
    kept = ""
    for character in text:
        if width(kept + character) > most - 1:
            break
        kept += character
    return kept + "…"
