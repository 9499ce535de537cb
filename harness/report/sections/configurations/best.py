"""The best configuration of each arm: the one that validation chose in the arm's best seed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.report.analysis.trial_table import TrialRow, best_rows, trial_table
from harness.report.render.document import Column, Fold, Section, Table, Text, Verbatim, listed, number, row
from harness.report.render.escape import cut
from harness.report.render.units import difference_digits, lower_is_better, task_name, unit_of, validation_notes
from harness.report.sections.findings import Findings
from harness.report.study_data import State, StudyData
from harness.space import Choice, Config, Hyperparameter, Space, Value
from harness.trial import Objective

TITLE = "Configurations: the best of each arm"
LONGEST = 24
MISSING = "–"


@dataclass(frozen=True)
class Best:
    """The trial that an arm's best seed on a task chose. `alike` of the arm's `seeds` chose the same configuration."""

    row: TrialRow
    alike: int
    seeds: int


def best_of_arms(rows: Sequence[TrialRow], objective: Objective) -> dict[str, Best]:
    """Return the best of each arm of one task by validation; the first seed on a tie."""
    by_arm: dict[str, list[TrialRow]] = {}
    for each in rows:
        by_arm.setdefault(each.arm, []).append(each)
    found = {}
    for arm, of_arm in by_arm.items():
        best = min(of_arm, key=lambda each: -objective.sign * (each.score or 0.0))
        found[arm] = Best(best, sum(each.config == best.config for each in of_arm), len(of_arm))
    return found


def configurations_section(found: Findings) -> Section:
    """Build the table of the best of each task, and below it a table for each task with the best of each arm."""
    rows = [each for each in best_rows(found.study) if each.state == State.DONE.value]
    if not rows:
        return Section("configurations", TITLE, ("No training of a finished cell has a score.",))
    spaces, tasks = spaces_of(found.study), _by_task(found, rows)
    lead = (
        "For each arm, the configuration that validation chose in the arm's best seed. It is the winner of all the arm's trials "
        "there, so its validation score flatters it, and a rerun may score lower on the test set too: arms are compared by the means "
        "of the score tables, and not by these rows."
    )
    folds = []
    for place, (task, of_task) in enumerate(tasks.items(), start=1):
        title = f"{task}: {len(of_task)} arm{'' if len(of_task) == 1 else 's'}"
        folds.append(Fold(title, (_task_table(found, task, of_task, spaces.get(task), place), _paste(task, of_task, found))))
    return Section("configurations", TITLE, (lead, _overall(found, tasks, rows, spaces), *folds))


def _by_task(found: Findings, rows: Sequence[TrialRow]) -> dict[str, dict[str, Best]]:
    """Return the best of each arm by task; arms in the order of the score tables, and only tasks with a score."""
    of_task: dict[str, list[TrialRow]] = {}
    for each in rows:
        of_task.setdefault(each.task, []).append(each)
    best = {task: best_of_arms(of_task[task], found.objectives[task]) for task in found.study.tasks if task in of_task}
    return {task: {arm: of_arm[arm] for arm in found.test.order if arm in of_arm} for task, of_arm in best.items()}


def spaces_of(study: StudyData) -> dict[str, Space]:
    """Return the space of each task, from the first of its cells whose identity holds one."""
    found: dict[str, Space] = {}
    for cell in study.cells:
        if cell.task not in found and cell.state is not State.UNREADABLE and (space := cell.space) is not None:
            found[cell.task] = space
    return found


def shown_value(value: Value | None) -> str:
    """Write a value as a configuration holds it, floats with four digits; a dash for a hyperparameter that is not active."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else cut(str(value), LONGEST)


def in_words(config: Config, default: Config | None = None) -> str:
    """Write a configuration as `name=value, ...`; with a default, what is as there comes last, after `as the default:`."""
    same = [name for name in config if default is not None and name in default and default[name] == config[name]]
    others, kept = (
        ", ".join(f"{cut(name, LONGEST)}={shown_value(config[name])}" for name in names)
        for names in ([name for name in config if name not in same], same)
    )
    return others if not kept else f"{others or 'nothing changed'}; as the default: {kept}"


def _best_of_task(of_task: dict[str, Best], objective: Objective) -> Best:
    return min(of_task.values(), key=lambda best: -objective.sign * (best.row.score or 0.0))


