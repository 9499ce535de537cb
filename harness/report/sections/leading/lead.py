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
from harness.report.analysis.normalised import NORMALISED
from harness.report.render.document import Lead, listed, number
from harness.report.render.units import (
    difference_digits,
    ends_of,
    exact,
    refused,
    score_of,
    steps_of,
    validation_notes,
)
from harness.report.sections.coverage import coverage_sentence
from harness.report.sections.findings import Findings
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
from harness.report.sections.leading.phrases import GROUPS, RULES, SUMMARY_NOTE, is_plural, phrase
from harness.report.sections.leading.ranked import ranked_figures
from harness.report.sections.leading.waiting import waiting_words
from harness.report.sections.noninferiority import verdict_word
from harness.trial import Objective

RANDOM = "random search from the same start"
# With more kinds of score, the lead counts them.
MOST_POOLS, MOST_NAMED, MOST_TASKS = 3, 2, 3


def lead_of(found: Findings) -> Lead:
    """Return the lead of a study that is no race."""
    ran = [name for name in found.arms if name not in found.absent]
    if not ran:
        text = f"There is nothing to compare yet: {coverage_sentence(found.frames)}"
        return Lead(" ".join([text, *waiting_words(found)]))
    if len(ran) == 1:
        words = phrase(found.arms[ran[0]], found.marks.name(ran[0]))
        text = f"Only {words} has a finished cell, so there is nothing to compare it with."
        return Lead(" ".join([text, *waiting_words(found)]))
    pools = comparisons_of(found)
    said = [*_of_pools(found, pools), *_verdicts(found), *waiting_words(found), *_few(pools)]
    return Lead(" ".join(said), ranked_figures(found, pools), tuple(_notes(found, pools)))


def _of_pools(found: Findings, pools: Sequence[Comparisons]) -> Iterator[str]:
    if len(pools) == 1:
        yield from _of_pool(found, pools[0], _where(found, pools[0]))
        return
    yield refused(found.objectives, "each kind of score by itself")
    if len(pools) > MOST_POOLS:
        counts = [sum(any(e.state == state for e in p.methods) for p in pools) for state in (AHEAD, BEHIND)]
        yield (
            f"In {counts[0]} of {len(pools)} kinds of score some method beats {RANDOM}, in {counts[1]} some method falls behind it, each "
            "corrected within its kind."
        )
        return
    for pool in pools:
        yield from _of_pool(found, pool, _where(found, pool))


def _where(found: Findings, pool: Comparisons) -> str:
    """Return how a pool's sentence begins: `On these 6 tasks, over 30 seeds`."""
    judged = [entry for entry in pool.methods if entry.judged]
    several = len(found.contrast_pools) > 1
    count, planned = len(pool.tasks), len(pool.pool.tasks)
    if count == 1 or (several and count <= MOST_TASKS):
        where = f"On {listed(pool.tasks)}"
    else:
        where = f"On {'these' if count == planned else f'{count} of the'} {planned} tasks"
        where += f" in {steps_of(pool.pool.objective)}" if several else ""
    if not judged:
        return where
    low, high = min(entry.seeds[0] for entry in judged), max(entry.seeds[1] for entry in judged)
    seeds = "from one seed" if high == 1 else f"over {high} seeds" if low == high else f"over {low} to {high} seeds"
    return f"{where}, {seeds}"


def _of_pool(found: Findings, pool: Comparisons, where: str) -> Iterator[str]:
    judged = [entry for entry in pool.methods if entry.judged]
    if not judged:
        yield f"{where}, {_nothing_judged(found, pool)}."
    elif any(entry.state != UNTOLD for entry in judged):
        yield from _told(found, pool, judged, where)
    else:
        yield f"{where}, {_untold(found, pool, judged)}."


def _nothing_judged(found: Findings, pool: Comparisons) -> str:
    """Say why no method can be judged against random search."""
    methods = pool.methods
    if not methods:
        return f"no method ran beside {RANDOM}, so no gain over it can be said"
    if all(entry.state == INCOMPLETE for entry in methods):
        if (found.frames.cells["state"] != "done").any():
            return f"nothing is concluded yet: {coverage_sentence(found.frames).removesuffix('.')}"
        return f"nothing is concluded: no method has every score that it takes to compare it with {RANDOM}"
    if all(entry.state == UNLIKE for entry in methods):
        return f"nothing is told from the start: {methods[0].why}"
    return f"no method can be judged against {RANDOM}"


