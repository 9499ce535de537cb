"""The questions of the study, each with an answer in a word. The sections below hold the details."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.report.analysis.arms import Arm
from harness.report.analysis.families import lacks
from harness.report.analysis.frames import rows_of
from harness.report.analysis.objectives import Objectives
from harness.report.render.document import Answer, Tone, interval, listed, number
from harness.report.render.marks import Marks
from harness.report.render.units import difference_digits, name_of, refused, score_of, steps_of, validation_notes
from harness.report.sections.contrasts import LEVEL, UNLIKE, few_note, label
from harness.report.sections.findings import Findings
from harness.report.sections.leading.waiting import asks_llm
from harness.report.sections.noninferiority import FAIL, FEW_PASS, NO_VERDICT, PASS, few_pass_note, verdict_word

HELPS = "Does the TCS help?"
GOOD_ENOUGH = "Is the small LLM good enough?"
THE_START = "Or was it the default start?"
ONLY_THE_START = "Was it the default start?"
MADE_OF = "What is the gain of the rules made of?"
ABSENT = "Not in this study"


def answers_of(found: Findings) -> tuple[Answer, ...]:
    """Answer the three questions, and the one about the rules where their variants ran. Without its arms, a question stays open.

    Where no arm asked an LLM, the questions about LLMs are left out, and what cannot be answered too.
    """
    contrasts, gaps = _entries(found, "contrasts"), _entries(found, "noninferiority")
    small = small_llm_answer(gaps, found.reference[0], _measure(found), found.marks)
    if small.word == ABSENT and found.absent:
        small = replace(small, text=f"{small.text} Planned, and not one cell done: {listed(found.absent)}; the coverage says why.")
    start = start_answer(contrasts, found.arms, found.marks)
    if asks_llm(found):
        answers = [tcs_answer(contrasts, found.arms, found.marks), small, start]
    else:
        answers = [replace(start, question=ONLY_THE_START)] if start.word != ABSENT else []
    said = [*answers, *parts_answers(contrasts, found.arms, found.marks)]
    text = "".join(f" {note}" for note in _units(found.objectives, normalised=found.normalised.pool is not None))
    return tuple(replace(answer, text=f"{answer.text}{text}") if answer.lines else answer for answer in said)


def _units(objectives: Objectives, *, normalised: bool) -> Iterator[str]:
    """Yield what a reader must know of the figures where scores are no percentages to be maximised.

    `normalised`: differences over all tasks are in normalised scores.
    """
    if objectives.refusal and normalised:
        yield refused(objectives, "their points are not averaged. Differences are in normalised scores, verdicts by kind of score")
    elif objectives.refusal:
        yield refused(objectives, "nothing is averaged over all of them, and each kind of score has its own lines")
    if any(objective.sign < 0 for objective in objectives.by_task.values()):
        yield "Above 0 is better, also where lower scores are."
    yield from validation_notes(objectives)


def _entries(found: Findings, frame: str) -> list[dict[str, Any]]:
    """Return the rows of every pool, each with the digits of its differences, and the pool's name where there are several."""
    return [
        {**entry, "pool": pool.name, "digits": difference_digits(pool.objective)}
        for pool in (found.contrast_pools if frame == "contrasts" else found.pools)
        for entry in rows_of(getattr(pool, frame))
    ]


def _measure(found: Findings) -> str:
    """Say what gaps are in: `Points of average test score`."""
    shared = found.objectives.shared
    if shared is None:
        return "A verdict for each arm and each kind of score,"
    steps = steps_of(shared)
    if steps == name_of(shared):  # without a unit
        return f"Differences of average {score_of(shared)}"
    return f"{steps.capitalize() if steps == 'points' else steps} of average {score_of(shared)}"


def tcs_answer(contrasts: Sequence[dict[str, Any]], arms: Mapping[str, Arm], marks: Marks) -> Answer:
    """Compare the TCS with the raw logs, both read by the same LLM; the lines also show the other contexts."""
    found = [entry for entry in contrasts if entry["family"] == "context" and entry["pairs"]]
    raw = [entry for entry in found if arms[entry["second"]].context == "raw"]
    rules = [entry for entry in contrasts if entry["family"] == "rules" and entry["pairs"]]
    if not raw:
        text = "It takes an LLM that was shown the TCS in one arm and the raw logs in another."
        without = [e for e in contrasts if e["family"] == "random" and e["pairs"] and _plain_rules(arms[e["first"]])]
        # Where a contrast compares like with like, the others are left out.
        without = [e for e in without if not e["unlike"]] or without
        if without:
            text += " The figures show what fixed rules make of the TCS without an LLM."
        return Answer(HELPS, ABSENT, "muted", f"{text}{_notes(without, marks)}", "contrasts", _lines(without, marks))
    word, tone = _decide(_judged(raw), "Yes", "No: it hurts", "Unclear")
    others = [entry for entry in found if entry not in raw] + rules
    text = "The same LLM shown the TCS and shown the raw logs" + (", and the TCS against its other rivals." if others else ".")
    shown = [*raw, *others]
    return Answer(HELPS, word, tone, f"{text}{_notes(shown, marks)}", "contrasts", _lines(shown, marks))


