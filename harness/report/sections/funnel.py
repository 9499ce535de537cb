"""The validity funnel of the LLM arms: how many calls became trainings, and where every configuration came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.options import Options
from harness.report.render.document import Column, Item, Section, Table, Text, columns, row, share
from harness.report.render.marks import Marks
from harness.report.sections.published.chosen import chosen_table
from harness.report.sources.calls import ABORTED, REPEAT, UNPARSED
from harness.report.study_data import CellData, State, StudyData
from harness.trial import Trial

PROVENANCE = ("default", "optimizer", "llm", "retry", "repaired", "adjusted", "fallback")
# Columns that only arms of the published system fill.
SILENT = ("repaired", "adjusted")
STEPS = ("calls", "answered", "parsed", "valid", "new", "trained")


def funnel_frame(study: StudyData, arms: Mapping[str, Arm]) -> pd.DataFrame:
    """Return one row per done cell of an LLM arm: calls at each step, trials by provenance.

    A call of an analyzer proposes nothing and is counted apart. `trained` counts the trials whose configuration is the LLM's own and
    whose training ended with a score.
    """
    rows = [
        {"arm": cell.arm, "task": cell.task, "seed": cell.seed, **_cell_funnel(cell)}
        for cell in study.cells
        if cell.state is State.DONE and arms[cell.arm].role == "llm"
    ]
    return pd.DataFrame(rows, columns=["arm", "task", "seed", "analyses", *STEPS, "trials", *PROVENANCE])


def _cell_funnel(cell: CellData) -> dict[str, int]:
    proposals = [call for call in cell.calls if call.role != "analyzer"]
    answered = [call for call in proposals if call.answered]
    parsed = [call for call in answered if call.problem_kind not in (ABORTED, UNPARSED)]
    valid = [call for call in parsed if call.problem_kind in (None, REPEAT)]
    new = [call for call in valid if call.problem_kind is None]
    sources = Counter(map(provenance, cell.trials))
    own = sum(trial.outcome.ok and provenance(trial) in ("llm", "retry") for trial in cell.trials)
    steps = dict(zip(STEPS, (len(proposals), len(answered), len(parsed), len(valid), len(new), own), strict=True))
    return {"analyses": len(cell.calls) - len(proposals), **steps, "trials": len(cell.trials)} | {
        name: sources[name] for name in PROVENANCE
    }


def provenance(trial: Trial) -> str:
    """Return the kind of a trial's source: llm-retry-1, llm-retry-2, ... are one; a default that stood in for a reply is a fallback."""
    source = trial.proposal.source
    if source == "default" and trial.proposal.note.get("replies"):
        return "fallback"
    return "retry" if source.startswith("llm-retry") else source.removeprefix("llm-")


def over_fallback(frame: pd.DataFrame, options: Options) -> pd.Series[bool]:
    """Say for each cell whether more of its trials are fallbacks than the options allow."""
    asked = frame["trials"] - frame["default"] - frame["optimizer"]
    return frame["fallback"] > options.fallback_share * asked.where(asked > 0, 1)


def fallback_shares(frame: pd.DataFrame) -> dict[str, float]:
    """Return, for each arm, the share of the proposals asked of its LLM that are random draws instead."""
    sums = frame.groupby("arm")[["trials", "default", "optimizer", "fallback"]].sum()
    asked = sums["trials"] - sums["default"] - sums["optimizer"]
    return {str(arm): float(part) for arm, part in (sums["fallback"] / asked.where(asked > 0, 1)).items()}


def marked_arms(frame: pd.DataFrame, options: Options) -> set[str]:
    """Return the arms with more fallback trials than the options allow."""
    sums = frame.groupby("arm")[["trials", "default", "optimizer", "fallback"]].sum().reset_index()
    return set(sums.loc[over_fallback(sums, options), "arm"])


