"""The settings `published.*` on their way to a cell: checked, and told to the method that reads them.

Light: `harness.optimizers.published` is imported where a command asks for such a method, or sets one of its settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.console import say_once
from harness.errors import SettingsError
from harness.importing import load_target
from harness.optimizer import OptimizerSpec
from harness.task import TaskSpec
from harness.training.evaluator import Evaluator

GROUP = "published"
ATTEMPTS = "agent.attempts"


def reads_switches(method: OptimizerSpec) -> bool:
    """Say whether a method reads `published.*`: its YAML lists the group under `uses`."""
    return GROUP in method.uses


def reads(method: OptimizerSpec, key: str) -> bool:
    """Say whether such a method reads a key: of its group only what its options kept, and the attempts only where it asks again."""
    if key == ATTEMPTS:
        return "attempts" in method.options
    return key == GROUP or key.removeprefix(f"{GROUP}.") in method.options.get("switches", {})


def with_switches(method: OptimizerSpec, given: Mapping[str, Any], defaults: Mapping[str, Any], attempts: int) -> OptimizerSpec:
    """Return the method with its switches among its options; one that reads none as it is. `attempts` count with `repair=strict` only.

    With `after_rules=alone` it asks no LLM: then it has no context, and another role. Raises SettingsError for a switch that has no such
    value.
    """
    if not reads_switches(method) and given == defaults:
        return method
    from harness.optimizers.published.switches import Switches  # noqa: PLC0415 - see the module's docstring

    switches = Switches.read(given)
    if not reads_switches(method):
        return method
    kept = switches.to_mapping()
    again = {"attempts": attempts} if switches.asks and switches.repair == "strict" else {}
    told = replace(method, options={**method.options, "switches": kept, **again})
    return told if switches.asks else replace(told, context=None, role="tuner", label=told.label or told.name)


def told_of(method: OptimizerSpec, task: TaskSpec) -> dict[str, Any]:
    """Return what a manifest records of a task for such a method: the metric it is told, and the hidden rules that can act.

    A metric without a known target is said once. Empty for any other method.
    """
    if not reads_switches(method):
        return {}
    from harness.optimizers.published.dimension import dimensions_of  # noqa: PLC0415
    from harness.optimizers.published.metric import Metric, told_name  # noqa: PLC0415
    from harness.optimizers.published.rules import ROLES, rules_for  # noqa: PLC0415

    metric = Metric.named(told_name(task.objective, task.card.metric))
    real = method.options.get("switches", {}).get("overfitting") == "real"
    higher = task.objective.sign > 0
    if not metric.known:
        other = "" if higher else ", and that higher is better, as it holds of every name that it does not know"
        say_once(
            f"task '{task.name}': the published system knows no target of '{metric.name}': it is told {metric.target:g}{other}; "
            "task.metric.name gives the metric another name"
        )
    elif metric.higher_is_better is not higher:
        side = "higher" if metric.higher_is_better else "lower"
        say_once(
            f"task '{task.name}': the published system takes {side} for better, by the name '{metric.name}'; its task does not"
        )
    return {
        "metric": metric.name,
        "target": metric.target,
        "known_target": metric.known,
        "higher_is_better": metric.higher_is_better,
        "rules": rules_for(dimensions_of(task.space), ROLES, overfitting=real or metric.finds_train),
    }


def refuse_table(method: OptimizerSpec, evaluator: Evaluator) -> None:
    """Raise SettingsError where recorded trainings would make a method another one, with the reason that its class gives."""
    if evaluator.trains:
        return
    reason = getattr(load_target(method.target), "refuses_tables", "")
    if reason:
        raise SettingsError(f"optimizer '{method.name}' does not run on recorded trainings: {reason}")