def _plain_rules(arm: Arm) -> bool:
    return arm.role == "rules" and not lacks(arm)


def small_llm_answer(gaps: Sequence[dict[str, Any]], reference: str, measure: str, marks: Marks) -> Answer:
    """Summarise the verdicts of the small-LLM arms. `measure` says what gaps are in."""
    small = [entry for entry in gaps if entry["small_llm"]]
    if not small:
        arms = (marks.arms.get(entry["arm"], Arm("")) for entry in gaps)
        others = [arm.name for arm in arms if arm.role == "llm" and arm.context == "tcs"]
        none = f"No LLM that the question is about: {listed(others, 2)} read the TCS, and llm.small says that it is about others."
        text = none if others else "No small LLM with the TCS ran."
        text += f" The other arms' verdicts, against {reference}, are below."
        return Answer(GOOD_ENOUGH, ABSENT, "muted", text, "verdict")
    verdicts = [verdict_word(entry) for entry in _judged(small) or small]
    word, tone = verdicts[0], {NO_VERDICT: "muted", PASS: "good", FEW_PASS: "good", FAIL: "bad"}.get(verdicts[0], "warn")
    if len(set(verdicts)) > 1:
        passed = sum(verdict in (PASS, FEW_PASS) for verdict in verdicts)
        word, tone = f"{passed} of {len(verdicts)} {PASS}", "warn"
    lines = tuple(
        (f"{marks.name(e['arm'])}{_on(e)}{'' if e['withheld'] else f': {verdict_word(e)}'}", _figures(e["gap"], e)) for e in small
    )
    few = [few_pass_note()] if FEW_PASS in verdicts else []
    notes = [f"{note.removesuffix('.')}." for note in (*few, *marks.notes(e["arm"] for e in small))]
    text = " ".join([f"{measure} against {marks.name(reference)}.", *notes])
    return Answer(GOOD_ENOUGH, word, _tone(tone), text, "verdict", lines)


def start_answer(contrasts: Sequence[dict[str, Any]], arms: Mapping[str, Arm], marks: Marks) -> Answer:
    """Compare two gains: of the default start for random search, and of each method over random search from that start."""
    starts = [entry for entry in contrasts if entry["family"] == "start" and entry["pairs"]]
    plain = [entry for entry in starts if arms[entry["first"]].role == "random"]
    if not plain:
        text = "It takes random search with and without the default configuration tried first."
        return Answer(THE_START, ABSENT, "muted", text, "contrasts")
    beyond = [e for e in contrasts if e["family"] == "random" and e["pairs"] and arms[e["first"]].start == "default"]
    subjects = [e for e in beyond if arms[e["first"]].role == "llm" and arms[e["first"]].context == "tcs"] or beyond
    if not subjects:
        text = "What the start alone gives random search; no other method ran from the same start."
        alone = [first for first, _ in _by_pool(plain, ())]
        return Answer(THE_START, "Unclear", "warn", f"{text}{_notes(alone, marks)}", "contrasts", _lines(alone, marks))
    withheld = [e for e in subjects if e["withheld"]]
    subjects = _judged(subjects)
    # As the lead counts them: with Holm's correction for all comparisons with random search.
    ahead = [e for e in subjects if e["low"] > 0 and e["p_holm"] < LEVEL and e["reachable"]]
    by_pool = _by_pool(plain, subjects)
    word, tone = _start_word(subjects, ahead, all(first["low"] > 0 for first, _ in by_pool))
    text = "First what the start alone gives random search, then what methods add to random search from that same start."
    shown = [entry for first, of_pool in by_pool for entry in (first, *_extremes(of_pool))] + withheld
    return Answer(THE_START, word, tone, f"{text}{_notes(shown, marks)}", "contrasts", _lines(shown, marks))


