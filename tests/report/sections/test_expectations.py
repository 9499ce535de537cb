"""Expectations are held against what a study shows, and a file that makes no sense is one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from report.conftest import arms, in_memory

from harness.errors import SettingsError
from harness.report.analysis.options import Options
from harness.report.compute import find
from harness.report.sections.expectations import MET, NOT_MET, SKIPPED, check, check_section, check_sentence, read_expectations
from harness.report.sections.findings import Findings
from harness.report.study_data import State
from harness.testing.synthetic_study import SyntheticStudy


@pytest.fixture(scope="module")
def findings() -> Findings:
    return find(in_memory(SyntheticStudy(arms(), ("a", "b"), range(6))), Options(resamples=500))


def outcome(findings: Findings, tmp_path: Path, **entry: Any) -> str:
    path = tmp_path / "expected.yaml"
    path.write_text(yaml.safe_dump({"expectations": [{"name": "it", **entry}]}))
    (found,) = check(findings, read_expectations(path))
    return found.word


CASES: list[tuple[dict[str, Any], str]] = [
    ({"coverage": {"at_least": 1.0}}, MET),
    ({"coverage": {"at_least": 1.0, "arm": "gpt4"}}, MET),
    ({"coverage": {"at_least": 1.0, "task": "no such task"}}, NOT_MET),
    ({"gap": {"arm": "random", "over": "default_only", "at_least": 3.0}}, MET),
    ({"gap": {"arm": "random", "over": "default_only", "low_at_least": 3.0}}, MET),
    ({"gap": {"arm": "random", "over": "default_only", "at_least": 3.0, "task": "b"}}, MET),
    ({"gap": {"arm": "random", "over": "default_only", "at_most": 1.0}}, NOT_MET),
    ({"gap": {"arm": "default_only", "over": "random", "high_at_most": 0.0}}, MET),
    ({"gap": {"arm": "tcs_phi4", "over": "gpt4", "low_at_least": 0.0}}, NOT_MET),
    ({"score": {"arm": "default_only", "at_least": 50, "at_most": 70}}, MET),
    ({"score": {"arm": "default_only", "task": "a", "at_least": 99}}, NOT_MET),
    ({"score": {"arm": "default_only", "task": "nowhere", "at_least": 0}}, NOT_MET),
    ({"verdict": {"arm": "default_only", "is": "FAIL"}}, MET),
    ({"verdict": {"arm": "default_only", "is": ["PASS", "INCONCLUSIVE"]}}, NOT_MET),
    ({"verdict": {"arm": "gpt4", "is": "PASS"}}, NOT_MET),
    ({"fallback": {"arm": "raw_phi4", "at_least": 0.1}}, MET),
    ({"fallback": {"arm": "raw_phi4", "at_most": 0.1}}, NOT_MET),
    ({"all_startup": {"arm": "tpe_startup10", "is": True}}, MET),
    ({"all_startup": {"arm": "random", "is": True}}, NOT_MET),
    ({"score": {"arm": "absent", "at_least": 0}}, NOT_MET),
    ({"score": {"arm": "absent", "at_least": 0}, "if_present": True}, SKIPPED),
    ({"gap": {"arm": "random", "over": "absent", "at_least": 0}, "if_present": True}, SKIPPED),
]


@pytest.mark.parametrize(("entry", "word"), CASES, ids=[str(entry) for entry, _ in CASES])
def test_an_expectation_is_met_or_not(findings: Findings, tmp_path: Path, entry: dict[str, Any], word: str) -> None:
    assert outcome(findings, tmp_path, **entry) == word


BAD = [
    ("", "holds no list under 'expectations'"),
    ("expectations: []", "holds no list under 'expectations'"),
    ("expectations: [3]", "expectation 1: must be a mapping"),
    ("expectations: [{name: x}]", "must have exactly one of coverage, gap"),
    ("expectations: [{gpa: {}}]", "did you mean 'gap'?"),
    ("expectations: [{gap: 3}]", "gap must be a mapping"),
    ("expectations: [{gap: {arm: a, over: b, atleast: 3}}]", "gap has no 'atleast'; did you mean 'at_least'?"),
    ("expectations: [{gap: {arm: a, at_least: 3}}]", "gap needs an arm, something to hold it to"),
    ("expectations: [{coverage: {of: all, at_least: 1}}]", "coverage.of must be planned or ready, not 'all'"),
    ("expectations: [{score: {arm: a}}]", "score needs an arm, something to hold it to"),
    ("expectations: [{score: {arm: a, at_least: high}}]", "score.at_least must be a number"),
    ("expectations: [{score: {arm: a, at_least: 3}, gap: {arm: a, over: b, at_least: 1}}]", "must have exactly one of"),
    ("a: [", "not YAML"),
    ("\x00", "not YAML"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_file_that_makes_no_sense_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "expected.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_expectations(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_expectations(tmp_path / "none.yaml")


def test_blocked_cells_may_be_left_out_of_the_coverage(tmp_path: Path) -> None:
    study = in_memory(SyntheticStudy(arms()[:2], ("a",), range(2)))
    blocked = replace(study, cells=(replace(study.cells[0], state=State.BLOCKED), *study.cells[1:]))
    found = find(blocked, Options(resamples=200))
    assert outcome(found, tmp_path, coverage={"at_least": 1.0}) == NOT_MET
    assert outcome(found, tmp_path, coverage={"at_least": 1.0, "of": "ready"}) == MET


def test_the_sentence_counts_what_was_met(findings: Findings, tmp_path: Path) -> None:
    path = tmp_path / "expected.yaml"
    path.write_text(yaml.safe_dump({"expectations": [entry for entry, _ in CASES]}))
    outcomes = check(findings, read_expectations(path))
    met, skipped = sum(word == MET for _, word in CASES), sum(word == SKIPPED for _, word in CASES)
    assert check_sentence(outcomes) == f"FAIL: {met} of {len(CASES) - skipped} expectations met, {skipped} skipped"
    assert check_sentence(outcomes[:2]) == "PASS: 2 of 2 expectations met"
    assert len(check_section(outcomes).items) == 1
