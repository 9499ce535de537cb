"""The prompts: versioned templates in `prompts/VERSION/`, and the text form of a space and of a task description.

All contexts use the same templates, so that LLM arms differ only in the context that they are shown.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from harness.errors import SettingsError, near
from harness.space import Hyperparameter, Space
from harness.space.hyperparameter import json_like
from harness.task import TaskCard
from harness.trial import PERCENT, Objective

FOLDER = Path(__file__).parent / "prompts"
PARTS = ("system", "task", "propose", "analyse", "decide", "retry")


@dataclass(frozen=True)
class Prompts:
    """One version of the templates. `hash` is the first 16 hexadecimal digits of the SHA-256 of all of them."""

    version: str
    hash: str
    parts: dict[str, str]

    def fill(self, part: str, **values: object) -> str:
        """Return the template `part` with its `$names` replaced by `values`. Raises KeyError for a name without a value."""
        return Template(self.parts[part]).substitute({name: str(value) for name, value in values.items()}).strip()


@functools.cache
def load_prompts(version: str) -> Prompts:
    """Read one version of the templates. Raises SettingsError for an unknown version."""
    known = [folder.name for folder in FOLDER.iterdir() if folder.is_dir()]
    if version not in known:
        raise SettingsError(f"agent.prompt={version}: no such version of the prompts{near(version, known)}")
    parts = {part: (FOLDER / version / f"{part}.txt").read_text(encoding="utf-8") for part in PARTS}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return Prompts(version, digest, parts)


def card_text(card: TaskCard, objective: Objective = PERCENT) -> str:
    """Return the task description as text, one line per field."""
    lines = [("Task", card.title), ("Domain", card.domain), ("Data", card.data), ("Model", card.model)]
    lines += [("Score", f"{card.metric} ({_score_text(objective)})"), ("Training", card.epochs)]
    return "\n".join(f"{name}: {text}" for name, text in lines)


def system_text(prompts: Prompts, objective: Objective) -> str:
    """Return the system prompt. The templates speak of the highest score; where lower is better, it is the lowest."""
    text = prompts.fill("system")
    return text if objective.sign > 0 else text.replace("the highest validation score", "the lowest validation score")


def _score_text(objective: Objective) -> str:
    if objective.is_identity:
        return "a percentage, higher is better"
    unit = "a percentage" if objective.is_percentage else f"in {objective.unit}" if objective.unit else "without a unit"
    return f"{objective.name}, {unit}, {'higher' if objective.sign > 0 else 'lower'} is better; {objective.margin:g} more or less matters"


def space_text(space: Space) -> str:
    """Return the space as text, one line per hyperparameter: name, allowed values with scale, default, meaning, condition."""
    return "\n".join(_line(hp) for hp in space)


def example_config(space: Space) -> str:
    """Return the default configuration as JSON, to show the form of an answer."""
    return json.dumps(space.default(), ensure_ascii=False)


def _line(hp: Hyperparameter) -> str:
    unit = f" [{hp.unit}]" if hp.unit else ""
    parts = [f"- {hp.name}{unit}: {hp.range_text}; default {json_like(hp.default)}"]
    if hp.meaning:
        parts.append(hp.meaning)
    if hp.when:
        parts.append("only when " + " and ".join(f"{p} is {' or '.join(json_like(v) for v in vs)}" for p, vs in hp.when.items()))
    return "; ".join(parts)
