"""Non-inferiority: the gap of each arm to the reference arm, and its verdict (`decide_pass_or_fail`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import FEW_PAIRS, FEW_SEEDS, Estimate, Resampling, is_few, seed_interval
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import Pairs, ScoreIndex
from harness.report.analysis.statistics import seeds_needed
from harness.report.render.document import Column, Figure, Item, Section, Table, Text, Tone, interval, number, row
from harness.report.render.marks import Marks
from harness.report.render.plots import Line, forest

PASS, FAIL, INCONCLUSIVE = "PASS", "FAIL", "INCONCLUSIVE"
FEW_PASS = "PASS, few pairs"
# A share of the proposals of an LLM's arm. With more random draws than this, the arm is random search more than the LLM.
MOST_STANDINS = 0.5
TONES: dict[str, Tone] = {PASS: "good", FAIL: "bad", INCONCLUSIVE: "warn"}
SEEDS_SHOWN = 10_000


def noninferiority_frame(
    index: ScoreIndex, arms: Mapping[str, Arm], reference: Arm, standins: Mapping[str, float], options: Options
) -> pd.DataFrame:
    """Return a row per arm, without the reference: gap in points with its interval, verdict, reason, and the seeds that it takes.

    The gap is the mean over tasks of the mean difference over seeds, NaN unless every task has a pair. `standins` holds for each LLM
    arm the share of its proposals that are random draws in place of the LLM's.
    """
    how = Resampling(options.confidence, options.resamples, options.seed)
    pairs = [index.pairs(name, reference.name) for name in arms if name != reference.name]
    rows = [{**_gap(p, standins, options, how), "small_llm": is_small_llm(arms[p.first], reference, options)} for p in pairs]
    return pd.DataFrame(rows, columns=NONINFERIORITY_COLUMNS)


NONINFERIORITY_COLUMNS = [
    "arm",
    "reference",
    "small_llm",
    "gap",
    "low",
    "high",
    "p",
    "method",
    "pairs",
    "lacking",
    "tasks",
    "few",
    "verdict",
    "reason",
    "seeds_to_decide",
    "seeds_if_equal",
]


def is_small_llm(arm: Arm, reference: Arm, options: Options) -> bool:
    """Say whether the study asks for the verdict of this arm: a small LLM that is shown one of `options.small_contexts`.

    `options.small_models` names small models that the settings do not mark, e.g. one behind an OpenAI-compatible server.
    """
    small = arm.small_llm or (arm.role == "llm" and arm.model.casefold() in map(str.casefold, options.small_models))
    return small and arm.context in options.small_contexts and arm.model != reference.model


def _gap(pairs: Pairs, standins: Mapping[str, float], options: Options, how: Resampling) -> dict[str, Any]:
    strata = pairs.strata if pairs.all_tasks else []
    estimate = seed_interval(strata, how)
    verdict, reason = decide_pass_or_fail(pairs, estimate, options.margin_points, standins)
    spread = strata if estimate.method != "none" else []
    return {
        "arm": pairs.first,
        "reference": pairs.second,
        "gap": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "p": estimate.p,
        "method": estimate.method,
        "pairs": pairs.count,
        "lacking": pairs.lacking,
        "tasks": len(pairs.strata),
        "few": is_few(strata),
        "verdict": verdict,
        "reason": reason,
        "seeds_to_decide": seeds_needed(spread, abs(estimate.value + options.margin_points), how, options.power),
        "seeds_if_equal": seeds_needed(spread, options.margin_points, how, options.power),
    }


def decide_pass_or_fail(pairs: Pairs, estimate: Estimate, margin: float, standins: Mapping[str, float]) -> tuple[str, str]:
    """Return PASS, FAIL or INCONCLUSIVE for one arm against the reference, and the reason. Nothing else in the report decides it.

    FAIL: the whole interval of the gap lies below minus the margin. PASS: the whole interval lies above it, and every planned pair has
    a score, since a missing pair may be the bad one. All else is INCONCLUSIVE: also where there is no interval, as for pairs that all
    tie, and where random draws made most of the proposals of an LLM's arm (`standins`, see `noninferiority_frame`).
    """
    if not pairs.count:
        return INCONCLUSIVE, "no seed has a score of both"
    if not pairs.all_tasks:
        lacking = [task for task, values in pairs.differences.items() if not len(values)]
        return INCONCLUSIVE, f"{len(lacking)} of {len(pairs.differences)} tasks have no pair"
    if math.isnan(estimate.low):
        return INCONCLUSIVE, estimate.why
    if estimate.low <= -margin <= estimate.high:
        return INCONCLUSIVE, "the margin is inside the interval"
    below = estimate.high < -margin
    if not below and pairs.lacking:
        return INCONCLUSIVE, f"{pairs.lacking} of {pairs.count + pairs.lacking} pairs have no score, and a PASS needs them all"
    if drawn := [f"{name}'s" for name in (pairs.first, pairs.second) if standins.get(name, 0.0) > MOST_STANDINS]:
        return INCONCLUSIVE, f"most of {' and '.join(drawn)} proposals are random draws that stood in for the LLM"
    return (FAIL, "the whole interval is below the margin") if below else (PASS, "the whole interval is above the margin")


def verdict_word(entry: Mapping[str, Any]) -> str:
    """Return the verdict as it is shown: a PASS from few pairs says so."""
    return FEW_PASS if entry["verdict"] == PASS and entry["few"] else str(entry["verdict"])


def few_pass_note() -> str:
    """Explain the words of FEW_PASS."""
    return (
        f"{FEW_PASS}: from fewer than {FEW_SEEDS} seeds a task, or {FEW_PAIRS} pairs in all, so that a rare collapse may not have been "
        "seen."
    )


def noninferiority_section(gaps: pd.DataFrame, reference: tuple[str, str], marks: Marks, options: Options) -> Section:
    """Build the section of verdicts: first the small-LLM arms, then the same test on the others."""
    name, why = reference
    margin = number(options.margin_points)
    lead = (
        f"An arm is good enough when its average test score is not more than {margin} points below that of {name} ({why}): PASS when the "
        f"whole {100 * options.confidence:g} % interval of the gap lies above −{margin}, FAIL when it lies below, INCONCLUSIVE otherwise. "
        f"The source reports about 0.9 points for its own six tasks; its figures are not comparable with these."
    )
    small, rest = gaps[gaps["small_llm"].astype(bool)], gaps[~gaps["small_llm"].astype(bool)]
    items: list[Item] = [lead]
    if small.empty:
        items.append("No small-LLM arm ran in this study, so its question has no verdict here. The same test on the other arms:")
    else:
        items.append(_table("verdict", "Small LLMs with the TCS", small, marks, options))
    items.append(_figure(gaps, name, marks, options))
    items.append(_table("verdict_others", "The same test on every other arm", rest, marks, options))
    return Section("verdict", "Verdict: good enough?", tuple(items))


def _table(key: str, title: str, gaps: pd.DataFrame, marks: Marks, options: Options) -> Table:
    heads = (
        Column("arm", numeric=False),
        Column("verdict", numeric=False),
        Column("gap", hint="points to the reference"),
        Column(f"{100 * options.confidence:g} % interval"),
        Column("pairs"),
        Column("seeds to decide", hint=f"a task, with a power of {100 * options.power:g} %, if gap and spread stay as they are"),
        Column("seeds if equal", hint="a task, to PASS with that power, if the arm were as good as the reference"),
        Column("why", numeric=False),
    )
    rows, short = [], []
    for entry in rows_of(gaps.sort_values("gap", ascending=False, kind="stable", na_position="last")):
        pairs = f"{entry['pairs']}" if not entry["lacking"] else f"{entry['pairs']} of {entry['pairs'] + entry['lacking']}"
        decided = entry["verdict"] != INCONCLUSIVE
        rows.append(
            row(
                marks.name(entry["arm"]),
                Text(verdict_word(entry), strong=True, tone=TONES[entry["verdict"]]),
                number(entry["gap"], 2, sign=True),
                interval(entry["low"], entry["high"]),
                pairs,
                "decided" if decided else _seeds(entry["seeds_to_decide"]),
                _seeds(entry["seeds_if_equal"]),
                entry["reason"],
            )
        )
        short.append((*rows[-1][:4], rows[-1][5]))
    notes_below = marks.notes(gaps["arm"])
    if ((gaps["verdict"] == PASS) & gaps["few"].astype(bool)).any():
        notes_below = (few_pass_note(), *notes_below)
    terminal = Table(key, title, (*heads[:4], heads[5]), tuple(short), gaps, notes_below)
    notes = (
        f"seeds to decide: a task, for a verdict with a power of {100 * options.power:g} %, if gap and spread stay as they are. "
        "seeds if equal: for a PASS with that power, if the arm were as good as the reference.",
        *notes_below,
    )
    return Table(key, title, heads, tuple(rows), gaps, notes, (terminal,))


def _seeds(count: float) -> str:
    if math.isnan(count):
        return "–"
    return f"over {SEEDS_SHOWN:,}" if count > SEEDS_SHOWN else f"{count:.0f}"


def _figure(gaps: pd.DataFrame, reference: str, marks: Marks, options: Options) -> Figure:
    entries = rows_of(gaps.dropna(subset=["gap"]).sort_values("gap", ascending=False, kind="stable"))
    lines = [
        Line(
            marks.name(entry["arm"]),
            entry["gap"],
            entry["low"],
            entry["high"],
            strong=bool(entry["small_llm"]),
            word=verdict_word(entry),
        )
        for entry in entries
    ]
    axis = f"test score, points above or below {reference}"
    return Figure(
        "gaps",
        f"Gap to {reference} with {100 * options.confidence:g} % intervals; dashed: the margin, −{number(options.margin_points)}",
        f"Gaps of {len(lines)} arms to {reference}: {describe(lines)}",
        gaps,
        lambda: forest(lines, axis=axis, margin=-options.margin_points),
    )


def describe(lines: Sequence[Line]) -> str:
    """Describe the first and the last line of a forest plot."""
    if not lines:
        return "none could be computed"
    best, worst = lines[0], lines[-1]
    return (
        f"from {best.name} at {number(best.value, 2, sign=True)} down to {worst.name} at {number(worst.value, 2, sign=True)} points"
    )
