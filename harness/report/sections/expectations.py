"""Checks a study against a file of expectations: `--check FILE.yaml`. The exit status is 1 when one is not met.

The file holds a list. This example shows every kind of expectation:

    expectations:
    - name: every planned cell is done
      coverage: {at_least: 1.0}  # share of planned cells; arm and task narrow it down, `of: ready` leaves blocked ones out
    - name: tuning pays
      # in points, or the unit of the task's metric, above 0 where arm is better; its interval's lower end: low_at_least
      gap: {arm: random, over: default_only, task: digits, at_least: 2.0}
    - name: the default alone is in its known place
      score: {arm: default_only, task: digits, at_least: 60, at_most: 80}  # mean test score, in its unit; without a task: the average
    - name: the small LLM is not shown to be worse
      verdict: {arm: tcs_phi4, is: [PASS, INCONCLUSIVE]}  # task: one of a study whose tasks may not be averaged
      if_present: true  # skipped when no cell of the arm is done
    - name: no pollution
      fallback: {arm: tcs_phi4, at_most: 0.1}  # share of the proposals
    - name: hidden random search is marked
      all_startup: {arm: tpe_startup10, is: true}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from harness.errors import SettingsError, near
from harness.report.analysis.frames import rows_by
from harness.report.analysis.intervals import seed_interval
from harness.report.analysis.objectives import margin_of
from harness.report.analysis.pairs import sentences
from harness.report.render.document import Column, Section, Table, Text, Tone, interval, number, row
from harness.report.render.units import difference_digits, refused, unit_of
from harness.report.sections.findings import Findings
from harness.report.sections.noninferiority import noninferiority_frame
from harness.report.study_data import State
from harness.trial import Objective

MET, NOT_MET, SKIPPED = "met", "NOT MET", "skipped"
TONES: dict[str, Tone] = {MET: "good", NOT_MET: "bad", SKIPPED: "muted"}
KEYS = {
    "coverage": {"arm", "task", "of", "at_least", "at_most"},
    "gap": {"arm", "over", "task", "at_least", "at_most", "low_at_least", "high_at_most"},
    "score": {"arm", "task", "at_least", "at_most"},
    "verdict": {"arm", "task", "is"},
    "fallback": {"arm", "at_least", "at_most"},
    "all_startup": {"arm", "is"},
}


@dataclass(frozen=True)
class Expectation:
    """One thing that a study is expected to show; `kind` is a key of KEYS, `terms` its mapping."""

    name: str
    kind: str
    terms: Mapping[str, Any]
    if_present: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of an expectation: `word` is met, NOT MET or skipped; `found` says what the study shows."""

    name: str
    word: str
    found: str


