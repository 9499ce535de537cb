"""The lead: what a study found, in one to three sentences. They say what verdicts and intervals carry, and nothing beyond.

*Beats* and *falls behind* are said of a method that is told from random search from the same start (see `comparisons.py`); of all others it
is said that they cannot be told from it, which is not that they are as good. Methods come in the order of `phrases.GROUPS`, whatever they
scored: naming the best would be a choice after looking, which its interval does not know of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import FEW_PAIRS, FEW_SEEDS
from harness.report.render.document import Lead, listed
from harness.report.render.units import exact, refused, validation_notes
from harness.report.sections.about import draws_repeat, table_seeds
from harness.report.sections.contrasts import UNLIKE as UNLIKE_MARK
from harness.report.sections.coverage import coverage_sentence
from harness.report.sections.findings import Findings
from harness.report.sections.leading.clauses import MOST_NAMED, RANDOM, in_brief, of_pool, said_aside, unit_steps
from harness.report.sections.leading.comparisons import (
    AHEAD,
    BEHIND,
    INCOMPLETE,
    UNLIKE,
    UNTOLD,
    Compared,
    Comparisons,
    comparisons_of,
)
from harness.report.sections.leading.phrases import LLM, SUMMARY_NOTE, phrase
from harness.report.sections.leading.ranked import ranked_figures
from harness.report.sections.leading.waiting import waiting_words
from harness.report.sections.noninferiority import FEW_PASS, verdict_word

# With more kinds of score, the lead counts them.
MOST_POOLS = 3


def lead_of(found: Findings) -> Lead:
    """Return the lead of a study that is no race."""
    ran = [name for name in found.arms if name not in found.absent]
    if not ran:
        text = f"There is nothing to compare yet: {coverage_sentence(found.frames)}"
        return Lead(" ".join([text, *waiting_words(found, blocked_only=True)]))
    if len(ran) == 1:
        words = phrase(found.arms[ran[0]], found.marks.name(ran[0]))
        text = f"Only {words} has a finished cell, so there is nothing to compare it with."
        return Lead(" ".join([text, *waiting_words(found)]))
    pools = comparisons_of(found)
    said = [*_of_pools(found, pools), *_not_judged(found, pools), *_verdicts(found), *waiting_words(found), *_few(pools)]
    text = " ".join(said)
    return Lead(text, ranked_figures(found, pools), tuple(note for note in _notes(found, pools) if note not in text))


def _of_pools(found: Findings, pools: Sequence[Comparisons]) -> Iterator[str]:
    if len(pools) == 1:
        yield from of_pool(found, pools[0], RANDOM)
        return
    yield refused(found.objectives, "each kind of score by itself")
    if len(pools) > MOST_POOLS:
        counts = [sum(any(e.state == state for e in p.methods) for p in pools) for state in (AHEAD, BEHIND)]
        yield (
            f"In {counts[0]} of {len(pools)} kinds of score some method is ahead of {RANDOM}, in {counts[1]} some method is behind it, "
            "each corrected within its kind."
        )
        return
    for place, pool in enumerate(pools):
        yield in_brief(found, pool, RANDOM if place == 0 else "random search")


def _not_judged(found: Findings, pools: Sequence[Comparisons]) -> Iterator[str]:
    """Yield which LLM arms are not judged in any pool, and why; those that knew more than random search are told in the notes."""
    entries = [entry for pool in pools for entry in pool.methods if entry.group == LLM]
    judged = {entry.arm.name for entry in entries if entry.judged}
    aside = {entry.arm.name: entry for entry in entries if entry.arm.name not in judged and entry.state != UNLIKE}
    if len(aside) > MOST_NAMED:
        yield f"{len(aside)} LLM arms are not judged, as said below."
    elif aside and judged | {entry.arm.name for pool in pools for entry in pool.methods if entry.judged}:
        yield f"Not judged: {'; '.join(said_aside(found, entry) for entry in aside.values())}."


def _verdicts(found: Findings) -> Iterator[str]:
    """Yield the verdicts on the small LLMs, against the reference arm."""
    for pool in found.pools:
        rows = [entry for entry in rows_of(pool.noninferiority) if entry["small_llm"] and not _is_double(found, entry["arm"])]
        if not rows:
            continue
        by_word: dict[str, list[str]] = {}
        for entry in rows:
            few = " (few pairs)" if verdict_word(entry) == FEW_PASS else ""
            by_word.setdefault(f"{entry['verdict']}{few}", []).append(found.marks.name(entry["arm"]))
        said = "; ".join(f"{word} for {listed(arms, MOST_NAMED)}" for word, arms in by_word.items())
        steps, on = unit_steps(pool.objective), f" on {pool.name}" if pool.place else ""
        yield (
            f"Not more than {f'{exact(pool.margin)} {steps}'.strip()} worse than {found.marks.name(found.reference[0])}{on}: {said}."
        )


def _is_double(found: Findings, arm: str) -> bool:
    return found.arms[arm].answered.double


def _few(pools: Sequence[Comparisons]) -> Iterator[str]:
    """Yield the caution where intervals are from few seeds, or from few pairs."""
    few = [entry for pool in pools for entry in pool.methods if entry.judged and entry.few and not math.isnan(entry.low)]
    if not few:
        return
    seeds = any(entry.seeds[0] < FEW_SEEDS for entry in few)
    what = f"fewer than {FEW_SEEDS} seeds a task" if seeds else f"fewer than {FEW_PAIRS} pairs"
    ahead = any(entry.state in (AHEAD, BEHIND) for entry in few)
    so = "this is an observation and not yet a finding: " if ahead else ""
    yield f"From {what}, {so}a rare collapse may not have been seen, and intervals may be too short."


def _notes(found: Findings, pools: Sequence[Comparisons]) -> Iterator[str]:
    """Yield what explains the sentences and the figures: who is left out, what the terms mean, and the marks of the arms."""
    if any(arm.role in ("rules", "llm") for arm in found.arms.values()):
        yield SUMMARY_NOTE
    methods = [entry for pool in pools for entry in pool.methods]
    if any(entry.judged and not math.isnan(entry.low) for entry in methods):
        percent = f"{100 * found.options.confidence:g} %"
        yield (
            f"Told from random search: the {percent} interval lies on one side of 0, also with Holm's correction for all comparisons of "
            "its kind. An interval is for these tasks and for one comparison; where it holds 0, a method may be better, worse or as good."
        )
        yield from _limits(found)
    yield from _aside(found, methods)
    if any(objective.sign < 0 for objective in found.objectives.by_task.values()):
        yield "Above 0 is better, also where lower scores are."
    yield from validation_notes(found.objectives)
    yield from (f"{note}." for note in found.marks.notes(entry.arm.name for pool in pools for entry in pool.all))


def _limits(found: Findings) -> Iterator[str]:
    """Yield what makes intervals narrower than they look."""
    if seeds := table_seeds(found.study):
        count = f"{seeds} training seed{'' if seeds == 1 else 's'}"
        yield f"Trainings are replayed from tables with {count}: intervals are over the methods' own draws."
    if draws_repeat(found.study):
        yield "Methods drew the same numbers on every task, so intervals over several tasks are too short (see Draws)."


def _aside(found: Findings, methods: Sequence[Compared]) -> Iterator[str]:
    """Yield who is not judged, and who has no interval, and why. The marks of the arms explain those that are withheld."""
    yield from (f"{UNLIKE_MARK} {why}." for why in dict.fromkeys(entry.why for entry in methods if entry.state == UNLIKE))
    for state, said in ((INCOMPLETE, "Not judged"), (UNTOLD, "No interval")):
        by_why: dict[str, list[str]] = {}
        for entry in methods:
            if entry.state == state and entry.why and (state == INCOMPLETE or math.isnan(entry.low)):
                by_why.setdefault(entry.why, []).append(found.marks.name(entry.arm.name))
        yield from (f"{said}: {listed(arms, 6)} ({why})." for why, arms in by_why.items())
