"""The arguments of a command, with placeholders that a trial fills.

    {name}          the value of a hyperparameter, or of one of the YAML's `params`
    {name?--flag}   the text after the question mark where the hyperparameter is true; the argument is left out where it is false
    {seed}          the training seed
    {folder}        an empty folder for this trial alone, which is removed after it
    {config}        a JSON file in that folder: the configuration and the seed
    {{name}}        the text {name}

Other braces stay as they are. An argument is left out while a hyperparameter in it is inactive. A list among the arguments is left out as a
whole: `["--momentum", "{momentum}"]`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.errors import SettingsError, near
from harness.space import Choice, Space, Value

Argument: TypeAlias = str | os.PathLike[str]
OF_TRIAL = ("seed", "folder", "config")
_PLACEHOLDER = re.compile(r"\{\{([\w.-]+)\}\}|\{([\w.-]+)(?:\?([^{}]*))?\}")


@dataclass(frozen=True)
class Arguments:
    """Arguments in groups; a group is left out as a whole. The first argument is the program, without a placeholder."""

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, given: Sequence[Argument | Sequence[Argument]]) -> Arguments:
        """Read the list that a user gives. Raises SettingsError."""
        if isinstance(given, str) or not isinstance(given, Sequence) or not given:
            raise SettingsError(f'command: {given!r}: give a list, as in ["python", "train.py", "--lr={{lr}}"]; no shell reads it')
        made = cls(tuple(_group(entry) for entry in given))
        if made.groups[0] != made.groups[0][:1] or _PLACEHOLDER.search(made.groups[0][0]):
            raise SettingsError("command: the first argument is the program: one text without a placeholder")
        return made

    @property
    def program(self) -> str:
        """The first argument."""
        return self.groups[0][0]

    def names(self) -> set[str]:
        """Return the names of all placeholders."""
        return {match[2] for group in self.groups for text in group for match in _found(text)}

    def check(self, space: Space, params: Mapping[str, object], *more: str) -> None:
        """Raise SettingsError where placeholders, space and params do not fit each other. `more` are other texts with placeholders."""
        own = [name for name in (*space.names, *params) if name in OF_TRIAL]
        if own:
            raise SettingsError(f"command: {{{own[0]}}} has a meaning of its own: give the hyperparameter '{own[0]}' another name")
        known, used = (*space.names, *params, *OF_TRIAL), self.names() | {match[2] for text in more for match in _found(text)}
        for name in sorted(used.difference(known)):
            raise SettingsError(f"command: {{{name}}} is neither a hyperparameter nor one of the params{near(name, known)}")
        for name in (*space.names, *params):
            if name not in used and "config" not in used:
                raise SettingsError(f"command: '{name}' stands in no argument, so its value would change nothing: write {{{name}}}")
        self._check_flags(space)
        self._check_options(space)

    def _check_flags(self, space: Space) -> None:
        flags = [match for group in self.groups for text in group for match in _found(text) if match[3] is not None]
        booleans = {hp.name for hp in space if isinstance(hp, Choice) and set(map(type, hp.choices)) == {bool}}
        for flag in flags:
            if flag[2] not in booleans:
                raise SettingsError(f"command: {flag[0]} is for a hyperparameter of type bool, and '{flag[2]}' is none")

    def _check_options(self, space: Space) -> None:
        """Refuse an option whose value alone would be left out."""
        for before, group in zip(self.groups, self.groups[1:], strict=False):
            match = _PLACEHOLDER.fullmatch(group[0])
            inactive = match and match[3] is None and match[2] in space and space[match[2]].when
            if inactive and len(group) == len(before) == 1 and before[0].startswith("-") and not _PLACEHOLDER.search(before[0]):
                both = f'["{before[0]}", "{group[0]}"]'
                raise SettingsError(f"command: write {both}, in a list, so that both are left out while {group[0]} is inactive")

    def filled(self, values: Mapping[str, object]) -> list[str]:
        """Return the arguments of a trial. `values` holds what is active."""
        groups = ([filled(text, values) for text in group] for group in self.groups)
        return [text for group in groups if None not in group for text in group if text is not None]


def filled(text: str, values: Mapping[str, object]) -> str | None:
    """Fill the placeholders of a text; None where a hyperparameter in it is inactive, or a flag is false."""
    used = list(_found(text))
    if any(match[2] not in values or (match[3] is not None and values[match[2]] is not True) for match in used):
        return None
    return _PLACEHOLDER.sub(lambda match: _written(match, values), text)


def _written(match: re.Match[str], values: Mapping[str, object]) -> str:
    if match[1]:
        return f"{{{match[1]}}}"
    value = values[match[2]]
    return match[3] if match[3] is not None else written(value)


def written(value: Value | object) -> str:
    """Write a value: true and false as YAML does, a float with all its digits, a text as it is."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _found(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _PLACEHOLDER.finditer(text) if match[2])


def _group(entry: Argument | Sequence[Argument]) -> tuple[str, ...]:
    texts = [entry] if isinstance(entry, str | os.PathLike) else entry
    if isinstance(texts, list | tuple) and texts and all(isinstance(text, str | os.PathLike) for text in texts):
        return tuple(os.fspath(text) for text in texts)
    raise SettingsError(f"command: {entry!r} is no argument: give a text, or a list of texts that belong together")
