"""Which configurations and values the LLM of the published system really chose: the rest were repaired, defaulted or changed by a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.render.document import Column, Table, Text, columns, row, share
from harness.report.render.marks import Marks
from harness.report.study_data import CellData, State, StudyData
from harness.trial import Trial

# What became of a value, as trials note it; and of a whole configuration, which is chosen where all of its values are.
FATES = ("chosen", "repaired", "defaulted", "adjusted")
KEYS = tuple(f"{what}_{fate}" for what in ("values", "configs") for fate in FATES)


def values_of(trial: Trial) -> Mapping[str, Mapping[str, Any]]:
    """Return what a trial notes of each value, by hyperparameter; empty where its method notes nothing."""
    values = trial.proposal.note.get("values")
    if not isinstance(values, Mapping):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, Mapping)}


def chosen_frame(study: StudyData, arms: Mapping[str, Arm]) -> pd.DataFrame:
    """Return one row per done cell whose trials note what became of each value: counts of values and of configurations."""
    rows = []
    for cell in study.cells:
        if cell.state is State.DONE and arms[cell.arm].role == "llm" and any(map(values_of, cell.trials)):
            rows.append({"arm": cell.arm, "task": cell.task, "seed": cell.seed, **_counts(cell)})
    return pd.DataFrame(rows, columns=["arm", "task", "seed", "values", "configs", *KEYS])


def _counts(cell: CellData) -> dict[str, int]:
    values: Counter[str] = Counter()
    configs: Counter[str] = Counter()
    for trial in cell.trials:
        fates = [str(value.get("fate")) for value in values_of(trial).values()]
        if fates:
            values.update(fates)
            configs[_of_all(trial, fates)] += 1
        elif trial.proposal.source == "fallback":
            configs["defaulted"] += 1
    counts = {f"values_{fate}": values[fate] for fate in FATES} | {f"configs_{fate}": configs[fate] for fate in FATES}
    return {"values": values.total(), "configs": configs.total(), **counts}


def _of_all(trial: Trial, fates: Sequence[str]) -> str:
    """Return what became of a configuration: chosen where every value is, else the last thing that was done to it."""
    if trial.proposal.source == "default":
        return "defaulted"
    return "adjusted" if "adjusted" in fates else "chosen" if {*fates} == {"chosen"} else "repaired"


def own_share(frame: pd.DataFrame, arm: str) -> float | None:
    """Return the share of an arm's values that its LLM chose, None where no value is noted."""
    cells = frame[frame["arm"] == arm]
    total = int(cells["values"].sum())
    return int(cells["values_chosen"].sum()) / total if total else None


def chosen_table(frame: pd.DataFrame, marks: Marks) -> Table:
    """Build the table: for each arm the share of configurations, and of values, that the LLM chose, and what became of the others."""
    sums = frame.groupby("arm", sort=False)[["values", "configs", *KEYS]].sum().reset_index()
    rows = []
    for entry in rows_of(sums):
        parts = [
            Text(share(entry[f"{what}_{fate}"], entry[what]), strong=fate == "chosen")
            for what in ("configs", "values")
            for fate in FATES
        ]
        counts = str(entry["configs"]), str(entry["values"])
        rows.append(row(marks.name(entry["arm"]), counts[0], *parts[: len(FATES)], counts[1], *parts[len(FATES) :]))
    heads = (
        "configurations",
        Column("all chosen", hint="every value as the LLM wrote it"),
        "repaired",
        Column("unusable", hint="no value was readable"),
        "by rules",
        "values",
        "chosen",
        "repaired",
        "defaulted",
        "by rules",
    )
    notes = (
        "Chosen: trained as the LLM wrote it. Repaired: clamped to the range, cut to an integer or moved to the nearest option. Defaulted: "
        "nothing readable was found, or nothing that the released code accepts. By rules: multiplied or shifted by a hidden rule. A "
        "configuration that was repaired and then changed by a rule counts as changed by a rule.",
        *marks.notes(sums["arm"]),
    )
    title = "What the LLM really chose: replies of the published system, value by value"
    return Table("chosen", title, columns("arm", *heads), tuple(rows), frame, notes)


def written_table(cell: CellData, place: int) -> Table | None:
    """Build the table of one cell: what the LLM wrote beside what was trained, value by value; None where trials note no values."""
    entries = [{"trial": str(trial.number), **entry} for trial in cell.trials for entry in _written(trial)]
    if not entries:
        return None
    heads = (
        Column("trial"),
        *(Column(name, numeric=False) for name in ("hyperparameter", "the LLM wrote", "what was done", "trained")),
    )
    rows = [
        row(
            e["trial"],
            e["hyperparameter"],
            e["wrote"] or "–",
            Text(e["done"], tone="" if e["fate"] == "chosen" else "warn"),
            Text(e["trained"], strong=e["fate"] != "chosen"),
        )
        for e in entries
    ]
    title = f"{cell.label}: what the LLM wrote, and what was trained"
    return Table(f"cell_{place}_values", title, heads, tuple(rows), pd.DataFrame(entries))


def _written(trial: Trial) -> Iterator[dict[str, str]]:
    for name, value in values_of(trial).items():
        steps = value.get("steps")
        done = [str(step) for step in steps] if isinstance(steps, list) else []
        done += [f"rule, {value['rule']}"] if value.get("rule") else []
        done += [str(value["held"])] if value.get("held") else []
        yield {
            "hyperparameter": name,
            "wrote": str(value.get("wrote", "")),
            "done": "; ".join(done) or "nothing",
            "trained": str(value.get("trained")),
            "fate": str(value.get("fate")),
        }
