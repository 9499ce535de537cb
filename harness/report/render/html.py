"""HTML that cannot be escaped from: every text is escaped unless this module made it."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

from harness.report.render.escape import clean


class Safe(str):
    """Markup that is ready for the page."""

    __slots__ = ()


Child: TypeAlias = "str | Safe | Iterable[Child] | None"
VOID = {"meta", "br", "col", "hr"}


def escape(text: str, *, lines: bool = False) -> Safe:
    """Return a text as markup that shows it as it is; control characters are spelt out."""
    return text if isinstance(text, Safe) else Safe(html.escape(clean(text, lines=lines), quote=True))


def tag(name: str, /, *children: Child, **attributes: str | bool | None) -> Safe:
    """Return an element. `class_` stands for class, `aria_label` for aria-label; None and False leave an attribute out."""
    given = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False)
    if name in VOID:
        return Safe(f"<{name}{given}>")
    return Safe(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Child) -> Safe:
    """Escape and join texts and markup."""
    if children is None:
        return Safe("")
    if isinstance(children, str):
        return escape(children)
    return Safe("".join(join(child) for child in children))


def _attribute(key: str, value: str | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
