"""Words and digits for scores: units, directions, and the mark of a task without a test score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.analysis.normalised import NORMALISED
from harness.report.analysis.objectives import Objectives
from harness.report.render.document import interval, listed
from harness.report.render.escape import cut
from harness.report.render.marks import NO_BREAK
from harness.trial import Objective

LOWER = "↓"
# Behind the name of a task that has no test score.
VALIDATION = "(val)"
LONGEST, MOST_DECIMALS = 24, 12
# An end of an interval that is not 0 has so many more decimals, at most, that it does not look like 0.
MORE_DECIMALS = 6


def difference_digits(objective: Objective) -> int:
    """Return the decimals of a difference: 2 for percentages, else so many that a tenth of the margin shows."""
    if objective.is_percentage:
        return 2
    return min(max(0, 2 - math.floor(math.log10(objective.point))), MOST_DECIMALS)


def ends_of(low: float, high: float, objective: Objective) -> str:
    """Write the interval of a difference with so many decimals that an end beside 0 does not look like 0."""
    digits = difference_digits(objective)
    most = digits + MORE_DECIMALS
    while digits < most and any(end and float(f"{end:.{digits}f}") == 0.0 for end in (low, high)):
        digits += 1
    return interval(low, high, digits)


def score_digits(objective: Objective) -> int:
    """Return the decimals of a mean score: one less than those of a difference."""
    return max(0, difference_digits(objective) - 1)


def exact(value: float) -> str:
    """Write a margin: with one decimal where that is all of it."""
    return f"{value:.1f}" if math.isclose(value, round(value, 1), rel_tol=1e-9) else f"{value:.4g}"


def name_of(objective: Objective) -> str:
    """Return the metric's name."""
    return cut(objective.name, LONGEST)


def unit_of(objective: Objective) -> str:
    """Return the unit of a score; the metric's name where it has none."""
    return cut(objective.unit, LONGEST) or name_of(objective)


def steps_of(objective: Objective) -> str:
    """Return the unit of a difference."""
    return "points" if objective.is_percentage else unit_of(objective)


def score_of(objective: Objective) -> str:
    """Return `test score`, `validation rmse` and the like; normalised scores may be of both."""
    if objective == NORMALISED:
        return objective.name
    return f"{'test' if objective.test else 'validation'} {name_of(objective)}"


def lower_is_better(objective: Objective) -> str:
    """Return `, lower is better` where it is so."""
    return ", lower is better" if objective.sign < 0 else ""


def axis_of(objective: Objective, score: str = "") -> str:
    """Return the label of an axis with scores: `test rmse, k$ (lower is better)`."""
    better = " (lower is better)" if objective.sign < 0 else ""
    unit = f", {unit_of(objective)}" if objective.unit else ""
    return f"{score or score_of(objective)}{unit}{better}"


def task_name(task: str, objective: Objective) -> str:
    """Return a task's name, marked where it has no test score."""
    return task if objective.test else f"{task}{NO_BREAK}{VALIDATION}"


def task_head(task: str, objectives: Objectives) -> str:
    """Return the head of a task's column of scores: with its unit and direction where these differ from task to task."""
    objective = objectives[task]
    if objectives.shared:
        return task_name(task, objective)
    arrow = f" {LOWER}" if objective.sign < 0 else ""
    return f"{task_name(task, objective)}, {unit_of(objective)}{arrow}"


def task_notes(objectives: Objectives) -> tuple[str, ...]:
    """Return the lines below a table with a column for each task: what the scores are, and which tasks have no test score."""
    notes = (f"{scores_in_words(objectives)}.",) if not objectives.shared else ()
    return (*notes, *validation_notes(objectives))


def validation_notes(objectives: Objectives) -> tuple[str, ...]:
    """Return the line that says which tasks have no test score; nothing where all have one."""
    names = objectives.without_test
    if not names:
        return ()
    have, their = ("have", "their") if len(names) > 1 else ("has", "its")
    alone = ", averaged with test scores only where all are normalised" if len(names) < len(objectives.by_task) else ""
    return (f"{VALIDATION} {listed(names, 30)} {have} no test score: {their} validation scores stand here{alone}.",)


def scores_in_words(objectives: Objectives) -> str:
    """Say what the scores of all tasks are: `vision and text: score in %, higher is better, margin 0.9; price: ...`."""
    parts: dict[str, list[str]] = {}
    for task, objective in objectives.by_task.items():
        unit = f" in {unit_of(objective)}" if objective.unit else ""
        better = f"lower is better{f' ({LOWER})' if not objectives.shared else ''}" if objective.sign < 0 else "higher is better"
        parts.setdefault(f"{score_of(objective)}{unit}, {better}", []).append(task_name(task, objective))
    return "; ".join(f"{listed(tasks, 30)}: {text}" for text, tasks in parts.items())


def refused(objectives: Objectives, what: str) -> str:
    """Say that something over all tasks is not given, and why, e.g. `Tasks have different units (%, k$): no average.`."""
    text = objectives.refusal
    return f"{text[:1].upper()}{text[1:]}: {what}."


def pool_name(objective: Objective, tasks: Sequence[str]) -> str:
    """Name the tasks that are averaged together: `price, in k$`."""
    return f"{listed([task_name(task, objective) for task in tasks], 4)}, in {unit_of(objective)}"