def _untold(found: Findings, pool: Comparisons, judged: Sequence[Compared]) -> str:
    """Say that nothing can be told from random search, and how wide the intervals are."""
    objective, known = pool.pool.objective, [entry for entry in judged if not math.isnan(entry.low)]
    if len(judged) == 1:
        return _single(found, pool, judged[0], RANDOM, of=True)
    none = f"no method of {len(judged)} can be told from {RANDOM}"
    if not known:
        return f"{none}: there is no interval ({listed(list(dict.fromkeys(entry.why for entry in judged)), 2)})"
    beside = [entry for entry in known if entry.beside_zero]
    low, high = min(entry.low for entry in known), max(entry.high for entry in known)
    within = "the intervals of all" if len(known) == len(judged) else f"the {len(known)} intervals that there are"
    ends = f"{_number(low, objective)} to {_number(high, objective)} {_measure(objective)}"
    if not beside:
        return f"{none}: {within} hold 0 and lie between {ends}"
    return (
        f"{none}, with the correction for {pool.tested} comparisons: {within} lie between {ends}, and "
        f"{'one' if len(beside) == 1 else len(beside)} by {'itself' if len(beside) == 1 else 'themselves'} beside 0 "
        f"({listed([found.marks.name(entry.arm.name) for entry in beside], 4)})"
    )


def _told(found: Findings, pool: Comparisons, judged: Sequence[Compared], where: str) -> Iterator[str]:
    """Say of each group which methods beat random search, which fall behind it, and how many cannot be told from it."""
    clauses: list[str] = []
    for group, plural in GROUPS.items():
        of_group = [entry for entry in judged if entry.group == group]
        base, of = ("random search", False) if clauses else (RANDOM, True)
        if len(of_group) == 1:
            clauses.append(_single(found, pool, of_group[0], base, of=of))
        elif of_group:
            clauses.append(_several(found, pool, of_group, (plural, base), of=of))
    yield f"{where}, {clauses[0]}."
    yield from (f"{clause[:1].upper()}{clause[1:]}." for clause in clauses[1:])


def _single(found: Findings, pool: Comparisons, entry: Compared, base: str, *, of: bool) -> str:
    """Return the clause about one method. `of`: the first figure of a sentence says what it is of."""
    words, average = _phrase(found, entry), " on average" if len(pool.tasks) > 1 and of else ""
    if entry.state == UNTOLD:
        return f"{words} cannot be told from {base} ({_figures(entry, pool, of=of)})"
    plural = is_plural(entry.arm)
    if entry.state == AHEAD:
        return f"{words} {'beat' if plural else 'beats'} {base}{average} by {_amount(entry, pool, of=of)}"
    return f"{words} {'fall' if plural else 'falls'} behind {base}{average} ({_figures(entry, pool, of=of)})"


def _several(found: Findings, pool: Comparisons, entries: Sequence[Compared], about: tuple[str, str], *, of: bool) -> str:
    """Return the clause about several methods of one group. `about`: what they are called, and what random search is."""
    plural, base = about
    ahead, behind, rest = ([e for e in entries if e.state == state] for state in (AHEAD, BEHIND, UNTOLD))
    if not ahead and not behind:
        return f"none of {len(entries)} {plural} can be told from {base}"
    parts = []
    for told, verb in ((ahead, "beat"), (behind, "fall")):
        if told:
            one = verb + ("s" if len(told) == 1 else "")
            figures = _named(found, pool, told, of=of and not parts)
            parts.append(f"{len(told)} {one}{' behind' if verb == 'fall' else ''} {base}: {figures}")
            base = "it"
    if rest:
        parts.append(f"{'the other' if len(rest) == 1 else f'the other {len(rest)}'} cannot be told from it")
    return f"of {len(entries)} {plural}, {'; '.join(parts)}"


def _named(found: Findings, pool: Comparisons, told: Sequence[Compared], *, of: bool) -> str:
    """Name the methods that are told from random search with their figures; of many, the names and the range of the differences."""
    if len(told) <= MOST_NAMED:
        return " and ".join(
            f"{_phrase(found, entry)}, {'by ' if entry.state == AHEAD else ''}"
            f"{(_amount if entry.state == AHEAD else _figures)(entry, pool, of=of and entry is told[0])}"
            for entry in told
        )
    objective = pool.pool.objective
    low, high = (_number(extreme(entry.difference for entry in told), objective) for extreme in (min, max))
    names = listed([found.marks.name(entry.arm.name) for entry in told], 4)
    return f"{names}, by {low} to {high} {_measure(objective) if of else steps_of(objective)}{_hanging(told)}"


