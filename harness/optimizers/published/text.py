"""Write the facts of a summary as the text that the Analyzer reads. The sentences are the harness's own.

Source of what is shown, in which order and with how many digits: the authors' released code, commit 08a9a5b (2025-09-27), as described
in facts. Numbers have four decimals, targets three, changes a sign; configurations, final metrics, curves and ranges are not rounded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from harness.optimizers.published.dimension import Dimension, Kind, Setting
from harness.optimizers.published.metric import Metric
from harness.optimizers.published.pattern import DEGRADING, IMPROVING, Pattern
from harness.optimizers.published.summary import At, HyperparameterFacts, Summary
from harness.optimizers.published.switches import Switches

NOTHING = "N/A"


def summary_text(summary: Summary, metric: Metric, switches: Switches) -> str:
    """Return the five sections of a summary."""
    sections = (
        ("WHERE THINGS STAND", _situation(summary, metric, switches)),
        ("THE LATEST TRAINING", _latest(summary, metric)),
        ("EVERY HYPERPARAMETER", _ranges(summary, switches)),
        ("EACH HYPERPARAMETER IN DETAIL", _details(summary, metric, switches)),
        ("COMPARED WITH THE TRAINING BEFORE", _comparison(summary, metric)),
    )
    return "\n\n".join(f"{number}. {title}\n{text}" for number, (title, text) in enumerate(sections, start=1))


def _situation(summary: Summary, metric: Metric, switches: Switches) -> str:
    pattern, current = summary.pattern, _four(summary.score)
    lines = [f"Metric now ({metric.name}): {current}"]
    if switches.target == "shown":
        lines = [
            f"Target: {metric.name} {metric.sign} {metric.target:.3f}",
            f"{lines[0]}, level: {summary.level}",
            f"Gap to the target: {_four(pattern.gap)}",
        ]
    lines += [f"Trend: {pattern.trend}", f"Overfitting: {pattern.overfitting} (gap {_four(pattern.overfitting_gap)})"]
    return _listed(lines)


def _latest(summary: Summary, metric: Metric) -> str:
    lines = [
        f"Iteration: {summary.last.iteration}",
        f"Configuration: {_json(dict(summary.config))}",
        f"Train metric at the end: {_plain(summary.train_score)}",
        f"{metric.name} at the end: {_plain(summary.score)}",
        f"Result: the metric {_moved(summary)}",
    ]
    if summary.curves is not None:
        lines.append(f"All recorded metrics: {_json(dict(summary.curves))}")
    return _listed(lines)


def _moved(summary: Summary) -> str:
    change = summary.pattern.change
    if summary.pattern.trend == IMPROVING:
        return f"improved by {abs(change):.4f}"
    if summary.pattern.trend == DEGRADING:
        return f"degraded by {abs(change):.4f}"
    return f"is stuck around {_four(summary.score)}"


def _ranges(summary: Summary, switches: Switches) -> str:
    parts = ((facts.dimension, summary.config[facts.dimension.name]) for facts in summary.hyperparameters)
    return _listed(f"{d.name}: {_range(d, switches)} (current: {value})" for d, value in parts)


def _range(dimension: Dimension, switches: Switches) -> str:
    """Write a range as the Analyzer is shown it; options and scales only where a switch shows them."""
    if dimension.shows_options or (switches.options == "shown" and dimension.choices):
        return f"one of {_json(list(dimension.choices))}"
    low, high = dimension.shown_range
    return f"{low} to {high}{', log scale' if switches.options == 'shown' and dimension.log else ''}"


def _details(summary: Summary, metric: Metric, switches: Switches) -> str:
    return "\n\n".join(_paragraph(facts, metric, switches) for facts in summary.hyperparameters)


def _paragraph(facts: HyperparameterFacts, metric: Metric, switches: Switches) -> str:
    dimension = facts.dimension
    low, high = dimension.shown_range
    shown = f"{low} to {high}"
    if switches.options == "shown":
        shown = _range(dimension, switches)
    lines = [f"{dimension.name} (range: {shown}, type: {dimension.kind})"]
    if not facts.experiments or facts.best is None or facts.worst is None:
        return f"{lines[0]}\n  Never tested."
    if facts.experiments == 1:
        lines += [f"Value: {facts.best.value}", f"{metric.name}: {_four(facts.best.metric)}", "One experiment: more are needed"]
    else:
        lines += [
            f"Best ever: {_at(facts.best, metric)}",
            f"Worst ever: {_at(facts.worst, metric)}",
            f"Impact range: {_four(facts.impact)}",
            f"Experiments: {facts.experiments}, with {facts.distinct} distinct values",
            f"Mean of {metric.name}: {_four(facts.mean)} +- {_four(facts.sd)}",
            f"Best of the {facts.recent_count} most recent: {_four(facts.recent_best)}",
            f"All tested values: {', '.join(facts.tested)}",
        ]
    lines.append(
        f"Last {len(facts.last)}: {'; '.join(f'iteration {a.iteration}, {a.value} -> {_four(a.metric)}' for a in facts.last)}"
    )
    return "\n  ".join(lines)


def _at(found: At, metric: Metric) -> str:
    return f"{found.value} in iteration {found.iteration}, {metric.name} {_four(found.metric)}"


def _comparison(summary: Summary, metric: Metric) -> str:
    lines = [
        f"{metric.name} before: {_four(summary.before.metric)}",
        f"{metric.name} now: {_four(summary.score)}",
        f"Change: {summary.pattern.change:+.4f}",
    ]
    for name, value in summary.config.items():
        old = summary.before.config.get(name)
        lines.append(f"{name}: unchanged ({value})" if old == value else f"{name}: from {old} to {value}")
    return _listed(lines)


def generator_ranges(dimensions: Sequence[Dimension], config: Mapping[str, Setting]) -> str:
    """Return the hyperparameters as the Generator is shown them: range or options, and the last trained value."""
    return _listed(f"{d.name}: {_shown(d)} (current: {config[d.name]})" for d in dimensions)


def _shown(dimension: Dimension) -> str:
    if dimension.kind in (Kind.ORDINAL, Kind.CATEGORICAL) and dimension.choices:
        return f"one of {_json(list(dimension.choices))}"
    low, high = dimension.shown_range
    return f"{low} to {high}"


def generator_state(pattern: Pattern, metric: Metric, switches: Switches) -> str:
    """Return the lines on the state that the Generator is shown: before the second training all of it is 0 or unknown."""
    current = f"{metric.name} now: {_four(pattern.current)}"
    if switches.target == "hidden":
        return _listed([current, f"Trend: {pattern.trend}"])
    return _listed([f"{current}, level: {pattern.level}", f"Gap to the target: {_four(pattern.gap)}", f"Trend: {pattern.trend}"])


def _four(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4f}"


def _plain(value: float | None) -> str:
    return NOTHING if value is None else str(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