def _by_pool(
    plain: Sequence[dict[str, Any]], subjects: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return, for each pool, the first contrast of random search, and the subjects."""
    firsts = {entry["pool"]: entry for entry in reversed(plain)}
    pools = dict.fromkeys(entry["pool"] for entry in plain)
    return [(firsts[pool], [entry for entry in subjects if entry["pool"] == pool]) for pool in pools]


PARTS = {"names": "the textbooks by name", "outcomes": "the outcomes that they read"}


def parts_answers(contrasts: Sequence[dict[str, Any]], arms: Mapping[str, Arm], marks: Marks) -> tuple[Answer, ...]:
    """Say which parts of the rules gain something; nothing where no variant of the rules ran."""
    found = [entry for entry in contrasts if entry["family"] == "parts" and entry["pairs"]]
    if not found:
        return ()
    starts = {arms[entry["first"]].start for entry in found}
    leading = [entry for entry in found if arms[entry["first"]].start == "default"] if "default" in starts else found
    shows = [PARTS[lacks(arms[entry["second"]])[0]] for entry in leading if entry["low"] > 0]
    word = (
        listed(list(dict.fromkeys(shows))).capitalize()
        if shows
        else "Neither shows"
        if len({(e["first"], e["second"]) for e in leading}) > 1
        else "It does not show"
    )
    text = f"The rules against rules without {listed(_unique(PARTS[lacks(arms[e['second']])[0]] for e in leading))}, from the same start."
    return (
        Answer(MADE_OF, word, "good" if shows else "warn", f"{text}{_notes(leading, marks)}", "contrasts", _lines(leading, marks)),
    )


def _start_word(subjects: Sequence[dict[str, Any]], ahead: Sequence[dict[str, Any]], start_helps: bool) -> tuple[str, Tone]:
    if not subjects:
        return NO_VERDICT.capitalize(), "muted"
    if len(ahead) == len(subjects):
        return "No, or not only", "good"
    if ahead:
        several = len({entry["pool"] for entry in subjects}) > 1
        names = f"{len(ahead)} of {len(subjects)}" if several else listed([e["first"] for e in ahead], 2)
        return f"Not for {names}", "warn"
    return ("Nothing beyond it shows", "bad") if start_helps else ("Unclear", "warn")


def _extremes(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all contrasts where there are at most three, else the largest and the smallest."""
    ordered = sorted(entries, key=lambda e: -e["difference"])
    return ordered if len(ordered) <= 3 else [ordered[0], ordered[-1]]


def _judged(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what is about an arm whose configurations were mostly not its model's."""
    return [entry for entry in entries if not entry["withheld"]]


def _decide(entries: Sequence[dict[str, Any]], yes: str, no: str, unclear: str) -> tuple[str, Tone]:
    if not entries:
        return NO_VERDICT.capitalize(), "muted"
    above, below = sum(e["low"] > 0 for e in entries), sum(e["high"] < 0 for e in entries)
    if above == len(entries):
        return yes, "good"
    if below == len(entries):
        return no, "bad"
    return (f"{yes} for {above} of {len(entries)}" if above else unclear), "warn"


def _lines(entries: Sequence[dict[str, Any]], marks: Marks) -> tuple[tuple[str, str], ...]:
    return tuple((f"{label(entry, marks)}{_on(entry)}", _figures(entry["difference"], entry)) for entry in entries)


def _on(entry: Mapping[str, Any]) -> str:
    return f" on {entry['pool']}" if entry["pool"] else ""


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _notes(entries: Sequence[dict[str, Any]], marks: Marks) -> str:
    """Return the notes of these contrasts: arms that are unlike, few pairs, and the marks of the arms."""
    notes = [f"{UNLIKE} {unlike}." for unlike in dict.fromkeys(entry["unlike"] for entry in entries) if unlike]
    notes += [few_note()] if any(entry["few"] for entry in entries) else []
    notes += [f"{note}." for note in marks.notes(entry[side] for entry in entries for side in ("first", "second"))]
    return "".join(f" {note}" for note in notes)


def _figures(value: float, entry: Mapping[str, Any]) -> str:
    if entry["withheld"]:
        return NO_VERDICT.lower()
    short = f" ({entry['tasks']} of {entry['of_tasks']} tasks)" if entry["tasks"] < entry.get("of_tasks", 0) else ""
    digits = entry["digits"]
    return f"{number(value, digits, sign=True)} {interval(entry['low'], entry['high'], digits)}{short}"


def _tone(word: str) -> Tone:
    return "good" if word == "good" else "bad" if word == "bad" else "muted" if word == "muted" else "warn"