def _hanging(told: Sequence[Compared]) -> str:
    tasks = dict.fromkeys(task for entry in told for task in entry.hangs_on)
    return f" (not all of them without {listed(list(tasks), MOST_TASKS)})" if tasks else ""


def _phrase(found: Findings, entry: Compared) -> str:
    return phrase(entry.arm, found.marks.name(entry.arm.name))


def _amount(entry: Compared, pool: Comparisons, *, of: bool) -> str:
    """Return a difference above 0 and its interval: `2.65 points of test score [+1.94, +3.42]`."""
    objective = pool.pool.objective
    text = f"{number(entry.difference, difference_digits(objective))} {_measure(objective) if of else _steps(objective)}".strip()
    return f"{text} {ends_of(entry.low, entry.high, objective)}{_but(entry)}"


def _figures(entry: Compared, pool: Comparisons, *, of: bool) -> str:
    """Return a difference with its sign and its interval; where there is none, why."""
    objective = pool.pool.objective
    text = f"{_number(entry.difference, objective)} {_measure(objective) if of else _steps(objective)}".strip()
    if math.isnan(entry.low):
        return f"{text}, no interval: {entry.why}" if entry.why else f"{text}, no interval"
    beside = f", which does not hold with the correction for {pool.tested} comparisons"
    return f"{text} {ends_of(entry.low, entry.high, objective)}{beside if _only_alone(entry) else _but(entry)}"


def _only_alone(entry: Compared) -> bool:
    return entry.state == UNTOLD and entry.beside_zero


def _but(entry: Compared) -> str:
    return f", but not without {listed(entry.hangs_on, MOST_TASKS)}" if entry.hangs_on else ""


def _number(value: float, objective: Objective) -> str:
    return number(value, difference_digits(objective), sign=True)


def _steps(objective: Objective) -> str:
    return steps_of(objective) if objective.unit else ""


def _measure(objective: Objective) -> str:
    """Return what a difference is in: `points of test score`, `k$ of test rmse`."""
    of = "normalised score" if objective == NORMALISED else score_of(objective)
    return f"{_steps(objective)} of {of}".strip()


def _verdicts(found: Findings) -> Iterator[str]:
    """Yield the verdicts on the small LLMs, against the reference arm."""
    for pool in found.pools:
        rows = [entry for entry in rows_of(pool.noninferiority) if entry["small_llm"] and not _is_double(found, entry["arm"])]
        if not rows:
            continue
        by_word: dict[str, list[str]] = {}
        for entry in rows:
            by_word.setdefault(verdict_word(entry), []).append(found.marks.name(entry["arm"]))
        said = "; ".join(f"{word} for {listed(arms, MOST_NAMED)}" for word, arms in by_word.items())
        steps, on = _steps(pool.objective), f" on {pool.name}" if pool.place else ""
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
    yield f"From {what}, a rare collapse may not have been seen, and intervals may be too short."


def _notes(found: Findings, pools: Sequence[Comparisons]) -> Iterator[str]:
    """Yield what explains the sentences and the figures: who is left out, what the terms mean, and the marks of the arms."""
    if any(arm.role == RULES or arm.context in ("tcs", "shuffled") for arm in found.arms.values()):
        yield SUMMARY_NOTE
    methods = [entry for pool in pools for entry in pool.methods]
    if any(entry.judged for entry in methods):
        percent = f"{100 * found.options.confidence:g} %"
        yield (
            f"Told from random search: the {percent} interval lies on one side of 0, also with Holm's correction for all comparisons of "
            "its kind. An interval is for these tasks and for one comparison; where it holds 0, a method may be better, worse or as good."
        )
    aside = dict.fromkeys((entry.why, entry.arm.name) for entry in methods if not entry.judged and entry.why)
    by_why: dict[str, list[str]] = {}
    for why, arm in aside:
        by_why.setdefault(why.replace(arm, "\0"), []).append(arm)
    for why, arms in by_why.items():
        yield f"Not judged: {listed(arms, 6)} ({why.replace(chr(0), listed(arms, 6))})."
    if any(objective.sign < 0 for objective in found.objectives.by_task.values()):
        yield "Above 0 is better, also where lower scores are."
    yield from validation_notes(found.objectives)
    yield from (f"{note}." for note in found.marks.notes(entry.arm.name for entry in methods))
