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
from harness.llm.backend import Message
from harness.space import Hyperparameter, Number, Space
from harness.space.hyperparameter import json_like
from harness.space.levels import levels_of
from harness.task import TaskCard
from harness.trial import PERCENT, Objective

FOLDER = Path(__file__).parent / "prompts"
ANALYSES = ("none", "after", "before")
# The longest analysis that the schema of version 2 allows. A small model that may write on does, and never comes to an end.
ANALYSIS_CHARACTERS = 240


@dataclass(frozen=True)
class Manner:
    """What a version of the prompts does besides its words.

    analysis: where the analysis stands in a reply, unless `agent.analysis` says so: none, after or before the configuration.
    longest_analysis: its most characters in the schema; None: any number.
    echoes: whether a bad reply is shown to the model again; else it is asked anew, with the complaint in one more line.
    summary_of_nothing: whether the summary is shown before the first trial; else all contexts ask the same first question.
    digits: how many significant digits the numbers of a configuration are shown with, and compared with earlier ones by; None: all.
    """

    analysis: str
    longest_analysis: int | None
    echoes: bool
    summary_of_nothing: bool
    digits: int | None


MANNERS = {
    "v1": Manner("before", None, echoes=True, summary_of_nothing=True, digits=None),
    "v2": Manner("after", ANALYSIS_CHARACTERS, echoes=False, summary_of_nothing=False, digits=3),
}


@dataclass(frozen=True)
class Prompts:
    """One version of the templates. `hash` is the first 16 hexadecimal digits of the SHA-256 of all of them."""

    version: str
    hash: str
    parts: dict[str, str]
    manner: Manner

    def fill(self, part: str, **values: object) -> str:
        """Return the template `part` with its `$names` replaced by `values`. Raises KeyError for a name without a value."""
        return Template(self.parts[part]).substitute({name: str(value) for name, value in values.items()}).strip()


@functools.cache
def load_prompts(version: str) -> Prompts:
    """Read one version of the templates. Raises SettingsError for an unknown version."""
    if version not in MANNERS:
        raise SettingsError(f"agent.prompt={version}: no such version of the prompts{near(version, MANNERS)}")
    parts = {file.stem: file.read_text(encoding="utf-8") for file in (FOLDER / version).glob("*.txt")}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return Prompts(version, digest, parts, MANNERS[version])


def opening(  # noqa: PLR0913 - what the template holds
    prompts: Prompts, card: TaskCard, space: str, objective: Objective, *, number: int, budget: int, context: str
) -> list[Message]:
    """Return the system message and the message about the task, the space and the trials, from which trial `number` is chosen."""
    values = {"card": card_text(card, objective), "space": space, "number": number, "done": number - 1}
    task = prompts.fill("task", budget=budget, context=context, **values)
    return [Message("system", system_text(prompts, objective)), Message("user", task)]


def card_text(card: TaskCard, objective: Objective = PERCENT) -> str:
    """Return the task description as text, one line per field."""
    lines = [("Task", card.title), ("Domain", card.domain), ("Data", card.data), ("Model", card.model)]
    lines += [("Score", f"{card.metric} ({_score_text(objective)})"), ("Training", card.epochs)]
    return "\n".join(f"{name}: {text}" for name, text in lines)


def system_text(prompts: Prompts, objective: Objective) -> str:
    """Return the system prompt. The templates speak of the highest score; where lower is better, it is the lowest."""
    text = prompts.fill("system")
    return text if objective.sign > 0 else text.replace("the highest validation score", "the lowest validation score")


def score_name(card: TaskCard, objective: Objective) -> str:
    """Return what the scores are, for the one line above a table of trials."""
    return card.metric if objective.is_identity else f"{objective.name}{f' in {objective.unit}' if objective.unit else ''}"


def _score_text(objective: Objective) -> str:
    if objective.is_identity:
        return "a percentage, higher is better"
    unit = "a percentage" if objective.is_percentage else f"in {objective.unit}" if objective.unit else "without a unit"
    return f"{objective.name}, {unit}, {'higher' if objective.sign > 0 else 'lower'} is better; {objective.margin:g} more or less matters"


def space_text(space: Space, *, levels: bool = False) -> str:
    """Return the space as text, one line per hyperparameter: name, allowed values with scale, default, meaning, condition.

    `levels`: say which levels of its range a number may have.
    """
    return "\n".join(_line(hp, levels) for hp in space)


def ranges_text(space: Space) -> str:
    """Return the space as text without defaults and meanings, one line per hyperparameter: name, allowed values with scale, condition."""
    return "\n".join("; ".join([f"- {hp.name}: {hp.range_text}", *_condition(hp)]) for hp in space)


def form_text(space: Space, analysis: str) -> str:
    """Return the form of an answer, with dots in the place of every value: small models copy the values that they are shown."""
    config = f"{{{', '.join(f'{json.dumps(name, ensure_ascii=False)}: ...' for name in space.names)}}}"
    if analysis == "none":
        return f'{{"config": {config}}}'
    return f'{{"config": {config}, "analysis": "..."}}' if analysis == "after" else f'{{"analysis": "...", "config": {config}}}'


def form_explained(space: Space, analysis: str) -> str:
    """Return what a form with dots leaves open, as sentences that end with a space."""
    conditional = "Leave out a hyperparameter whose condition does not hold. " if any(hp.when for hp in space) else ""
    return conditional + ("" if analysis == "none" else "The analysis says in one or two sentences why. ")


def _line(hp: Hyperparameter, levels: bool) -> str:
    unit = f" [{hp.unit}]" if hp.unit else ""
    allowed = f"{hp.range_text}, {levels_of(hp).text}" if levels and isinstance(hp, Number) else hp.range_text
    parts = [f"- {hp.name}{unit}: {allowed}; default {json_like(hp.default)}"]
    if hp.meaning:
        parts.append(hp.meaning)
    return "; ".join([*parts, *_condition(hp)])


def _condition(hp: Hyperparameter) -> list[str]:
    if not hp.when:
        return []
    return ["only when " + " and ".join(f"{p} is {' or '.join(json_like(v) for v in vs)}" for p, vs in hp.when.items())]
