"""The traces of some cells: per trial, what the method was shown, what it answered, what changed, and the curve of the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.errors import RecordError, SettingsError, near
from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import oriented
from harness.report.analysis.objectives import Objectives
from harness.report.analysis.plain import described
from harness.report.render.document import Column, Figure, Fold, Item, Section, Table, Text, Verbatim, listed, number, row
from harness.report.render.plots import cell_drawing
from harness.report.render.units import axis_of, difference_digits, lower_is_better, name_of, score_digits, score_of, unit_of
from harness.report.sections.published.chosen import written_table
from harness.report.study_data import Call, CellData, State, StudyData
from harness.trial import Objective, Trial, incumbent

# A reply can have megabytes; the page shows its beginning and its end.
SHOWN_CHARACTERS = 12_000
# Of the prompts between the first and the last one of a cell, which are much like these. A page has a cell of every arm.
BETWEEN_CHARACTERS = 600


def trace_section(study: StudyData, arms: Mapping[str, Arm], asked: Sequence[str], most: int) -> Section:
    """Show the cells that were asked for (`TASK/ARM/SEED`) in full, or a typical one of each arm, LLM arms first, at most `most`."""
    title = "Traces: cells from start to end"
    typical = [] if asked else typical_cells(study, arms)
    cells = [_find(study, name) for name in asked] or typical[:most]
    if not cells:
        return Section("cells", title, ("No cell is done." if not typical else "None is shown (report.traces=0).",))
    objectives = Objectives.of(study)
    what = "A cell is one task tuned by one arm from one seed."
    never = "Only the reader sees the test score, never a method."
    lead = f"{what} These cells were asked for. {never}" if asked else f"{what} {_chosen(typical, most, arms)} {never}"
    folds: list[Item] = []
    for number_, cell in enumerate(cells, start=1):
        try:
            folds.append(_trace(study.in_full(cell), arms[cell.arm], objectives[cell.task], number_, brief=not asked))
        except RecordError as error:
            folds.append(f"{cell.label} cannot be shown: {error}")
    return Section("cells", title, (lead, *folds))


def _chosen(typical: Sequence[CellData], most: int, arms: Mapping[str, Arm]) -> str:
    """Say how the cells were chosen, and which arms have none."""
    shown = typical[:most]
    without = [name for name in arms if name not in {cell.arm for cell in shown}]
    missing = f" Without a trace: {listed(without, 20)} ({_why(len(typical) > most)})." if without else ""
    asking = any(arms[cell.arm].role == "llm" for cell in shown)
    cut = " Of an LLM's long prompts, those between the cell's first and last one are cut." if asking else ""
    return (
        "Here is one of each arm, on the arm's first task with a done cell: the seed whose test score is the arm's median there, the upper "
        f"one of two.{cut}{missing} Others{', and all prompts' if asking else ''}: --cell TASK/ARM/SEED."
    )


def _why(over: bool) -> str:
    return "no done cell, or beyond report.traces" if over else "no done cell"


def typical_cells(study: StudyData, arms: Mapping[str, Arm]) -> list[CellData]:
    """Return, for each arm, the done cell with the median test score on its first task; LLM arms first, then rules, then the rest."""
    chosen, objectives = [], Objectives.of(study)
    for arm in sorted(arms.values(), key=lambda a: (a.role != "llm", a.role != "rules", a.context != "tcs")):
        done = [cell for cell in study.cells if cell.arm == arm.name and cell.state is State.DONE and cell.trials]
        done = [cell for cell in done if cell.task == done[0].task]
        if done:
            chosen.append(sorted(done, key=lambda cell: _test(cell, objectives[cell.task]))[len(done) // 2])
    return chosen


def _test(cell: CellData, objective: Objective) -> float:
    best = incumbent(cell.trials, objective)
    score = oriented(best.outcome if best else None, objective)[1]
    return float("-inf") if math.isnan(score) else score


def _find(study: StudyData, name: str) -> CellData:
    """Return the done cell that `TASK/ARM/SEED` names. Raises SettingsError."""
    known = {f"{c.task}/{c.arm}/{c.seed}": c for c in study.cells if c.state is State.DONE}
    cell = known.get(name.replace("/seed", "/"))
    if cell is None:
        raise SettingsError(f"--cell {name}: the study has no such cell that is done{near(name, known) if len(known) < 50 else ''}")
    return cell


def _trace(cell: CellData, arm: Arm, objective: Objective, place: int, *, brief: bool) -> Fold:
    """Show one cell; `brief` cuts the prompts between the first and the last one."""
    best = incumbent(cell.trials, objective)
    end = f"validation chose trial {best.number}, {_score(best, objective)}" if best else "no trial succeeded"
    given = len(cell.trials) - len(cell.own)
    count = f"{len(cell.own)} trials" + (f" after {given} that were given" if given else "")
    items: list[Item] = [f"{_card(cell)}{described(arm)}. Seed {cell.seed}, {count}; {end}."]
    items.append(_figure(cell, objective, place))
    items.append(_table(cell, best, objective, place))
    if written := written_table(cell, place):
        items.append(written)
    prompted = [trial.number for trial in cell.trials if trial.proposal.note.get("context")] or [c.trial for c in cell.calls]
    for trial in cell.trials:
        whole = not brief or trial.number in (min(prompted, default=0), max(prompted, default=0))
        calls = [call for call in cell.calls if call.trial == trial.number]
        if fold := _exchange(trial, calls, SHOWN_CHARACTERS if whole else BETWEEN_CHARACTERS):
            items.append(fold)
    return Fold(f"{cell.task} · {cell.arm} · seed {cell.seed}", tuple(items), opened=place == 1)


def _score(best: Trial, objective: Objective) -> str:
    """Write the score that counts for a cell."""
    outcome = best.outcome
    score = number(outcome.test_score_pct if objective.test else outcome.val_score_pct, score_digits(objective))
    unit = f" {unit_of(objective)}" if objective.unit else ""
    return f"{score_of(objective)} {score}{unit}{lower_is_better(objective)}{'' if objective.test else ' (there is no test score)'}"


def _card(cell: CellData) -> str:
    title = cell.card.get("title")
    return f"{title}: " if title else ""


def _figure(cell: CellData, objective: Objective, place: int) -> Figure:
    rows = [
        {"trial": t.number, "epoch": e.number, "val_score_pct": e.val_score_pct, "train_score_pct": e.train_score_pct}
        for t in cell.trials
        for e in t.outcome.curve
    ]
    scores = [trial.score for trial in cell.trials]
    curves = [[epoch.val_score_pct for epoch in trial.outcome.curve] for trial in cell.trials]
    scored = [score for score in scores if score is not None]
    digits, axis = score_digits(objective), axis_of(objective, f"validation {name_of(objective)}")
    unit = f" {unit_of(objective)}" if objective.unit else ""
    span = f"from {min(scored):.{digits}f} to {max(scored):.{digits}f}{unit}" if scored else "none"
    data = pd.DataFrame(rows, columns=["trial", "epoch", "val_score_pct", "train_score_pct"])
    title = (
        f"{cell.label}: validation {name_of(objective)} by trial (line: best so far; cross: failed), and the curve of each training"
    )
    lower = objective.sign < 0
    alt = f"Validation scores {span}."
    return Figure(f"cell_{place}_curves", title, alt, data, lambda: cell_drawing(scores, curves, axis=axis, lower=lower))


def _table(cell: CellData, best: Trial | None, objective: Objective, place: int) -> Table:
    digits, unit = difference_digits(objective), "" if objective.is_percentage else f", {unit_of(objective)}"
    heads = (
        Column("trial"),
        Column("from", numeric=False),
        Column("configuration, or what changed", numeric=False),
        Column(f"validation{unit}"),
        Column(f"test{unit}"),
        Column("best epoch"),
        Column("training, s"),
        Column("outcome", numeric=False),
    )
    rows = []
    before: Mapping[str, Any] = {}
    for trial in cell.trials:
        outcome, chosen = trial.outcome, trial is best
        tone: Any = "" if outcome.ok else "bad"
        rows.append(
            row(
                str(trial.number),
                Text(trial.proposal.source, tone="warn" if trial.proposal.source == "fallback" else ""),
                changes(before, trial.config),
                Text(number(trial.score, digits), strong=chosen),
                Text(number(outcome.test_score_pct, digits), strong=chosen),
                str(outcome.best_epoch or "–"),
                number(outcome.seconds, 2),
                Text("chosen" if chosen else outcome.error or outcome.status.value, tone=tone),
            )
        )
        before = trial.config
    return Table(f"cell_{place}", f"{cell.label}: trials", heads, tuple(rows), _trial_frame(cell))


def changes(before: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Write the changes from the configuration before to this one; without one before, write all of this one."""
    if not before:
        return ", ".join(f"{name} {value_text(value)}" for name, value in config.items())
    parts = []
    for name in dict.fromkeys((*before, *config)):
        old, new = before.get(name), config.get(name)
        if old is None:
            parts.append(f"{name} now {value_text(new)}")
        elif new is None:
            parts.append(f"{name} dropped")
        elif old != new:
            parts.append(f"{name} {value_text(old)} → {value_text(new)}")
    return ", ".join(parts) or "nothing: an exact repeat"


