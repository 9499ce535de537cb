"""The completion form (`agent.form=table`): trials as lines of a table, and the model writes the next line.

The lines are sorted from the worst to the best trial. The last one begins with a target that is better than all scores, and the model
completes it with a configuration. A grammar holds the line to the levels of the space (`harness.space.levels`). No instruction has to be
followed, so base models can do it too, and a proposal takes as many tokens as its values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.optimizers.agent.reply import Answer, BadReply, Kind
from harness.optimizers.agent.reply_schema import MOST_BRANCHES, value_sets
from harness.space import Choice, Config, Space, Value
from harness.trial import Objective, Trajectory

# The target lies above the best score by this share of the distance from the worst to the best, and at least by the margin that matters.
AHEAD = 0.25
_PLAIN = re.compile(r"[A-Za-z_][\w.+-]*")
_WORDS = ("true", "false", "failed", "best")


@dataclass(frozen=True)
class TableForm:
    """The form for a space of choices, such as `level_space` makes."""

    space: Space

    def rows(self, trajectory: Trajectory, objective: Objective) -> str:
        """Return the header, a line for each trial from the worst to the best, and the beginning of the line to complete.

        A trial with a value that is no level is shown as it was.
        """
        names = ",".join(["score", *(_bare(name) for name in self.space.names)])
        ranked = sorted(trajectory, key=lambda trial: (trial.score is not None, trial.score or 0.0, trial.number))
        lines = [f"{'failed' if t.score is None else _score(t.score, objective)},{self._cells(t.config)}" for t in ranked]
        return "\n".join([names, *lines, f"{target_text(trajectory, objective)},"])

    def grammar(self, trajectory: Trajectory) -> str:
        """Return the grammar of the rest of a line in GBNF, the notation of llama.cpp.

        It holds every configuration of the space but those that were tried: a model of this form would else repeat its best line.
        """
        tried = {tuple(_text(t.config[name]) if name in t.config else "" for name in self.space.names) for t in trajectory}
        rules: dict[str, str] = {}
        starts = []
        for number, columns in enumerate(self._columns):
            mine = [row for row in tried if all(cell in texts for cell, texts in zip(row, columns, strict=True))]
            starts.append(_rule(rules, f"b{number}", columns, 0, mine))
        whole = " | ".join(start for start in starts if start)
        return "\n".join([f'root ::= ({whole or _IMPOSSIBLE}) "\\n"', *(f"{name} ::= {text}" for name, text in rules.items())])

    @cached_property
    def _columns(self) -> list[list[list[str]]]:
        """The texts that each cell may hold, for each branch of the space."""
        branches = []
        for branch in self._branches:
            columns = []
            for hp in self.space:
                texts = [_text(value) for value in branch.get(hp.name, ())]
                optional = not texts or (self._loose and bool(hp.when))
                columns.append([*texts, *([""] if optional else [])])
            branches.append(columns)
        return branches

    def read(self, text: str) -> Answer:
        """Return the configuration of a completed line. Raises BadReply."""
        line = text.strip("\r\n").partition("\n")[0].strip()
        found = self._pattern.fullmatch(line)
        if not found:
            raise BadReply(f"the line holds no value of each hyperparameter: {line[:200]!r}")
        config: Config = {}
        for hp, cell in zip(self.space, found.groups(), strict=True):
            if cell:
                config[hp.name] = self._values[hp.name][cell]
        problems = self.space.problems(config)
        if problems:
            raise BadReply("; ".join(problems), Kind.INVALID)
        return Answer(self.space.check(config), "")

    @cached_property
    def _sets(self) -> list[dict[str, tuple[Value, ...]]]:
        return value_sets(self.space)

    @property
    def _branches(self) -> list[dict[str, tuple[Value, ...]]]:
        return [{hp.name: hp.choices for hp in self.space if isinstance(hp, Choice)}] if self._loose else self._sets

    @property
    def _loose(self) -> bool:
        """Whether the conditions make so many branches that cells of conditional hyperparameters may be empty in any line."""
        return len(self._sets) > MOST_BRANCHES

    @cached_property
    def _values(self) -> Mapping[str, Mapping[str, Value]]:
        return {hp.name: {_text(value): value for value in hp.choices} for hp in self.space if isinstance(hp, Choice)}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(",".join(f"({'|'.join(map(re.escape, [*self._values[hp.name], '']))})" for hp in self.space))

    def _cells(self, config: Mapping[str, Value]) -> str:
        return ",".join(_text(config[name]) if name in config else "" for name in self.space.names)


# Where every configuration was tried, the agent's own check says so.
_IMPOSSIBLE = '"-"'


def _rule(rules: dict[str, str], prefix: str, columns: list[list[str]], place: int, tried: list[tuple[str, ...]]) -> str | None:
    """Return the name of a rule for the cells from `place` on that is none of the `tried` rows; None where there is no such row.

    `tried` are the rows whose cells before `place` are the ones written so far. Without any, all lines share one rule a place.
    """
    name = f"{prefix}-{place}" if not tried else f"{prefix}-{place}-{len(rules)}"
    if name in rules:
        return name
    rules[name] = ""  # the name is taken, and numbers are not given twice
    last = place == len(columns) - 1
    parts: list[str] = []
    free: list[str] = []
    for text in columns[place]:
        same = [row for row in tried if row[place] == text]
        if not same:
            free.append(json.dumps(text))
        elif not last:
            rest = _rule(rules, prefix, columns, place + 1, same)
            parts += [f"{json.dumps(f'{text},')} {rest}"] if rest else []
    if free and last:
        parts.insert(0, f"({' | '.join(free)})")
    elif free:
        rest = _rule(rules, prefix, columns, place + 1, [])
        parts.insert(0, f'({" | ".join(free)}) "," {rest}')
    rules[name] = " | ".join(parts) or _IMPOSSIBLE
    return name if parts else None


def target_text(trajectory: Trajectory, objective: Objective) -> str:
    """Return a score better than all of the trajectory, in the objective's own unit; the word `best` while there is none.

    A percentage stays below 100, however little that is above the best.
    """
    scores = [trial.score for trial in trajectory if trial.score is not None]
    if not scores:
        return "best"
    best = max(scores)
    wanted = best + max(AHEAD * (best - min(scores)), objective.margin / objective.point)
    if objective.is_percentage and objective.sign > 0:
        wanted = min(wanted, max(best, (best + 100.0) / 2))
    return _score(wanted, objective)


def _score(points: float, objective: Objective) -> str:
    return objective.text(objective.value(points)).removesuffix(objective.unit).strip()


def _text(value: Value) -> str:
    """Return a value as a cell: texts without quotes where nothing else could be meant."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _bare(value)
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _bare(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text not in _WORDS else json.dumps(text, ensure_ascii=False)
