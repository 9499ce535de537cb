"""Non-inferiority: the gap of each arm to the reference arm, and its verdict (`decide_pass_or_fail`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import FEW_PAIRS, FEW_SEEDS, Estimate, Resampling, is_few, seed_interval
from harness.report.analysis.options import Options
from harness.report.analysis.pairs import Pairs, ScoreIndex, sentences
from harness.report.analysis.statistics import seeds_needed
from harness.report.render.document import Column, Figure, Item, Section, Table, Text, Tone, interval, listed, number, row
from harness.report.render.marks import Marks
from harness.report.render.plots import Line, beyond, forest
from harness.report.render.units import difference_digits, exact, name_of, refused, score_of, steps_of, validation_notes
from harness.report.sections.findings import Findings, Pool
from harness.trial import PERCENT, Objective

PASS, FAIL, INCONCLUSIVE = "PASS", "FAIL", "INCONCLUSIVE"
# Of an arm whose configurations were mostly not its model's: no statement of any kind.
NO_VERDICT = "NO VERDICT"
FEW_PASS = "PASS, few pairs"
TONES: dict[str, Tone] = {PASS: "good", FAIL: "bad", INCONCLUSIVE: "warn", NO_VERDICT: "muted"}
SEEDS_SHOWN = 10_000


def noninferiority_frame(
    index: ScoreIndex, arms: Mapping[str, Arm], against: tuple[Arm, float], withheld: Mapping[str, str], options: Options
) -> pd.DataFrame:
    """Return a row per arm, without the reference: gap with its interval, verdict, reason, and the seeds that it takes.

    `against`: the reference, and the margin. The tasks of `index` have one unit, which gaps and margin are in; above 0 is better.

    The gap is the mean over tasks of the mean difference over seeds, NaN unless every task has a pair. `withheld` holds the arms
    of which nothing is concluded, each with the sentence why: their rows have a gap, and no interval.
    """
    how = Resampling(options.confidence, options.resamples, options.seed)
    reference, margin = against
    pairs = [index.pairs(name, reference.name) for name in arms if name != reference.name]
    rows = [
        {**_gap(p, margin, withheld, options, how), "small_llm": is_small_llm(arms[p.first], reference, options)} for p in pairs
    ]
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
    "withheld",
    "seeds_to_decide",
    "seeds_if_equal",
]


def is_small_llm(arm: Arm, reference: Arm, options: Options) -> bool:
    """Say whether the study asks for the verdict of this arm: a small LLM that is shown one of `options.small_contexts`.

    `options.small_models` names small models that the settings do not mark, e.g. one behind an OpenAI-compatible server.
    """
    small = arm.small_llm or (arm.role == "llm" and arm.model.casefold() in map(str.casefold, options.small_models))
    return small and arm.context in options.small_contexts and arm.model != reference.model


def _gap(pairs: Pairs, margin: float, withheld: Mapping[str, str], options: Options, how: Resampling) -> dict[str, Any]:
    strata = pairs.strata if pairs.all_tasks else []
    estimate = seed_interval(strata, how)
    if why := sentences(pairs, withheld):
        estimate = replace(estimate, low=math.nan, high=math.nan, p=math.nan, method="none", why=why)
    verdict, reason = decide_pass_or_fail(pairs, estimate, margin, withheld)
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
        "withheld": why,
        "seeds_to_decide": seeds_needed(spread, abs(estimate.value + margin), how, options.power),
        "seeds_if_equal": seeds_needed(spread, margin, how, options.power),
    }


def decide_pass_or_fail(pairs: Pairs, estimate: Estimate, margin: float, withheld: Mapping[str, str]) -> tuple[str, str]:
    """Return PASS, FAIL, INCONCLUSIVE or NO VERDICT for one arm against the reference, and the reason. Nothing else decides it.

    NO VERDICT: one of the two is `withheld`, see `noninferiority_frame`.

    FAIL: the whole interval of the gap lies below minus the margin. PASS: the whole interval lies above it, and every planned pair has
    a score, since a missing pair may be the bad one. All else is INCONCLUSIVE: also where there is no interval, as for pairs that all
    tie.
    """
    if why := sentences(pairs, withheld):
        return NO_VERDICT, why
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


def noninferiority_section(found: Findings) -> Section:
    """Build the section of verdicts: first the small-LLM arms, then the same test on the others, for each pool of tasks."""
    items: list[Item] = []
    if found.objectives.refusal:
        items.append(refused(found.objectives, "no gap and no verdict over all of them. Each kind of score by itself"))
    for pool in found.pools:
        items += _of_pool(pool, found)
    return Section("verdict", "Verdict: good enough?", tuple(items))


def _of_pool(pool: Pool, found: Findings) -> list[Item]:
    gaps, marks, name = pool.noninferiority, found.marks, found.reference[0]
    small, rest = gaps[gaps["small_llm"].astype(bool)], gaps[~gaps["small_llm"].astype(bool)]
    items: list[Item] = [_lead(pool, found)]
    if small.empty and found.study.race is None:
        items.append(
            "No small LLM that reads the TCS is judged in this study, so its question is open. The same test on the other arms:"
        )
    elif not small.empty:
        items.append(_table(("verdict", "Small LLMs with the TCS"), small, pool, marks, found.options))
    items.append(_figure(pool, name, marks, found.options))
    items.append(_table(("verdict_others", "The same test on every other arm"), rest, pool, marks, found.options))
    return items


def _lead(pool: Pool, found: Findings) -> str:
    """Say when an arm is good enough, in the unit of its scores."""
    (name, why), objective, margin = found.reference, pool.objective, exact(pool.margin)
    percent = f"{100 * found.options.confidence:g} %"
    plain = objective.is_percentage and objective.sign > 0
    below = "points below that" if plain else f"{steps_of(objective)} worse than that"
    average = f"average {score_of(objective)}" if len(pool.tasks) > 1 or not pool.place else f"{score_of(objective)}"
    margins = {found.objectives[task].margin for task in pool.tasks}
    mean = " (the mean of the tasks' margins)" if found.options.margin_points is None and len(margins) > 1 else ""
    lead = (
        f"An arm is good enough when its {average} is not more than {margin} {below} of {name} ({why}): PASS when the "
        f"whole {percent} interval of the gap lies above −{margin}{mean}, FAIL when it lies below, INCONCLUSIVE otherwise."
    )
    if plain and found.study.race is None:
        lead += " The source reports about 0.9 points for its own six tasks; its figures are not comparable with these."
    if objective.sign < 0:
        lead += f" Lower {name_of(objective)} is better, and a gap above 0 means better."
    if not objective.test:
        lead += f" {validation_notes(found.objectives)[0]}"
    return f"{pool.name}. {lead}" if pool.place else lead


def _table(about: tuple[str, str], gaps: pd.DataFrame, pool: Pool, marks: Marks, options: Options) -> Table:
    key, title = pool.key(about[0]), f"{about[1]}{pool.of}"
    steps, digits = steps_of(pool.objective), difference_digits(pool.objective)
    heads = (
        Column("arm", numeric=False),
        Column("verdict", numeric=False),
        Column("gap" if pool.objective.is_percentage else f"gap, {steps}", hint=f"{steps} to the reference"),
        Column(f"{100 * options.confidence:g} % interval"),
        Column("pairs"),
        Column("seeds to decide", hint=f"a task, with a power of {100 * options.power:g} %, if gap and spread stay as they are"),
        Column("seeds if equal", hint="a task, to PASS with that power, if the arm were as good as the reference"),
        Column("why", numeric=False),
    )
    rows, short = [], []
    for entry in rows_of(gaps.sort_values("gap", ascending=False, kind="stable", na_position="last")):
        pairs = f"{entry['pairs']}" if not entry["lacking"] else f"{entry['pairs']} of {entry['pairs'] + entry['lacking']}"
        decided = entry["verdict"] in (PASS, FAIL)
        rows.append(
            row(
                marks.name(entry["arm"]),
                Text(verdict_word(entry), strong=True, tone=TONES[entry["verdict"]]),
                Text(number(entry["gap"], digits, sign=True), value=entry["gap"]),
                Text(interval(entry["low"], entry["high"], digits), value=entry["gap"]),
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
    terminal = Table(key, title, (*heads[:4], heads[5]), tuple(short), pool.data(gaps), notes_below)
    notes = (
        f"seeds to decide: a task, for a verdict with a power of {100 * options.power:g} %, if gap and spread stay as they are. "
        "seeds if equal: for a PASS with that power, if the arm were as good as the reference.",
        *notes_below,
    )
    return Table(key, title, heads, tuple(rows), pool.data(gaps), notes, (terminal,))


def _seeds(count: float) -> str:
    if math.isnan(count):
        return "–"
    return f"over {SEEDS_SHOWN:,}" if count > SEEDS_SHOWN else f"{count:.0f}"


def _figure(pool: Pool, reference: str, marks: Marks, options: Options) -> Figure:
    gaps, objective = pool.noninferiority, pool.objective
    entries = rows_of(gaps.dropna(subset=["gap"]).sort_values("gap", ascending=False, kind="stable"))
    lines = [
        Line(
            marks.name(entry["arm"]),
            entry["gap"],
            entry["low"],
            entry["high"],
            strong=bool(entry["small_llm"]),
            word=verdict_word(entry),
            said=figures_of(entry["gap"], entry["low"], entry["high"], objective),
        )
        for entry in entries
    ]
    judged = [line for line in lines if line.word != NO_VERDICT]
    silent = f"; {len(lines) - len(judged)} without a verdict" if len(judged) < len(lines) else ""
    better = "above or below" if objective.sign > 0 else "better (+) or worse (−) than"
    axis = f"{score_of(objective)}, {steps_of(objective)} {better} {reference}"
    return Figure(
        pool.key("gaps"),
        f"Gap to {reference} with {100 * options.confidence:g} % intervals; dashed: the margin, −{exact(pool.margin)}{pool.of}",
        f"Gaps of {len(judged)} arms to {reference}: {describe(judged, objective)}{silent}",
        pool.data(gaps),
        lambda: forest(lines, axis=axis, margin=-pool.margin),
        beyond_notes(beyond(lines, margin=-pool.margin)),
        lambda: forest(lines, axis=axis, margin=-pool.margin, narrow=True),
    )


def figures_of(value: float, low: float, high: float, objective: Objective = PERCENT) -> str:
    """Write a difference with its interval, where it has one."""
    digits = difference_digits(objective)
    said = number(value, digits, sign=True)
    return said if math.isnan(low) or math.isnan(high) else f"{said} {interval(low, high, digits)}"


def beyond_notes(lines: Sequence[Line]) -> tuple[str, ...]:
    """Say which lines of a forest plot lie beyond its axis; nothing where none does."""
    if not lines:
        return ()
    named = listed([f"{line.name} ({line.said})" for line in lines])
    return (f"The axis ends where most arms do, so that they can be told apart. An arrow marks what lies beyond it: {named}.",)


def describe(lines: Sequence[Line], objective: Objective = PERCENT) -> str:
    """Describe the first and the last line of a forest plot."""
    if not lines:
        return "none could be computed"
    best, worst = lines[0], lines[-1]
    first, last = (number(line.value, difference_digits(objective), sign=True) for line in (best, worst))
    return f"from {best.name} at {first} down to {worst.name} at {last} {steps_of(objective)}"
