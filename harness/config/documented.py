"""Every setting with its default and its description, read from the source of the schema.

`schema.py` needs OmegaConf, which takes a quarter of a second to import; --help must answer at once. So the classes are read as text:
an annotated field, its default, and the string below it. Standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve()
SOURCES = (_HERE.with_name("schema.py"), _HERE.parents[1] / "llm" / "settings.py")


@dataclass(frozen=True)
class Setting:
    """One key of a command line.

    `default` is as a command line writes it, None where a file of conf/ must give the value. `choices` are empty where the type
    allows any value.
    """

    key: str
    default: str | None
    choices: tuple[str, ...]
    text: str

    @property
    def description(self) -> str:
        """The choices, if there are any, and the text."""
        return f"{' | '.join(self.choices)}: {self.text}" if self.choices else self.text


@dataclass(frozen=True)
class Group:
    """The settings of one class. `prefix` is what their keys begin with, e.g. `task.table.`; empty for those of the study."""

    prefix: str
    title: str
    settings: tuple[Setting, ...]


def documented(sources: tuple[Path, ...] = SOURCES, root: str = "Settings") -> tuple[Group, ...]:
    """Return all settings: those of the class `root`, then those of the classes that its fields name, in the order of the fields."""
    nodes = [node for source in sources for node in ast.parse(source.read_text(encoding="utf-8")).body]
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    return tuple(_groups(root, "", classes, dict(_enums(nodes))))


def _enums(nodes: list[ast.stmt]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the names and members of `Start = Enum("Start", [...])`."""
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(name)], value=ast.Call(func=ast.Name("Enum"), args=[_, members])):
                yield name, tuple(ast.literal_eval(members))


def _groups(name: str, prefix: str, classes: Mapping[str, ast.ClassDef], enums: Mapping[str, tuple[str, ...]]) -> Iterator[Group]:
    own, inner = [], []
    for field, text in _fields(classes[name]):
        key = f"{prefix}{ast.unparse(field.target)}"
        kind = ast.unparse(field.annotation)
        element = kind.removeprefix("dict[str, ").removesuffix("]")
        if kind in classes:
            inner.append((kind, f"{key}."))
        elif element in classes:
            inner.append((element, f"{key}.NAME."))
        else:
            own.append(Setting(key, _default(field.value), enums.get(kind, ()), text))
    yield Group(prefix, (ast.get_docstring(classes[name]) or "").partition(".")[0], tuple(own))
    for kind, longer in inner:
        yield from _groups(kind, longer, classes, enums)


def _fields(node: ast.ClassDef) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Yield each field of a dataclass with the string below it, empty where there is none."""
    for field, below in pairwise([*node.body, ast.Pass()]):
        if isinstance(field, ast.AnnAssign):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield field, text
                case _:
                    yield field, ""


def _default(value: ast.expr | None) -> str | None:
    match value:
        case None | ast.Name("MISSING"):
            return None
        case ast.Attribute(attr=member):
            return member
        case ast.Call(keywords=[ast.keyword(arg="default_factory", value=ast.Name(kind)), *_]):
            return {"list": "[]", "dict": "{}"}[kind]
        case ast.Call(keywords=[ast.keyword(arg="default_factory", value=ast.Lambda(body=body)), *_]):
            return written(ast.literal_eval(body))
        case _:
            return written(ast.literal_eval(value))


def written(value: Any) -> str:
    """Return a value as a command line writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case "":
            return '""'
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return f"[{','.join(map(written, value))}]"
        case _:
            return str(value)
