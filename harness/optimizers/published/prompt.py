"""The sentences for both agents: templates in `prompts/`, and their hash. They are the harness's own.

Source of what each agent is told: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. Neither agent is told
the model, the data, what a hyperparameter does, or that a scale is logarithmic.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from harness.llm.backend import Message
from harness.optimizers.published.dimension import Dimension, Setting
from harness.optimizers.published.metric import Metric
from harness.optimizers.published.pattern import Pattern
from harness.optimizers.published.summary import Summary
from harness.optimizers.published.switches import Switches
from harness.optimizers.published.text import generator_ranges, generator_state, summary_text

FOLDER = Path(__file__).parent / "prompts"
PARTS = (
    "analyzer_system",
    "analyzer_task",
    "generator_system",
    "generator_task",
    "no_analysis",
    "failed_analysis",
    "complaint",
)


@functools.cache
def templates() -> Mapping[str, str]:
    """Read all templates, by name."""
    return {part: (FOLDER / f"{part}.txt").read_text(encoding="utf-8") for part in PARTS}


@functools.cache
def prompt_hash() -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of all templates."""
    return hashlib.sha256(json.dumps(templates(), sort_keys=True).encode()).hexdigest()[:16]


def fill(part: str, **values: object) -> str:
    """Return a template with its `$names` replaced. Raises KeyError for a name without a value."""
    return Template(templates()[part]).substitute({name: str(value) for name, value in values.items()}).strip()


def goal(metric: Metric, target: float, switches: Switches) -> str:
    """Return the aim as a phrase; it holds the target unless a switch hides it."""
    if switches.target == "hidden":
        return f"bring {metric.name} as {'high' if metric.higher_is_better else 'low'} as it will go"
    return f"bring {metric.name} {'above' if metric.higher_is_better else 'below'} {target:.3f}"


def analyzer_messages(summary: Summary, names: Sequence[str], metric: Metric, switches: Switches) -> tuple[str, list[Message]]:
    """Return the summary as text, and the messages that the Analyzer gets with it."""
    text = summary_text(summary, metric, switches)
    told = {"goal": goal(metric, metric.target, switches), "metric": metric.name, "names": ", ".join(names)}
    direction = "higher is better" if metric.higher_is_better else "lower is better"
    system = fill("analyzer_system", direction=direction, **told)
    return text, [Message("system", system), Message("user", fill("analyzer_task", summary=text, **told))]


def generator_messages(  # noqa: PLR0913 - what the Generator sees
    dimensions: Sequence[Dimension],
    config: Mapping[str, Setting],
    pattern: Pattern,
    metric: Metric,
    switches: Switches,
    analysis: str,
    *,
    first: bool,
) -> list[Message]:
    """Return the messages that the Generator gets. `config` is the last trained configuration, `first`: before the first training."""
    aim = goal(metric, metric.first_target if first else metric.target, switches)
    form = ", ".join(f"{dimension.name}=value" for dimension in dimensions)
    user = fill(
        "generator_task",
        state=generator_state(pattern, metric, switches),
        analysis=analysis,
        ranges=generator_ranges(dimensions, config),
        form=form,
    )
    return [Message("system", fill("generator_system", goal=aim)), Message("user", user)]
