"""The validity funnel of the LLM arms: how many calls became trainings, and where every configuration came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.options import Options
from harness.report.analysis.provenance import KINDS, OWN, kind_of, origins
from harness.report.render.document import Column, Figure, Item, Section, Table, Text, columns, listed, row, share
from harness.report.render.marks import WITHHELD, Marks
from harness.report.render.plots import stacked
from harness.report.sections.published.chosen import chosen_table
from harness.report.sources.calls import ABORTED, REPEAT, UNPARSED
from harness.report.study_data import Call, CellData, State, StudyData
from harness.trial import GIVEN

PROVENANCE = tuple(KINDS.values())
# What a call is lost to, in the order of the steps, and what the figure calls it.
LOSSES = {
    "no_answer": "no answer",
    "cut_off": "cut off",
    "unparsed": "unparsed",
    "out_of_space": "out of space",
    "repeat": "repeat",
}
# A column of the table only where a study has such a trial.
RARE = {"repaired", "adjusted", "given"}
HEADS: dict[str, str] = {
    "llm": "LLM",
    "retry": "LLM, asked again",
    "repaired": "LLM, repaired",
    "adjusted": "LLM, changed by rules",
}
HEADS |= {name: name for name in PROVENANCE if name not in HEADS}
# The roles of calls that ask for no configuration: an analysis, or a prediction.
NO_PROPOSAL = ("analyzer", "surrogate")
STEPS = ("calls", "answered", "parsed", "valid", "new", "trained")


def funnel_frame(study: StudyData, arms: Mapping[str, Arm]) -> pd.DataFrame:
    """Return one row per done cell of an LLM arm: calls at each step and lost there, trials by provenance.

    Of the trials, `asked` had a configuration that was asked of the model, and `own` of these had the model's own.
    A call that proposes nothing (NO_PROPOSAL) is counted apart, as `analyses`. `trained` counts the trials whose configuration is the LLM's
    own and whose training ended with a score.
    """
    rows = [
        {"arm": cell.arm, "task": cell.task, "seed": cell.seed, **_cell_funnel(cell, arms[cell.arm].start == "default")}
        for cell in study.cells
        if cell.state is State.DONE and arms[cell.arm].role == "llm"
    ]
    return pd.DataFrame(rows, columns=["arm", "task", "seed", "analyses", *STEPS, *LOSSES, "trials", "asked", "own", *PROVENANCE])


def _cell_funnel(cell: CellData, from_default: bool) -> dict[str, int]:
    proposals = [call for call in cell.calls if call.role not in NO_PROPOSAL]
    answered = [call for call in proposals if call.answered]
    parsed = [call for call in answered if call.problem_kind not in (ABORTED, UNPARSED)]
    valid = [call for call in parsed if call.problem_kind in (None, REPEAT)]
    new = [call for call in valid if call.problem_kind is None]
    sources = Counter(kind_of(trial) for trial in cell.trials)
    own = sum(trial.outcome.ok and kind_of(trial) in OWN for trial in cell.trials)
    steps = dict(zip(STEPS, (len(proposals), len(answered), len(parsed), len(valid), len(new), own), strict=True))
    lost = Counter(_loss(call) for call in proposals)
    asked = origins(cell.trials, from_default=from_default)
    return {
        "analyses": len(cell.calls) - len(proposals),
        **steps,
        **{name: lost[name] for name in LOSSES},
        "trials": len(cell.own),
        "asked": asked.asked,
        "own": asked.own,
        **{name: sources[name] for name in PROVENANCE},
    }


def _loss(call: Call) -> str:
    """Return the key of LOSSES for what a call was lost to, an empty text for one that gave a new configuration."""
    if not call.answered:
        return "no_answer"
    if call.problem_kind == ABORTED or (call.problem_kind == UNPARSED and "cut off at" in (call.problem or "")):
        return "cut_off"
    return {UNPARSED: "unparsed", REPEAT: "repeat", None: ""}.get(call.problem_kind, "out_of_space")


def not_the_models(frame: pd.DataFrame, options: Options) -> dict[str, str]:
    """Return the arms of which nothing is concluded, since too many of their configurations are not the model's; each with the sentence."""
    sums = frame.groupby("arm", sort=False)[["asked", "own"]].sum().reset_index()
    return {
        entry[
            "arm"
        ]: f"{entry['asked'] - entry['own']} of {entry['asked']} configurations of {entry['arm']} were not the model's: no verdict"
        for entry in rows_of(sums)
        if entry["asked"] - entry["own"] > options.most_not_the_models * entry["asked"]
    }