def funnel_section(frame: pd.DataFrame, marks: Marks, options: Options, chosen: pd.DataFrame | None = None) -> Section:
    """Build the section: the funnel and the provenance of trials; only a sentence when the study has no LLM arm.

    `chosen` counts what became of single values, where an arm notes that (see `published/chosen.py`).
    """
    title = "Validity funnel: what the LLMs said, and what was trained"
    if frame.empty:
        return Section(
            "funnel", title, ("No arm of this study asked an LLM: every configuration came from where its method says.",)
        )
    flagged = frame.assign(over=over_fallback(frame, options))
    sums = flagged.groupby("arm", sort=False).agg(
        {**dict.fromkeys((*STEPS, "trials", *PROVENANCE, "over", "analyses"), "sum"), "task": "size"}
    )
    sums = sums.rename(columns={"task": "cells", "over": "cells_over"}).reset_index()
    items: list[Item] = [
        "A reply is parsed when it holds a readable JSON object of the right form, valid when its configuration is in the space, and new "
        "when no earlier trial had it. A bad reply goes back with a message; when the attempts are used up, one random draw takes its "
        "place and is marked as a fallback: it is never counted as the LLM's."
    ]
    items += [_funnel_table(sums, marks), _provenance_table(sums, flagged, marks, options)]
    if chosen is not None and len(chosen):
        items.append(
            "The published system refuses no reply: what it cannot read becomes the default without a word, and hidden rules change values "
            "after the reply. So its replies all count as valid above, and the next table says what the LLM really chose."
        )
        items.append(chosen_table(chosen, marks))
    return Section("funnel", title, tuple(items))


def _funnel_table(sums: pd.DataFrame, marks: Marks) -> Table:
    rows = []
    for entry in rows_of(sums):
        if not entry["calls"]:
            rows.append(row(marks.name(entry["arm"]), "–", *(Text("–", tone="muted") for _ in STEPS[1:])))
            continue
        texts = [f"{entry[step]} ({share(entry[step], entry['calls'])})" for step in STEPS[1:]]
        rows.append(row(marks.name(entry["arm"]), str(entry["calls"]), *texts))
    notes = ["In brackets: of the calls. Trained: the LLM's own configurations whose training ended with a score."]
    if sums["analyses"].any():
        notes.append(
            "Calls that only analyse are left out here; they are column `analyses` of csv/funnel.csv, and part of the cost."
        )
    if (sums["calls"] == 0).any():
        notes.append("–: this source of the report does not hold the calls.")
    return Table(
        "funnel",
        "Calls that ask for a configuration",
        columns("arm", *STEPS),
        tuple(rows),
        sums,
        (*notes, *marks.notes(sums["arm"])),
    )


def _provenance_table(sums: pd.DataFrame, cells: pd.DataFrame, marks: Marks, options: Options) -> Table:
    limit = f"{100 * options.fallback_share:g} %"
    rows = []
    shown = [name for name in PROVENANCE if name not in SILENT or sums[name].any()]
    for entry in rows_of(sums):
        over = f"{entry['cells_over']} of {entry['cells']}"
        shares = [Text(share(entry[name], entry["trials"]), tone=_tone(name, entry["arm"] in marks.fallback)) for name in shown]
        rows.append(
            row(marks.name(entry["arm"]), str(entry["trials"]), *shares, Text(over, tone="warn" if entry["cells_over"] else ""))
        )
    titles = {"llm": "LLM", "retry": "LLM, asked again", "repaired": "LLM, repaired", "adjusted": "LLM, changed by rules"}
    heads: tuple[str | Column, ...] = (
        "trials",
        *(titles.get(name, name) for name in shown),
        Column(f"cells over {limit}", hint="fallback trials"),
    )
    title = "Where the trained configurations came from"
    return Table("provenance", title, columns("arm", *heads), tuple(rows), cells, marks.notes(sums["arm"]))


def _tone(name: str, marked: bool) -> Any:
    return "warn" if name == "fallback" and marked else ""
