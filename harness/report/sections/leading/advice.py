"""What to use on one task: the sentence that heads a race's page, and the table of its methods. Only a race of `harness.advise` has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from harness.report.analysis.advice import Advice, Entry, advise
from harness.report.analysis.race import FIRST_LOOK, MOST_SEEDS, PROMISED
from harness.report.render.document import Column, Lead, Section, Table, interval, listed, number, row
from harness.report.render.marks import Marks
from harness.report.render.units import difference_digits, score_of, steps_of
from harness.report.study_data import StudyData

QUESTION = "What to use on this task?"
KEY = "advice"
# A name in a sentence; all of them are in the table.
MOST_NAMES = 12


def advice_of(study: StudyData) -> Advice | None:
    """Return the advice of a race that has a done cell; None for any other study."""
    if study.race is None:
        return None
    advice = advise(study, study.race)
    return advice if advice.best or any(entry.scores for entry in advice.entries) else None


def advice_lead(advice: Advice, marks: Marks) -> Lead:
    """Return what stands first on the page: which method to use, and the best configuration.

    It has no figure: a race looks at its differences after every seed, which an interval for one look does not know of.
    """
    return Lead(" ".join((_use(advice), _best(advice), *_cautions(advice, marks))))


def advice_section(advice: Advice, marks: Marks) -> Section:
    """Return what follows the lead: the gain over the default, what more seeds would do, and the table of methods."""
    said = filter(None, (_gain(advice), _more_seeds(advice), _lost(advice)))
    return Section(KEY, f"{QUESTION} {advice.task}", (*said, _table(advice, marks)))


def _use(advice: Advice) -> str:
    standing = advice.standing
    seeds = f"{standing.seeds} seed{'' if standing.seeds == 1 else 's'}"
    if not standing.leader or standing.seeds == 0:
        return f"Nothing can be told yet: no seed is complete for all methods, and the first look takes {FIRST_LOOK}."
    if len(standing.alive) == 1 and not standing.dropped:
        return f"Use {standing.leader}: no other method could run, so it was compared with nothing."
    if standing.seeds < FIRST_LOOK:
        return (
            f"Nothing can be told yet: {standing.leader} has the best mean {score_of(advice.objective)} so far, after {seeds}, and the "
            f"first look takes {FIRST_LOOK}."
        )
    rivals = [entry.arm for entry in advice.rivals]
    behind = f"; {_names(list(standing.dropped))} {_are(standing.dropped)} clearly behind" if standing.dropped else ""
    use = "Keep your default" if standing.leader == advice.baseline else f"Use {standing.leader}"
    if not rivals:
        return f"{use}: after {seeds}, all {len(standing.dropped)} other methods were dropped as clearly behind."
    if standing.dropped:
        return f"{use}; {_names(rivals)} cannot be told from it after {seeds}{behind}."
    if all(entry.behind == 0.0 for entry in advice.rivals):
        return f"Nothing can be told apart: after {seeds}, the mean scores of all {len(rivals) + 1} methods are equal."
    ahead = "your default" if standing.leader == advice.baseline else standing.leader
    return (
        f"Nothing can be told apart after {seeds}: {ahead} has the best mean {score_of(advice.objective)} of {len(rivals) + 1} methods, "
        "and that may be chance. Any of them will do, for instance the cheapest."
    )


def _names(arms: Sequence[str]) -> str:
    return listed(arms, MOST_NAMES)


def _are(arms: object) -> str:
    return "is" if isinstance(arms, dict | tuple | list) and len(arms) == 1 else "are"


def _best(advice: Advice) -> str:
    best, objective = advice.best, advice.objective
    if best is None:
        return "No training of a finished cell has a score, so there is no best configuration."
    config = ", ".join(f"{name}={f'{value:.6g}' if isinstance(value, float) else value}" for name, value in best.config.items())
    test = f", test {objective.text(best.test)}" if best.test is not None and objective.test else ""
    where = f"found by {best.arm}, seed {best.seed}, trial {best.trial}"
    return f"The best configuration is {config}: validation {objective.text(best.val)}{test} ({where})."


def _gain(advice: Advice) -> str:
    gain = advice.gain
    if gain is None:
        return ""
    digits, steps = difference_digits(advice.objective), steps_of(advice.objective)
    amount = f"{number(abs(gain.value), digits)} {steps}"
    found = f"95 % interval {interval(gain.low, gain.high, digits)}" if not math.isnan(gain.low) else f"no interval: {gain.why}"
    verb = "gains" if gain.value >= 0 else "loses"
    return f"Tuning by {advice.standing.leader} {verb} {amount} of mean {score_of(advice.objective)} on your default ({found})."


def _more_seeds(advice: Advice) -> str:
    """Say how many more seeds would decide, where that can be estimated."""
    standing, rivals = advice.standing, advice.rivals
    if not rivals:
        return ""
    if standing.seeds < FIRST_LOOK:
        return f"How many more seeds would decide can be said from {FIRST_LOOK} seeds on."
    within = {e.arm: int(e.decides_at - standing.seeds) for e in rivals if math.isfinite(e.decides_at)}
    beyond = [e.arm for e in rivals if math.isinf(e.decides_at)]
    unknown = [e.arm for e in rivals if math.isnan(e.decides_at)]
    return " ".join(_estimates(within, beyond, unknown))


def _estimates(within: dict[str, int], beyond: Sequence[str], unknown: Sequence[str]) -> Iterator[str]:
    if within:
        fewest_first = sorted(within.items(), key=lambda each: each[1])
        told = _names([f"{seeds:,} tell {arm} from it" for arm, seeds in fewest_first])
        yield (
            f"More seeds would decide, if the differences go on as they are: about {told} (estimates from few seeds, and the leader's luck "
            "is in them)."
        )
    if beyond:
        yield f"Even {MOST_SEEDS:,} seeds would hardly tell {_names(beyond)} from it: the difference is small beside its spread."
    if unknown:
        yield f"How many seeds would tell {_names(unknown)} from it cannot be estimated: the differences have no spread."


def _cautions(advice: Advice, marks: Marks) -> Iterator[str]:
    """Yield what keeps one from believing the leader: an LLM arm whose configurations were not its model's, and other marks."""
    if advice.standing.leader and advice.standing.leader != advice.baseline:
        yield from (f"Beware: {note}." for note in marks.notes([advice.standing.leader]))