def over_fallback(frame: pd.DataFrame, options: Options) -> pd.Series[bool]:
    """Say for each cell whether more of its trials are fallbacks than the options allow."""
    return frame["fallback"] > options.fallback_share * frame["asked"].where(frame["asked"] > 0, 1)


def marked_arms(frame: pd.DataFrame, options: Options) -> set[str]:
    """Return the arms with more fallback trials than the options allow."""
    sums = frame.groupby("arm")[["asked", "fallback"]].sum().reset_index()
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
        {**dict.fromkeys((*STEPS, *LOSSES, "trials", "asked", "own", *PROVENANCE, "over", "analyses"), "sum"), "task": "size"}
    )
    sums = sums.rename(columns={"task": "cells", "over": "cells_over"}).reset_index()
    items: list[Item] = [
        "A reply is parsed when it holds a readable JSON object of the right form, valid when its configuration is in the space, and new "
        "when no earlier trial had it. A bad reply goes back with a message; when the attempts are used up, one random draw takes its "
        "place and is marked as a fallback: it is never counted as the LLM's."
    ]
    items += [_funnel_table(sums, marks), *_losses_figure(sums, marks), _provenance_table(sums, flagged, marks, options)]
    if marks.withheld:
        items.append(
            f"An arm of which more than {100 * options.most_not_the_models:g} % of the configurations were not the model's is not judged "
            f"(report.most_not_the_models): {'; '.join(marks.withheld.values())}. Its rows stay, marked {WITHHELD}."
        )
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
            "Calls that only analyse or predict are left out here; they are column `analyses` of csv/funnel.csv, and part of the cost."
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


def _losses_figure(sums: pd.DataFrame, marks: Marks) -> tuple[Figure, ...]:
    """Show what share of the calls each step lost; nothing where the source of the report holds no calls."""
    entries = [entry for entry in rows_of(sums) if entry["calls"]]
    if not entries:
        return ()
    kept = "a new configuration"
    names = (kept, *LOSSES.values())
    bars = {marks.name(entry["arm"]): [entry[key] / entry["calls"] for key in ("new", *LOSSES)] for entry in entries}
    told = []
    for entry in entries:
        lost = [f"{share(entry[key], entry['calls'])} {words}" for key, words in LOSSES.items() if entry[key]]
        told.append(
            f"{entry['arm']}, {entry['calls']} calls: {share(entry['new'], entry['calls'])} {kept}; lost: {listed(lost, 5) or 'none'}"
        )
    return (
        Figure(
            "losses",
            "What the calls that ask for a configuration were lost to",
            f"{'. '.join(told)}.",
            sums[["arm", "calls", "new", *LOSSES]],
            lambda: stacked(bars, names, axis="% of the calls"),
            narrow=lambda: stacked(bars, names, axis="% of the calls", narrow=True),
        ),
    )


def _provenance_table(sums: pd.DataFrame, cells: pd.DataFrame, marks: Marks, options: Options) -> Table:
    limit = f"{100 * options.fallback_share:g} %"
    shown = [name for name in PROVENANCE if name not in RARE or sums[name].any()]
    rows = []
    for entry in rows_of(sums):
        over = f"{entry['cells_over']} of {entry['cells']}"
        # What was given is beside the trials of the budget, and so has no share of them.
        shares = [
            Text(str(entry[name]))
            if name == GIVEN
            else Text(share(entry[name], entry["trials"]), tone=_tone(name, entry["arm"] in marks.fallback))
            for name in shown
        ]
        rows.append(
            row(marks.name(entry["arm"]), str(entry["trials"]), *shares, Text(over, tone="warn" if entry["cells_over"] else ""))
        )
    heads: tuple[str | Column, ...] = (
        "trials",
        *(HEADS[name] for name in shown),
        Column(f"cells over {limit}", hint="fallback trials"),
    )
    title = "Where the trained configurations came from"
    return Table("provenance", title, columns("arm", *heads), tuple(rows), cells, marks.notes(sums["arm"]))


def _tone(name: str, marked: bool) -> Any:
    return "warn" if name == "fallback" and marked else ""