def _overall(found: Findings, tasks: dict[str, dict[str, Best]], rows: Sequence[TrialRow], spaces: dict[str, Space]) -> Table:
    lines, named = [], list[str]()
    for task, of_task in tasks.items():
        objective = found.objectives[task]
        best = _best_of_task(of_task, objective)
        finders = [arm for arm, other in of_task.items() if other.row.config == best.row.config]
        space = spaces.get(task)
        words = in_words(best.row.config, space.default() if space else None)
        lines.append(
            row(_titled(found, task), *_scores(best.row, objective), words, listed([found.marks.name(arm) for arm in finders], 3))
        )
        named += finders[:3]
    heads = (
        Column("task", numeric=False),
        Column("val"),
        Column("test"),
        *(Column(n, numeric=False) for n in ("configuration", "found by")),
    )
    notes = (
        "The best of all arms and seeds by validation: the more cells a study has, the more such a score flatters. Found by: the arms "
        "whose best seed chose this configuration. The CSV has the configuration that validation chose in every cell: a row for each "
        "task, arm and seed, with its scores in full and a column for each hyperparameter.",
        *validation_notes(found.objectives),
        *found.marks.notes(named),
    )
    return Table("configurations", "The best configuration of each task", heads, tuple(lines), _data(rows, tasks), notes)


def _data(rows: Sequence[TrialRow], tasks: dict[str, dict[str, Best]]) -> pd.DataFrame:
    """Return a row per cell, with the columns of `trials.csv`, and whether it is the best seed of its arm."""
    best = [tasks[each.task][each.arm].row is each if each.arm in tasks[each.task] else False for each in rows]
    return trial_table(rows).assign(best_of_arm=best)


def _titled(found: Findings, task: str) -> str:
    objective = found.objectives[task]
    unit = "" if found.objectives.plain else f", {unit_of(objective)}{lower_is_better(objective)}"
    return f"{task_name(task, objective)}{unit}"


def _scores(of: TrialRow, objective: Objective) -> tuple[Text, Text]:
    digits = difference_digits(objective)
    return Text(number(of.score, digits)), Text(number(of.test if objective.test else None, digits))


def _task_table(found: Findings, task: str, of_task: dict[str, Best], space: Space | None, place: int) -> Table:
    objective, default = found.objectives[task], space.default() if space else None
    names = tuple(
        dict.fromkeys([*(space.names if space else ()), *(name for best in of_task.values() for name in best.row.config)])
    )
    top = _scores(_best_of_task(of_task, objective).row, objective)[0].text
    lines, narrow = [], []
    for arm, best in of_task.items():
        val, test = _scores(best.row, objective)
        scores = row(found.marks.name(arm), Text(val.text, strong=val.text == top), test)
        config, seed, trial = best.row.config, str(best.row.seed), best.row.trial
        about = (seed, str(trial.number), trial.proposal.source, f"{best.alike} of {best.seeds}")
        lines.append((*scores, *_values(config, names, default), *row(*about)))
        narrow.append((*scores, *row(in_words(config, default), seed)))
    if default is not None:
        values = (Text(shown_value(default.get(name)), tone="muted") for name in names)
        lines.append(row(Text("the default", tone="muted"), *[MISSING] * 2, *values, *[MISSING] * len(_ABOUT)))
    heads = (*_FIRST, *(_head(name, space) for name in names), *_ABOUT)
    data = trial_table([best.row for best in of_task.values()])
    key, title = f"configurations_{place}", f"{_titled(found, task)}: the best configuration of each arm"
    compact = (*_FIRST, Column("configuration", numeric=False), Column("seed"))
    narrower = Table(key, title, compact, tuple(narrow), data, _NOTES[:1])
    return Table(key, title, heads, tuple(lines), data, (*_NOTES, *found.marks.notes(of_task)), (narrower,))


_FIRST = (Column("arm", numeric=False), Column("val"), Column("test"))
_ABOUT = (
    Column("seed"),
    Column("trial"),
    Column("from", numeric=False, hint="where the configuration came from"),
    Column("alike", hint="seeds of the arm that chose the same configuration"),
)
_NOTES = (
    "The seed of each arm with the best validation score, the first on a tie.",
    "Bold values are other than the default's; a bold validation score is the best of the task, as printed. –: not active. from: what "
    "proposed it (optimizer: the method itself, start-up draws included; default; llm; fallback: a random draw in place of the LLM; "
    "given). alike: how many of the arm's seeds chose the same configuration.",
)


def _head(name: str, space: Space | None) -> Column:
    hp = space[name] if space and name in space else None
    hint = f"{hp.range_text}{f', {hp.unit}' if hp.unit else ''}" if hp else ""
    return Column(cut(name, LONGEST), numeric=hp is None or _is_number(hp), hint=hint)


def _is_number(hp: Hyperparameter) -> bool:
    return not isinstance(hp, Choice) or all(isinstance(value, int | float) and not isinstance(value, bool) for value in hp.choices)


def _values(config: Config, names: Sequence[str], default: Config | None) -> Iterator[Text]:
    for name in names:
        value = config.get(name)
        changed = default is not None and value is not None and default.get(name) != value
        yield Text(shown_value(value), strong=changed)


def _paste(task: str, of_task: dict[str, Best], found: Findings) -> Verbatim:
    best = _best_of_task(of_task, found.objectives[task])
    return Verbatim(f"The best of {task}, as JSON", json.dumps(best.row.config, ensure_ascii=False))
