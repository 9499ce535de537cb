"""How a table fits into one column of an article: its size, its line ends, and the panels that it is broken into.

`lay_out` takes the first of these that fits into the line: the size of the text and two smaller ones, with texts and heads wrapped; and
else the fewest panels, one below the other, each with the names of the rows.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.report.render.document import Column, Table, Text
from harness.report.render.escape import clean, together
from harness.report.render.tex_metrics import tex_width

# The line and the page of the class `article` at 10 pt, in points; the page has 550 pt, less what stands around a table.
LINE, PAGE = 345.0, 500.0
# The shares of the line that names may take before they are wrapped, and the one that no unbroken word exceeds.
NAMES, WORD = (0.4, 0.25), 0.45
# Texts wider than this many points at 10 pt may be wrapped, into about so many lines.
WRAPPED, DEEP = 90.0, 4
# Kerns and rounding: the share by which a word may be wider than `tex_width` says.
SPARE = 1.02
_JOINT = re.compile(r"(?<=[_+/=])(?=\w)")


@dataclass(frozen=True, slots=True)
class Style:
    r"""A font size: its command, its size and line height in points, and \tabcolsep, half the space between two columns."""

    command: str
    size: float
    leading: float
    gap: float


# The sizes of Computer Modern are not in scale: 9 pt are set as wide as 9.25, and 8 pt as 8.5.
STYLES = (
    Style("normalsize", 10.0, 12.0, 6.0),
    Style("small", 9.25, 11.0, 5.0),
    Style("footnotesize", 8.5, 9.5, 4.0),
    Style("footnotesize", 8.5, 9.5, 3.0),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a panel. `width`, in points, is that of a column whose texts are wrapped; the others are as wide as their content."""

    column: int
    room: float
    width: float | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The style of a table, and the columns of each of its panels."""

    style: Style
    panels: tuple[tuple[Place, ...], ...]


def lay_out(table: Table) -> Layout:
    """Return the layout of a table: one panel in the largest style that fits, or the fewest panels in a small one."""
    places = range(len(table.columns))
    for style in STYLES:
        needs = [_need(table, place, style) for place in places]
        if _line(needs, style) <= LINE:
            return Layout(style, (_panel(table, places, needs, style),))
    tried = [(style, [_need(table, place, style, names) for place in places]) for names in NAMES for style in STYLES[-2:]]
    style, needs = min(tried, key=lambda one: len(_groups(table, one[1], one[0])))
    panels = (_panel(table, group, needs, style) for group in _groups(table, needs, style))
    return Layout(style, tuple(panels))


@functools.lru_cache(maxsize=50_000)
def words(text: str, size: float) -> tuple[tuple[str, bool], ...]:
    """Return the parts of a text that stay whole, each with whether a space precedes it. Long words end at joints, or anywhere."""
    most = WORD * LINE / SPARE
    found = []
    for word in together(clean(text)).split(" "):
        parts = _JOINT.split(word) if tex_width(word, size) > most / 3 else [word]
        pieces = [piece for part in parts for piece in _cut(part, size, most)]
        found += [(piece, number == 0) for number, piece in enumerate(pieces)]
    return tuple(found)


def lines(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """Break a text into lines of at most `room` points."""
    found, wide = [""], 0.0
    for piece, space in words(text, size):
        before = " " if space and found[-1] else ""
        more = SPARE * tex_width(f"{before}{piece}", size, bold=bold)
        if found[-1] and wide + more > room + 0.01:
            found.append(piece)
            wide = SPARE * tex_width(piece, size, bold=bold)
        else:
            found[-1] += before + piece
            wide += more
    return found


def row_lines(row: Sequence[Text], panel: Sequence[Place], style: Style) -> int:
    """Return how many lines a row takes in a panel."""
    wrapped = [place for place in panel if place.width is not None]
    texts = [(row[place.column], place.room) for place in wrapped]
    return max((len(lines(text.text, room, style.size, bold=text.strong)) for text, room in texts), default=1)


def head_lines(table: Table, panel: Sequence[Place], style: Style) -> list[list[str]]:
    """Return the lines of the heads of a panel, from the top; shorter heads stand at the bottom."""
    heads = [lines(table.columns[place.column].title, place.room, style.size) for place in panel]
    deepest = max(map(len, heads))
    return [list(line) for line in zip(*([""] * (deepest - len(head)) + head for head in heads), strict=True)]


def _cut(word: str, size: float, most: float) -> Iterator[str]:
    part, wide = "", 0.0
    for character in word:
        more = tex_width(character, size, bold=True)
        if part and wide + more > most:
            yield part
            part, wide = "", 0.0
        part += character
        wide += more
    yield part


def _texts(table: Table, place: int) -> list[Text]:
    return [row[place] for row in table.rows]


def _wide(text: Text, size: float) -> float:
    return SPARE * tex_width(together(text.text), size, bold=text.strong)


def _longest(texts: Sequence[Text], size: float) -> float:
    return max((_wide(Text(piece, text.strong), size) for text in texts for piece, _ in words(text.text, size)), default=0.0)


def _content(table: Table, place: int, size: float) -> float:
    return max((_wide(text, size) for text in _texts(table, place)), default=0.0)


def _head(column: Column) -> Text:
    return Text(column.title)


def _need(table: Table, place: int, style: Style, names: float = NAMES[0]) -> float:
    """Return the least width of a column in points: numbers are whole, names take a share of the line, and texts wrap."""
    content, longest = _content(table, place, style.size), _longest(_texts(table, place), style.size)
    wrapped = names * LINE if place == 0 else min(max(WRAPPED * style.size / 10, content / DEEP), WORD * LINE)
    head = _longest([_head(table.columns[place])], style.size)
    return max(head, longest, min(content, wrapped))


def _wish(table: Table, place: int, style: Style) -> float:
    """Return the width of a column in which nothing is wrapped."""
    return max(_content(table, place, style.size), _wide(_head(table.columns[place]), style.size))


def _line(widths: Sequence[float], style: Style) -> float:
    """Return the width of a panel: its columns, and the space between them."""
    return sum(widths) + 2 * style.gap * (len(widths) - 1)


def _groups(table: Table, least: Sequence[float], style: Style) -> list[list[int]]:
    """Spread the columns over the fewest panels that fit, and evenly. Each begins with the columns that name the rows."""
    names = range(_naming(table, least, style))
    full, others = LINE - _line([least[place] for place in names], style), range(len(names), len(least))
    count = len(_fill(others, least, full, style))
    spread = (_fill(others, least, full * part / 20, style) for part in range(1, 21))
    return [[*names, *group] for group in next(groups for groups in spread if len(groups) == count)]


def _naming(table: Table, least: Sequence[float], style: Style) -> int:
    """Return how many of the first columns it takes to tell all rows apart; 1 where that would take more than half of the line."""
    for count in range(1, len(least)):
        told = {tuple(text.text for text in row[:count]) for row in table.rows}
        if _line(least[:count], style) > LINE / 2:
            return 1
        if len(told) == len(table.rows):
            return count
    return 1


def _fill(places: Sequence[int], least: Sequence[float], room: float, style: Style) -> list[list[int]]:
    groups: list[list[int]] = []
    left = 0.0
    for place in places:
        takes = least[place] + 2 * style.gap
        if not groups or takes > left:
            groups.append([])
            left = room
        groups[-1].append(place)
        left -= takes
    return groups


def _panel(table: Table, places: Sequence[int], needs: Sequence[float], style: Style) -> tuple[Place, ...]:
    """Give every column its least width, and the rest of the line to those that would be wider."""
    least = [needs[place] for place in places]
    short = [max(0.0, _wish(table, place, style) - need) for place, need in zip(places, least, strict=True)]
    rest = LINE - _line(least, style)
    share = min(1.0, rest / sum(short)) if sum(short) else 0.0
    found = []
    for place, need, more in zip(places, least, short, strict=True):
        room = need + share * more
        whole = _content(table, place, style.size) <= room + 0.01
        found.append(Place(place, room, None if whole else room))
    return tuple(found)
