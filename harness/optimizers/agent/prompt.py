"""The prompts: versioned templates in `prompts/VERSION/`, and how a space and a task are put into words.

The same templates serve every context, so that arms differ in what they are shown and in nothing else.
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

FOLDER = Path(__file__).parent / "prompts"
PARTS = ("system", "task", "propose", "analyse", "decide", "retry")


@dataclass(frozen=True)
class Prompts:
    """One version of the templates. `hash` is the first 16 hexadecimal digits of the SHA-256 over all of them."""

    version: str
    hash: str
    parts: dict[str, str]

    def fill(self, part: str, **values: object) -> str:
        """Return one template with its `$names` replaced. Raises KeyError for a name that is not given."""
        return Template(self.parts[part]).substitute({name: str(value) for name, value in values.items()}).strip()


@functools.cache
def load_prompts(version: str) -> Prompts:
    """Read one version. Raises SettingsError when there is none of that name."""
    known = [folder.name for folder in FOLDER.iterdir() if folder.is_dir()]
    if version not in known:
        raise SettingsError(f"agent.prompt={version}: no such version of the prompts{near(version, known)}")
    parts = {part: (FOLDER / version / f"{part}.txt").read_text(encoding="utf-8") for part in PARTS}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return Prompts(version, digest, parts)


def card_text(card: TaskCard) -> str:
    """Return the task card, a line a field."""
    lines = [("Task", card.title), ("Domain", card.domain), ("Data", card.data), ("Model", card.model)]
    lines += [("Score", f"{card.metric} (a percentage, higher is better)"), ("Training", card.epochs)]
    return "\n".join(f"{name}: {text}" for name, text in lines)


def space_text(space: Space) -> str:
    """Return the space, a line a hyperparameter: name, allowed values with scale, default, meaning, condition."""
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