def value_text(value: Any) -> str:
    """Write a value; a number with a fraction gets at most four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def capped(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Return a text that fits on the page: the middle of one with more than `most` characters is left out, and the text says how much."""
    left_out = len(text) - most
    if left_out <= 0:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {left_out:,} characters are left out here; the records hold them ...]\n{text[-half:]}"


def _trial_frame(cell: CellData) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": trial.number,
            "source": trial.proposal.source,
            "status": trial.outcome.status.value,
            "val_score_pct": trial.outcome.val_score_pct,
            "test_score_pct": trial.outcome.test_score_pct,
            "best_epoch": trial.outcome.best_epoch,
            "train_seconds": trial.outcome.seconds,
            "propose_seconds": trial.propose_seconds,
            "error": trial.outcome.error,
            **{f"config.{name}": value for name, value in trial.config.items()},
        }
        for trial in cell.trials
    )


def _cut(cut: Mapping[str, Any]) -> str:
    """Say how much of a prompt its method cut off on purpose; nothing where it was whole."""
    left_out = cut.get("characters_left_out")
    if not left_out:
        return ""
    tokens = f"about {cut.get('estimated_tokens')} tokens for a window of {cut.get('window')}"
    return f"The prompt of call {cut.get('call')} was cut on purpose: {tokens}, {left_out} characters lost at its front"