def read_expectations(path: Path) -> list[Expectation]:
    """Read an expectation file. Raises SettingsError, which names the entry that cannot be read."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--check {path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"--check {path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(data, Mapping) or not isinstance(data.get("expectations"), list) or not data["expectations"]:
        raise SettingsError(f"--check {path}: holds no list under 'expectations'")
    return [_read(entry, f"--check {path}, expectation {place}") for place, entry in enumerate(data["expectations"], start=1)]


def _read(entry: Any, where: str) -> Expectation:
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{where}: must be a mapping")
    kinds = [key for key in entry if key not in ("name", "if_present")]
    if len(kinds) != 1 or kinds[0] not in KEYS:
        unknown = next((str(key) for key in kinds if key not in KEYS), "")
        raise SettingsError(f"{where}: must have exactly one of {', '.join(KEYS)}{near(unknown, KEYS) if unknown else ''}")
    kind, terms = kinds[0], entry[kinds[0]]
    if not isinstance(terms, Mapping):
        raise SettingsError(f"{where}: {kind} must be a mapping")
    for key in terms:
        if key not in KEYS[kind]:
            raise SettingsError(f"{where}: {kind} has no '{key}'{near(str(key), KEYS[kind])}")
    bounds = [key for key in terms if key not in ("arm", "over", "task", "of")]
    if terms.get("of", "planned") not in ("planned", "ready"):
        raise SettingsError(f"{where}: coverage.of must be planned or ready, not {terms['of']!r}")
    if not bounds or (kind != "coverage" and "arm" not in terms) or (kind == "gap" and "over" not in terms):
        raise SettingsError(f"{where}: {kind} needs {'an arm, ' if kind != 'coverage' else ''}something to hold it to")
    for key in bounds:
        if key != "is" and (isinstance(terms[key], bool) or not isinstance(terms[key], int | float)):
            raise SettingsError(f"{where}: {kind}.{key} must be a number")
    return Expectation(str(entry.get("name", f"{kind} {dict(terms)}")), kind, terms, bool(entry.get("if_present", False)))


def check(findings: Findings, expectations: Sequence[Expectation]) -> list[Outcome]:
    """Check every expectation by itself."""
    return [_check(findings, expectation) for expectation in expectations]


def _check(findings: Findings, expectation: Expectation) -> Outcome:
    terms = expectation.terms
    absent = [terms[key] for key in ("arm", "over") if key in terms and not _ran(findings, terms[key])]
    if absent and expectation.if_present:
        return Outcome(expectation.name, SKIPPED, f"no cell of {absent[0]} is done")
    if absent and expectation.kind != "coverage":
        return Outcome(expectation.name, NOT_MET, f"no cell of {absent[0]} is done")
    met, found = {
        "coverage": _coverage,
        "gap": _gap,
        "score": _score,
        "verdict": _verdict,
        "fallback": _fallback,
        "all_startup": _all_startup,
    }[expectation.kind](findings, terms)
    return Outcome(expectation.name, MET if met else NOT_MET, found)


def _ran(findings: Findings, arm: Any) -> bool:
    return bool((findings.frames.done["arm"] == arm).any())


def _within(value: float, terms: Mapping[str, Any], low: str = "at_least", high: str = "at_most") -> bool:
    return not math.isnan(value) and terms.get(low, -math.inf) <= value <= terms.get(high, math.inf)


def _coverage(findings: Findings, terms: Mapping[str, Any]) -> tuple[bool, str]:
    cells = findings.frames.cells
    for key in ("arm", "task"):
        if key in terms:
            cells = cells[cells[key] == terms[key]]
    if terms.get("of") == "ready":
        cells = cells[cells["state"] != State.BLOCKED.value]
    done = int((cells["state"] == State.DONE.value).sum())
    return len(cells) > 0 and _within(done / len(cells), terms), f"{done} of {len(cells)} cells are done"


def _score(findings: Findings, terms: Mapping[str, Any]) -> tuple[bool, str]:
    objective = _objective(findings, terms)
    if objective is None:
        return False, _no_whole(findings, "average")
    if "task" in terms:
        value = rows_by(findings.test.natural_scores, "arm", "task").get((terms["arm"], terms["task"]), {}).get("mean", math.nan)
    else:
        value = rows_by(findings.test.natural_averages, "arm")[terms["arm"],]["mean"]
    return _within(value, terms), f"{number(value, difference_digits(objective))} {unit_of(objective)}{_validation(objective)}"


def _objective(findings: Findings, terms: Mapping[str, Any]) -> Objective | None:
    """Return what the scores are that an expectation is about; None for all tasks where these may not be averaged."""
    return findings.objectives[terms["task"]] if "task" in terms else findings.objectives.shared


def _validation(objective: Objective) -> str:
    return "" if objective.test else " (of validation: there is no test score)"


def _no_whole(findings: Findings, what: str) -> str:
    return f"{refused(findings.objectives, f'no {what} over all of them').removesuffix('.')}; name one with task:"


def _gap(findings: Findings, terms: Mapping[str, Any]) -> tuple[bool, str]:
    objective = _objective(findings, terms)
    if objective is None:
        return False, _no_whole(findings, "gap")
    pairs = findings.index.pairs(terms["arm"], terms["over"])
    if why := sentences(pairs, findings.withheld):
        return False, why
    strata = pairs.strata if pairs.all_tasks else []
    if "task" in terms:
        strata = [values for task, values in pairs.differences.items() if task == terms["task"] and len(values)]
    estimate = seed_interval(strata, findings.how)
    met = _within(estimate.value, terms)
    if "low_at_least" in terms or "high_at_most" in terms:
        ends = not math.isnan(estimate.low)
        met = (
            met
            and ends
            and estimate.low >= terms.get("low_at_least", -math.inf)
            and estimate.high <= terms.get("high_at_most", math.inf)
        )
    digits = difference_digits(objective)
    ends_text = f"no interval: {estimate.why}" if estimate.why else interval(estimate.low, estimate.high, digits)
    unit = "" if objective.is_percentage else f" {unit_of(objective)}"
    return met, f"{number(estimate.value, digits, sign=True)} {ends_text}{unit}{_validation(objective)}"


def _verdict(findings: Findings, terms: Mapping[str, Any]) -> tuple[bool, str]:
    objective = _objective(findings, terms)
    if objective is None:
        return False, _no_whole(findings, "verdict")
    if terms.get("task", findings.study.tasks[0]) not in findings.study.tasks:
        return False, f"the study has no task {terms['task']}"
    gaps = _verdicts_on(findings, terms["task"]) if "task" in terms else findings.noninferiority
    entry = rows_by(gaps, "arm").get((terms["arm"],))
    if entry is None:
        return False, "is the reference arm"
    allowed = terms["is"] if isinstance(terms["is"], list) else [terms["is"]]
    return entry["verdict"] in allowed, f"{entry['verdict']} ({entry['reason']})"


def _verdicts_on(findings: Findings, task: str) -> pd.DataFrame:
    """Return gaps and verdicts on one task, with its own margin."""
    ran = {name: arm for name, arm in findings.arms.items() if _ran(findings, name)}
    against = findings.arms[findings.reference[0]], margin_of(findings.objectives[task], findings.options)
    return noninferiority_frame(findings.index.only([task]), ran, against, findings.withheld, findings.options)


def _fallback(findings: Findings, terms: Mapping[str, Any]) -> tuple[bool, str]:
    cells = findings.funnel[findings.funnel["arm"] == terms["arm"]]
    asked = int(cells["asked"].sum())
    part = int(cells["fallback"].sum()) / asked if asked else 0.0
    return _within(part, terms), f"{100 * part:.1f} % of {asked} proposals"


def _all_startup(findings: Findings, terms: Mapping[str, Any]) -> tuple[bool, str]:
    marked = findings.arms[terms["arm"]].all_startup
    return marked is bool(terms["is"]), f"{'the whole budget is' if marked else 'not all of the budget is'} start-up"


def check_section(outcomes: Sequence[Outcome]) -> Section:
    """Build the table of expectations."""
    heads = tuple(Column(name, numeric=False) for name in ("expectation", "outcome", "found"))
    rows = tuple(row(o.name, Text(o.word, strong=o.word == NOT_MET, tone=TONES[o.word]), o.found) for o in outcomes)
    data = pd.DataFrame([vars(o) for o in outcomes], columns=["name", "word", "found"])
    table = Table("expectations", check_sentence(outcomes), heads, rows, data)
    return Section("expectations", "Expectations: what this study had to show", (table,))


def check_sentence(outcomes: Sequence[Outcome]) -> str:
    """Say how many expectations are met."""
    counts = {word: sum(o.word == word for o in outcomes) for word in TONES}
    skipped = f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else ""
    verdict = "FAIL" if counts[NOT_MET] else "PASS"
    return f"{verdict}: {counts[MET]} of {len(outcomes) - counts[SKIPPED]} expectations met{skipped}"
