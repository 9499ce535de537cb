"""The study's three questions, each answered in a word from the sections below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.report.arms import Arm
from harness.report.contrasts import label
from harness.report.document import Answer, Tone, interval, listed, number
from harness.report.findings import Findings
from harness.report.frames import rows_of
from harness.report.gaps import FAIL, PASS

HELPS = "Does the TCS help?"
GOOD_ENOUGH = "Is the small LLM good enough?"
THE_START = "Or was it the default start?"
ABSENT = "Not in this study"


def answers_of(found: Findings) -> tuple[Answer, ...]:
    """Answer the three questions; a question whose arms did not run is said to be open."""
    contrasts, gaps = rows_of(found.contrasts), rows_of(found.gaps)
    small = small_llm_answer(gaps, found.reference[0])
    if small.word == ABSENT and found.absent:
        small = replace(small, text=f"{small.text} Planned, and not one cell done: {listed(found.absent)}; the coverage says why.")
    return tcs_answer(contrasts, found.arms), small, start_answer(contrasts, found.arms)


def tcs_answer(contrasts: Sequence[dict[str, Any]], arms: Mapping[str, Arm]) -> Answer:
    """Compare the TCS with the raw logs, the same LLM shown either; the other contexts are named beside it."""
    found = [entry for entry in contrasts if entry["family"] == "context" and entry["pairs"]]
    raw = [entry for entry in found if arms[entry["second"]].context == "raw"]
    rules = [entry for entry in contrasts if entry["family"] == "rules" and entry["pairs"]]
    if not raw:
        text = "It takes an LLM that was shown the TCS in one arm and the raw logs in another."
        without = [e for e in contrasts if e["family"] == "random" and e["pairs"] and arms[e["first"]].kind == "rules"]
        if without:
            text += " What fixed rules make of the TCS, without an LLM:"
        return Answer(HELPS, ABSENT, "muted", text, "contrasts", _lines(without))
    word, tone = _decide(raw, "Yes", "No: it hurts", "Unclear")
    others = [entry for entry in found if entry not in raw] + rules
    text = "The same LLM shown the TCS and shown the raw logs" + (", and the TCS against its other rivals." if others else ".")
    return Answer(HELPS, word, tone, text, "contrasts", _lines([*raw, *others]))


def small_llm_answer(gaps: Sequence[dict[str, Any]], reference: str) -> Answer:
    """Summarise the verdicts of the small-LLM arms."""
    small = [entry for entry in gaps if entry["small_llm"]]
    if not small:
        text = f"No small LLM with the TCS ran. The other arms' verdicts, against {reference}, are below."
        return Answer(GOOD_ENOUGH, ABSENT, "muted", text, "verdict")
    verdicts = [entry["verdict"] for entry in small]
    word, tone = verdicts[0], {PASS: "good", FAIL: "bad"}.get(verdicts[0], "warn")
    if len(set(verdicts)) > 1:
        passed = verdicts.count(PASS)
        word, tone = f"{passed} of {len(verdicts)} {PASS}", "warn"
    lines = tuple((f"{e['arm']}: {e['verdict']}", _figures(e["gap"], e)) for e in small)
    return Answer(GOOD_ENOUGH, word, _tone(tone), f"Points of average test score against {reference}.", "verdict", lines)


def start_answer(contrasts: Sequence[dict[str, Any]], arms: Mapping[str, Arm]) -> Answer:
    """Set what the default start gives random search beside what each method adds to random search from that same start."""
    starts = [entry for entry in contrasts if entry["family"] == "start" and entry["pairs"]]
    plain = [entry for entry in starts if arms[entry["first"]].method.endswith("random.Random")]
    if not plain:
        text = "It takes random search with and without the default configuration tried first."
        return Answer(THE_START, ABSENT, "muted", text, "contrasts")
    beyond = [e for e in contrasts if e["family"] == "random" and e["pairs"] and arms[e["first"]].start == "default"]
    subjects = [e for e in beyond if arms[e["first"]].kind == "llm" and arms[e["first"]].context == "tcs"] or beyond
    if not subjects:
        text = "What the start alone gives random search; no other method ran from the same start."
        return Answer(THE_START, "Unclear", "warn", text, "contrasts", _lines(plain[:1]))
    ahead = [e for e in subjects if e["low"] > 0]
    word, tone = _start_word(subjects, ahead, plain[0]["low"] > 0)
    text = "First what the start alone gives random search, then what methods add to random search from that same start."
    return Answer(THE_START, word, tone, text, "contrasts", _lines([plain[0], *_extremes(subjects)]))


def _start_word(subjects: Sequence[dict[str, Any]], ahead: Sequence[dict[str, Any]], start_helps: bool) -> tuple[str, Tone]:
    if len(ahead) == len(subjects):
        return "No, or not only", "good"
    if ahead:
        return f"Not for {listed([e['first'] for e in ahead], 2)}", "warn"
    return ("Nothing beyond it shows", "bad") if start_helps else ("Unclear", "warn")


def _extremes(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all of a few contrasts, else the largest and the smallest."""
    ordered = sorted(entries, key=lambda e: -e["difference"])
    return ordered if len(ordered) <= 3 else [ordered[0], ordered[-1]]


def _decide(entries: Sequence[dict[str, Any]], yes: str, no: str, unclear: str) -> tuple[str, Tone]:
    above, below = sum(e["low"] > 0 for e in entries), sum(e["high"] < 0 for e in entries)
    if above == len(entries):
        return yes, "good"
    if below == len(entries):
        return no, "bad"
    return (f"{yes} for {above} of {len(entries)}" if above else unclear), "warn"


def _lines(entries: Sequence[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((label(entry), _figures(entry["difference"], entry)) for entry in entries)


def _figures(value: float, entry: Mapping[str, Any]) -> str:
    short = f" ({entry['tasks']} of {entry['of_tasks']} tasks)" if entry["tasks"] < entry.get("of_tasks", 0) else ""
    return f"{number(value, 2, sign=True)} {interval(entry['low'], entry['high'])}{short}"


def _tone(word: str) -> Tone:
    return "good" if word == "good" else "bad" if word == "bad" else "warn"