def _lost(advice: Advice) -> str:
    kept = [entry for entry in advice.entries if entry.reason]
    if not kept:
        return ""
    return "Not raced: " + "; ".join(f"{e.arm} ({e.reason}{f'; make it ready with: {e.fix}' if e.fix else ''})" for e in kept) + "."


def _table(advice: Advice, marks: Marks) -> Table:
    """Return one row per method, in the order of the race: those in it, the dropped ones from the last to the first, the others."""
    place = {arm: number for number, arm in enumerate(advice.standing.alive)}
    entries = sorted(
        advice.entries, key=lambda e: (bool(e.reason), place.get(e.arm, len(place)), -e.dropped.after if e.dropped else 0, -e.mean)
    )
    with_llm = any(entry.asks_llm for entry in entries)
    heads = (
        Column("method", numeric=False),
        Column("seeds"),
        Column("mean"),
        Column("behind", hint="mean difference to the first, on the seeds of both"),
        Column("trainings"),
        Column("train s"),
        Column("method s"),
        *((Column("tokens"), Column("USD")) if with_llm else ()),
        Column("", numeric=False),
    )
    rows = tuple(row(*_texts(advice, entry, marks, with_llm=with_llm)) for entry in entries)
    narrow = tuple(place for place, head in enumerate(heads) if head.title not in ("train s", "method s", "trainings"))
    spent = tuple(place for place, head in enumerate(heads) if head.title in ("method", "trainings", "train s", "method s"))
    table = Table(KEY, "Methods of the race, and what they cost", heads, rows, _data(entries), _notes(advice, marks))
    return _in_two(table, narrow, spent)


def _in_two(table: Table, first: tuple[int, ...], second: tuple[int, ...]) -> Table:
    """Return the table with two narrower ones for a terminal on which it does not fit."""

    def part(places: tuple[int, ...], title: str, notes: tuple[str, ...]) -> Table:
        columns = tuple(table.columns[place] for place in places)
        rows = tuple(tuple(cells[place] for place in places) for cells in table.rows)
        return Table(table.key, title, columns, rows, table.data, notes)

    halves = part(first, "Methods of the race", ()), part(second, "What they cost", table.notes)
    return Table(table.key, table.title, table.columns, table.rows, table.data, table.notes, halves)


def _texts(advice: Advice, entry: Entry, marks: Marks, *, with_llm: bool) -> Iterator[str]:
    digits, cost = difference_digits(advice.objective), entry.cost
    yield marks.name(entry.arm)
    yield str(len(entry.scores))
    yield number(advice.objective.sign * entry.mean, digits)
    yield number(entry.behind, digits)
    yield from (str(cost.trainings), number(cost.train_seconds, 1), number(cost.propose_seconds, 1))
    if with_llm:
        yield "–" if cost.tokens is None else f"{cost.tokens:,}"
        yield "–" if cost.usd is None else f"{cost.usd:.2f}"
    yield _state(advice, entry)


def _state(advice: Advice, entry: Entry) -> str:
    if entry.reason:
        return "not raced"
    if entry.dropped:
        return f"dropped at {entry.dropped.after}"
    if entry.arm == advice.standing.leader:
        return "first"
    return "not told apart" if advice.standing.seeds >= FIRST_LOOK else ""


def _data(entries: Sequence[Entry]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": e.arm,
            "seeds": len(e.scores),
            "mean_oriented": e.mean,
            "behind": e.behind,
            "dropped_after": e.dropped.after if e.dropped else None,
            "decides_at": e.decides_at,
            "reason": e.reason,
            **vars(e.cost),
        }
        for e in entries
    )


def _notes(advice: Advice, marks: Marks) -> tuple[str, ...]:
    score, steps = score_of(advice.objective), steps_of(advice.objective)
    chosen = (
        "of the configuration that validation chose"
        if advice.objective.test
        else "(the task has no test score, so it is the score that chose the configuration)"
    )
    seconds = "" if advice.trained else " Seconds of training are those of the recorded trainings."
    return (
        f"mean: {score} {chosen}, over the seeds; behind: mean difference to the first method, in {steps}, on the seeds of both. All "
        f"methods of a seed share its training seed; {advice.budget} trials a seed.{seconds}",
        f"dropped at N: clearly behind the leader after N seeds (from {FIRST_LOOK} on). The chance that the best method is dropped is at "
        f"most {100 * PROMISED:g} %, unless it owes its mean to rare gains of its own or rare collapses of others. A dropped method has "
        "fewer seeds than the others; tables that average what each has are not paired.",
        *marks.notes(entry.arm for entry in advice.entries),
    )