def _exchange(trial: Trial, calls: Sequence[Call], most: int) -> Fold | None:
    """Return the context, of at most so many characters, and the replies of one trial; None for a trial without either."""
    note = trial.proposal.note
    items: list[Item] = []
    if note.get("context"):
        items.append(Verbatim("The context that it was shown", capped(str(note["context"]), most)))
    for call in calls:
        if call.messages and not note.get("context"):
            items.append(Verbatim(f"Call {call.call}, the last message", capped(call.messages[-1]["content"], most)))
        if call.thinking:
            items.append(Verbatim(f"Call {call.call}, thinking", capped(call.thinking)))
        if call.reply:
            items.append(Verbatim(f"Call {call.call}, reply of the {call.role}", capped(call.reply)))
        if call.problem or call.error:
            items.append(f"Call {call.call} was refused: {capped(str(call.problem or call.error))}")
    items += [text for cut in note.get("cuts") or () if isinstance(cut, Mapping) and (text := _cut(cut))]
    if note.get("analysis") and not any(call.reply for call in calls):
        items.append(Verbatim("Its analysis", capped(str(note["analysis"]))))
    refused = sum(bool(call.problem or call.error) for call in calls)
    more = f" ({refused} of {len(calls)} replies refused)" if refused else ""
    return Fold(f"Trial {trial.number}: what it was shown, and what it answered{more}", tuple(items)) if items else None
