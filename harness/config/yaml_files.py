"""What is wrong with a YAML file, in one line with its place; and words that YAML turns into something else than was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from harness.errors import SettingsError

# YAML 1.1, which PyYAML and Hydra read, makes truth values, numbers of base 60 and numbers of base 8 of these.
_TRUTH = re.compile(r"(?i:yes|no|on|off)")
_SIXTY = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_EIGHT = re.compile(r"[-+]?0[0-7_]*[0-7]")
_CHANGED = re.compile(rf"(?<![^\s,\[{{:])(?:{_TRUTH.pattern}|{_SIXTY.pattern}|{_EIGHT.pattern})(?=[\s,\]}}]|$)")


def complaint(path: Path | str, error: Exception) -> str:
    """Return one line that says why a file cannot be read: the file, where known line and column, and what helps."""
    if isinstance(error, UnicodeError | ReaderError):
        line, column = _first_odd(Path(path))
        return f"{path}, line {line}, column {column}: not UTF-8 text, or a character that YAML does not allow; save it as UTF-8"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return f"{path}{where}: {_problem(error)}"
    if isinstance(error, OSError) and error.strerror:
        return f"{path} cannot be read ({error.strerror})"
    text = " ".join(str(error).split())
    return f"{path} holds no settings: write key: value" if "Invalid loaded object" in text else f"{path}: {text}"


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem or error.context or "no YAML").split())
    if "'\\t'" in problem:
        return "a tab; YAML is indented with spaces"
    if problem.startswith("mapping values"):
        return f"{problem} (a text that holds ': ' needs quotes)"
    return problem


def _first_odd(path: Path) -> tuple[int, int]:
    """Return line and column of the first character that is no UTF-8, or not allowed in YAML."""
    data = path.read_bytes()
    try:
        before = data.decode("utf-8")
        odd = yaml.reader.Reader.NON_PRINTABLE.search(before)
        before = before[: odd.start()] if odd else ""
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def refuse_changed_words(path: Path) -> None:
    """Raise SettingsError where a task's space or card holds a word that YAML takes for something else: `no`, `16:9`, `010`.

    They must be told from the text, since the values that YAML makes of them are ordinary ones.
    """
    text = path.read_text(encoding="utf-8")
    if not _CHANGED.search(text):
        return  # most files, at no cost
    root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for what, scalar, is_switch in (*_of_the_cards(root), *_of_the_space(root)):
        if said := _said(scalar, is_switch):
            mark = scalar.start_mark
            raise SettingsError(f"{path}, line {mark.line + 1}, column {mark.column + 1}: {what}: {said}")


def _of_the_cards(root: Any) -> Iterator[tuple[str, yaml.ScalarNode, bool]]:
    for card in ("card", "renamed_card"):
        for name, entry in _entries(root, card):
            yield from ((f"{card}.{name}", scalar, False) for scalar in _scalars(entry))


def _of_the_space(root: Any) -> Iterator[tuple[str, yaml.ScalarNode, bool]]:
    """Yield each scalar that is a value, with what it is of, and whether that is a switch, for which `no` is right."""
    for name, entry in _entries(root, "space"):
        is_switch = any(key == "type" and value.value == "bool" for key, value in _pairs(entry))
        for key, value in _pairs(entry):
            if key in ("choices", "levels", "default", "low", "high", "when"):
                yield from ((f"hyperparameter '{name}'", scalar, is_switch) for scalar in _scalars(value))


def _said(scalar: yaml.ScalarNode, is_switch: bool) -> str:
    """Return what YAML makes of a word, and how to write what was meant; nothing where that is the same."""
    word = scalar.value
    if scalar.style:  # it is in quotes
        return ""
    if _TRUTH.fullmatch(word) and not is_switch:
        truth = "true" if word.lower() in ("yes", "on") else "false"
        return f"YAML reads {word} as {truth}; write '{word}' in quotes, or {truth}"
    if _SIXTY.fullmatch(word):
        number = str(yaml.safe_load(word))
        return f"YAML reads {word} as {number}, a number of base 60; write '{word}' in quotes, or {number}"
    if _EIGHT.fullmatch(word):
        number = str(int(word.replace("_", ""), 8))
        return (
            f"YAML reads {word} as {number}, a number of base 8; write '{word}' in quotes, or {word.lstrip('+-0') or 0} without 0"
        )
    return ""


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))


def _entries(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    yield from (pair for name, inner in _pairs(node) if name == key for pair in _pairs(inner))


def _scalars(node: Any) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _scalars(inner)
    else:
        for _, inner in _pairs(node):
            yield from _scalars(inner)
