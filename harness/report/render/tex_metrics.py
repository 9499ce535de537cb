r"""How wide LaTeX sets a text: from the font metrics of Computer Modern Roman, in points, without the kerns between letters.

A test compares these widths with those of TeX. What is no Latin letter becomes its code point, as `escape.latex` writes it.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from harness.report.render.escape import clean, latex

# In thousandths of the size, from the space to the tilde (cmr10.tfm). LaTeX sets `"` as two quotes, `<`, `>` and `|` as mathematics.
_ASCII = (
    *(333, 278, 500, 833, 500, 833, 778, 278, 389, 389, 500, 778, 278, 333, 278, 500),
    *(500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 278, 278, 778, 778, 778, 472),
    *(778, 750, 708, 722, 764, 681, 653, 785, 750, 361, 514, 778, 625, 917, 750, 778),
    *(681, 778, 736, 556, 722, 750, 750, 1028, 750, 750, 611, 278, 500, 278, 500, 360),
    *(500, 500, 556, 444, 556, 444, 306, 500, 556, 278, 306, 528, 278, 833, 556, 500),
    *(556, 528, 392, 394, 389, 556, 528, 722, 528, 528, 444, 500, 278, 500, 500),
)
_OTHERS = {"−": 778, "±": 778, "≥": 778, "≤": 778, "×": 778, "–": 500, "†": 444, "‡": 444, "¶": 611, "‖": 500, "◇": 500}
_OTHERS |= {"“": 500, "”": 500, "§": 444, "→": 1000, "↓": 500, "Δ": 833, "…": 1333, "\u00a0": 333}
_WIDTHS = dict(zip(map(chr, range(32, 127)), _ASCII, strict=True)) | _OTHERS
# What TeX adds to a space after the end of a sentence.
_AFTER_SENTENCE, _SENTENCE_END = 111, re.compile(r"[.:?!] ")
# The widest letter: of those that have no simpler one below their accent.
_WIDEST = 1028


def tex_width(text: str, size: float = 10.0, *, bold: bool = False) -> float:
    """Return the width of `text` in points, set in roman or bold at `size` points: 10, or less in its scale to 10."""
    return _thousandths(text, bold) * size / 1000


# A table asks for the same texts at every size that it tries.
@functools.lru_cache(maxsize=50_000)
def _thousandths(text: str, bold: bool) -> float:
    wide = sum((_WIDTHS.get(c) or _other(c)) * (_bolder(c) if bold else 1.0) for c in clean(text))
    return wide + _AFTER_SENTENCE * len(_SENTENCE_END.findall(text))


def _bolder(character: str) -> float:
    """Return how much wider a bold character is, at most (cmbx10.tfm); mathematics is never bold."""
    return 1.2 if character.isalpha() else 1.15 if character.isascii() else 1.0


def _other(character: str) -> int:
    written = latex(character)
    if written != character:
        return sum(_WIDTHS.get(c, _WIDEST) for c in written)
    return _WIDTHS.get(unicodedata.normalize("NFD", character)[0], _WIDEST)
