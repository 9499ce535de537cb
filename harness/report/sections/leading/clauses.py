"""The clauses of the lead about one kind of score: which methods beat random search, which fall behind it, which cannot be told from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.report.analysis.normalised import NORMALISED
from harness.report.render.document import listed, number
from harness.report.render.units import difference_digits, ends_of, score_of, steps_of
from harness.report.sections.coverage import coverage_sentence
from harness.report.sections.findings import Findings
from harness.report.sections.leading.comparisons import AHEAD, BEHIND, INCOMPLETE, UNLIKE, UNTOLD, Compared, Comparisons
from harness.report.sections.leading.phrases import GROUPS, is_plural, phrase
from harness.trial import Objective

RANDOM = "random search from the same start"
MOST_NAMED, MOST_TASKS = 2, 3
# How clauses begin that do not begin with a name, which keeps its small letter at the start of a sentence.
OWN_WORDS = ("of ", "none of ", "fixed rules ", "local search ", "a GP ", "the ")


def in_brief(found: Findings, pool: Comparisons, base: str) -> str:
    """Return one sentence about one of several pools: how many methods beat random search, fall behind it, and cannot be told from it."""
    where, judged = _where(found, pool), [entry for entry in pool.methods if entry.judged]
    if not judged:
        return f"{where}, {_nothing_judged(found, pool, base)}."
    if all(entry.state == UNTOLD for entry in judged):
        return f"{where}, {_untold(found, pool, judged, base)}."
    ahead, behind, rest = ([e for e in judged if e.state == state] for state in (AHEAD, BEHIND, UNTOLD))
    parts = []
    for told in (ahead, behind):
        if told:
            parts.append(f"{len(told)} {_verb(told)} {base} ({_briefly(found, pool, told)})")
            base = "it"
    parts += [f"{len(rest)} cannot be told from it"] if rest else []
    return f"{where}, of {len(judged)} {'method' if len(judged) == 1 else 'methods'} {listed(parts)}."


def _briefly(found: Findings, pool: Comparisons, told: Sequence[Compared]) -> str:
    """Name methods with their figures; of many, their names alone."""
    names = [found.marks.name(entry.arm.name) for entry in told]
    if len(told) > MOST_NAMED:
        return listed(names, 4)
    figures = (_figures(entry, pool, of=entry is told[0]) for entry in told)
    return "; ".join(f"{name} {said}" for name, said in zip(names, figures, strict=True))


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


def of_pool(found: Findings, pool: Comparisons, base: str) -> Iterator[str]:
    """Yield the sentences about one pool. `base`: what random search is called."""
    where = _where(found, pool)
    judged = [entry for entry in pool.methods if entry.judged]
    if not judged:
        yield f"{where}, {_nothing_judged(found, pool, base)}."
    elif any(entry.state != UNTOLD for entry in judged):
        yield from _told(found, pool, judged, f"{where}, ", base)
    else:
        yield f"{where}, {_untold(found, pool, judged, base)}."


def _nothing_judged(found: Findings, pool: Comparisons, base: str) -> str:
    """Say why no method can be judged against random search."""
    methods = pool.methods
    if not methods and pool.all:
        controls = listed([found.marks.name(entry.arm.name) for entry in pool.all], 4)
        return f"only controls ran beside {base} ({controls}), so no method's gain over it can be said"
    if not methods:
        return f"no method ran beside {base}, so no gain over it can be said"
    if all(entry.state == INCOMPLETE for entry in methods):
        if (found.frames.cells["state"] != "done").any():
            return f"nothing is concluded yet: {coverage_sentence(found.frames).removesuffix('.')}"
        return f"nothing is concluded: no method has every score that it takes to compare it with {base}"
    if all(entry.state == UNLIKE for entry in methods):
        return f"nothing can be told from what the default configuration gives: {methods[0].why}"
    why = f": {'; '.join(said_aside(found, entry) for entry in methods)}" if len(methods) <= MOST_NAMED else ", as said below"
    return f"no method can be judged against {base}{why}"


def _untold(found: Findings, pool: Comparisons, judged: Sequence[Compared], base: str) -> str:
    """Say that nothing can be told from random search, and how wide the intervals are."""
    objective, known = pool.pool.objective, [entry for entry in judged if not math.isnan(entry.low)]
    if len(judged) == 1:
        return _single(found, pool, judged[0], base, of=True)
    none = f"no method of {len(judged)} can be told from {base}"
    if not known:
        return f"{none}: there is no interval ({listed(list(dict.fromkeys(entry.why for entry in judged)), 2)})"
    beside = [entry for entry in known if entry.beside_zero]
    low, high = min(entry.low for entry in known), max(entry.high for entry in known)
    within = "the intervals of all" if len(known) == len(judged) else f"the {len(known)} intervals that there are"
    ends = f"reach from {_number(low, objective)} to {_number(high, objective)} {_measure(objective)}"
    if not beside:
        return f"{none}: {within} hold 0 and {ends}"
    names = listed([found.marks.name(entry.arm.name) for entry in beside], 4)
    alone = "one lies beside 0 by itself" if len(beside) == 1 else f"{len(beside)} lie beside 0 by themselves"
    return f"{none}: {within} {ends}, and {alone} ({names}), which {_not_upheld(pool, beside)}"


def _told(found: Findings, pool: Comparisons, judged: Sequence[Compared], where: str, base: str) -> Iterator[str]:
    """Say of each group which methods beat random search, which fall behind it, and how many cannot be told from it."""
    clauses: list[str] = []
    for group, plural in GROUPS.items():
        of_group = [entry for entry in judged if entry.group == group]
        base, of = ("random search", False) if clauses else (base, True)
        if len(of_group) == 1:
            clauses.append(_single(found, pool, of_group[0], base, of=of))
        elif of_group:
            clauses.append(_several(found, pool, of_group, (plural, base), of=of))
    yield f"{where}{clauses[0]}."
    yield from (f"{clause[:1].upper()}{clause[1:]}." if clause.startswith(OWN_WORDS) else f"{clause}." for clause in clauses[1:])


def _single(found: Findings, pool: Comparisons, entry: Compared, base: str, *, of: bool) -> str:
    """Return the clause about one method. `of`: the first figure of a sentence says what it is of."""
    words, average = _phrase(found, entry), " on average" if len(pool.tasks) > 1 and of else ""
    if entry.state == UNTOLD:
        return f"{words} cannot be told from {base} ({_figures(entry, pool, of=of)})"
    said = f"{words} {_verb([entry], plural=is_plural(entry.arm))} {base}{average}"
    return f"{said} by {_amount(entry, pool, of=of)}" if entry.state == AHEAD else f"{said} ({_figures(entry, pool, of=of)})"


def _several(found: Findings, pool: Comparisons, entries: Sequence[Compared], about: tuple[str, str], *, of: bool) -> str:
    """Return the clause about several methods of one group. `about`: what they are called, and what random search is."""
    plural, base = about
    ahead, behind, rest = ([e for e in entries if e.state == state] for state in (AHEAD, BEHIND, UNTOLD))
    if not ahead and not behind:
        return f"none of {len(entries)} {plural} can be told from {base}"
    parts: list[str] = []
    for told in (ahead, behind):
        if told:
            figures = _named(found, pool, told, of=of and not parts)
            parts.append(f"{len(told)} {_verb(told)} {base}: {figures}")
            base = "it"
    if rest:
        parts.append(f"{'the other' if len(rest) == 1 else f'the other {len(rest)}'} cannot be told from it")
    return f"of {len(entries)} {plural}, {'; '.join(parts)}"


def _verb(told: Sequence[Compared], *, plural: bool | None = None) -> str:
    """Return the verb of methods that are all ahead or all behind. From few pairs they *are* ahead, which is less than to beat."""
    many = len(told) > 1 if plural is None else plural
    ahead = told[0].state == AHEAD
    if any(entry.few for entry in told):
        return f"{'are' if many else 'is'} {'ahead of' if ahead else 'behind'}"
    return f"beat{'' if many else 's'}" if ahead else f"fall{'' if many else 's'} behind"


def _named(found: Findings, pool: Comparisons, told: Sequence[Compared], *, of: bool) -> str:
    """Name the methods that are told from random search with their figures; of many, the names and the range of the differences."""
    if len(told) <= MOST_NAMED:
        return ", and ".join(
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
    one = "" if len(tasks) == 1 else "one of "
    return f" (not all of them when {one}{listed(list(tasks), MOST_TASKS)} is left out)" if tasks else ""


def _phrase(found: Findings, entry: Compared) -> str:
    return phrase(entry.arm, found.marks.name(entry.arm.name))


def _amount(entry: Compared, pool: Comparisons, *, of: bool) -> str:
    """Return a difference above 0 and its interval: `2.65 points of test score [+1.94, +3.42]`."""
    objective = pool.pool.objective
    text = (
        f"{number(entry.difference, difference_digits(objective))} {_measure(objective) if of else unit_steps(objective)}".strip()
    )
    return f"{text} {ends_of(entry.low, entry.high, objective)}{_but(entry)}"


def _figures(entry: Compared, pool: Comparisons, *, of: bool) -> str:
    """Return a difference with its sign and its interval; where there is none, why."""
    objective = pool.pool.objective
    text = f"{_number(entry.difference, objective)} {_measure(objective) if of else unit_steps(objective)}".strip()
    if math.isnan(entry.low):
        return f"{text}, no interval: {entry.why}" if entry.why else f"{text}, no interval"
    alone = _but(entry)
    if entry.state == UNTOLD and (entry.why or entry.beside_zero):
        alone = f"; {entry.why}" if entry.why else f", which {_not_upheld(pool, [entry])}"
    return f"{text} {ends_of(entry.low, entry.high, objective)}{alone}"


def _not_upheld(pool: Comparisons, beside: Sequence[Compared]) -> str:
    """Say why intervals that lie beside 0 tell nothing."""
    if not any(entry.reachable for entry in beside):
        return "so few pairs cannot tell"
    return f"does not hold with the correction for {pool.tested} comparisons"


def _but(entry: Compared) -> str:
    one = "" if len(entry.hangs_on) == 1 else "one of "
    return f", but not when {one}{listed(entry.hangs_on, MOST_TASKS)} is left out" if entry.hangs_on else ""


def _number(value: float, objective: Objective) -> str:
    return number(value, difference_digits(objective), sign=True)


def unit_steps(objective: Objective) -> str:
    """Return the unit of a difference; empty where scores have none."""
    return steps_of(objective) if objective.unit else ""


def _measure(objective: Objective) -> str:
    """Return what a difference is in: `points of test score`, `k$ of test rmse`."""
    of = "normalised score" if objective == NORMALISED else score_of(objective)
    return f"{unit_steps(objective)} of {of}".strip()


def said_aside(found: Findings, entry: Compared) -> str:
    """Name a method that is not judged, and say why."""
    return f"{found.marks.name(entry.arm.name)} ({entry.why.removesuffix(': no verdict')})"
