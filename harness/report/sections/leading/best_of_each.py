"""Does the best method ask an LLM? The best of those that do against the best of those that do not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from statistics import mean
from typing import Any

from harness.report.analysis.intervals import Resampling
from harness.report.analysis.pairs import ScoreIndex
from harness.report.render.document import Answer, Tone, interval, number
from harness.report.render.units import difference_digits
from harness.report.sections.contrasts import few_note, measures
from harness.report.sections.findings import Findings, Pool

BEST_ASKS = "Does the best method ask an LLM?"


def best_answers(found: Findings) -> tuple[Answer, ...]:
    """Answer for each kind of score where methods of both sorts have a score on every task; nothing where none has."""
    entries = list(_entries(found))
    if not entries:
        return ()
    word, tone = _word(entries)
    pairs = max(entry["of_pairs"] for entry in entries)
    text = "The best LLM method less the best one without an LLM, by the mean test score. "
    text += (
        f"Both were chosen after looking, among {pairs} pairs of arms, so the intervals are widened to hold for all of these at once "
        "(Bonferroni). "
        if pairs > 1
        else ""
    )
    text += f"{few_note()} " if any(entry["few"] for entry in entries) else ""
    notes = [f"{note}." for note in found.marks.notes(entry[side] for entry in entries for side in ("first", "second"))]
    return (Answer(BEST_ASKS, word, tone, " ".join([text.strip(), *notes]), "scores", tuple(_line(found, e) for e in entries)),)


def _entries(found: Findings) -> Iterator[dict[str, Any]]:
    for pool in found.pools:
        index = found.index.only(pool.tasks)
        means = _means(found, index)
        asking = [arm for arm in means if found.arms[arm].role == "llm"]
        free = [arm for arm in means if found.arms[arm].role != "llm"]
        if not asking or not free:
            continue
        first, second = (max(arms, key=means.__getitem__) for arms in (asking, free))
        count = sum(found.arms[a].given_alike(found.arms[b]) for a, b in product(asking, free))
        if not found.arms[first].given_alike(found.arms[second]):
            continue
        options = found.options
        how = Resampling(1 - (1 - options.confidence) / count, options.resamples, options.seed)
        yield {"first": first, "second": second, "pool": pool, "of_pairs": count, **measures(index.pairs(first, second), how)}


def _means(found: Findings, index: ScoreIndex) -> dict[str, float]:
    """Return the mean over tasks of the means over seeds, for each arm of which something may be concluded and which has all tasks."""
    means = {}
    for arm, tasks in index.scores.items():
        scores = [[score for score in tasks.get(task, {}).values() if not math.isnan(score)] for task in index.tasks]
        if all(scores) and found.arms[arm].role and arm not in found.marks.withheld:
            means[arm] = mean(map(mean, scores))
    return means


def _word(entries: list[dict[str, Any]]) -> tuple[str, Tone]:
    if all(math.isnan(entry["low"]) for entry in entries):
        return "Unclear: no interval", "warn"
    if all(entry["low"] > 0 for entry in entries):
        return "Yes", "good"
    if all(entry["high"] < 0 for entry in entries):
        return "No", "bad"
    return "Cannot be told", "warn"


def _line(found: Findings, entry: dict[str, Any]) -> tuple[str, str]:
    pool: Pool = entry["pool"]
    digits = difference_digits(pool.objective)
    names = " − ".join(found.marks.name(entry[side]) for side in ("first", "second"))
    return f"{names}{f' on {pool.name}' if pool.name else ''}", (
        f"{number(entry['difference'], digits, sign=True)} {interval(entry['low'], entry['high'], digits)}"
    )
