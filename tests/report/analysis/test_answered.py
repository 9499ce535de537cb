"""The records say who answered, and an arm that another model answered is marked in every table."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from report.conftest import GPT, PHI, in_memory

from harness.report.analysis.answered import answered, billions, same_model
from harness.report.analysis.arms import arms_of
from harness.report.analysis.frames import rows_by
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Report, Table
from harness.report.render.terminal import to_terminal
from harness.report.sections.answers import answers_of
from harness.report.sections.findings import Findings
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm
from harness.trial import Proposal

OTHER: dict[str, Any] = {"model": "llama3:70b", "digest": "sha256:0123456789abcdef", "server": "0.32.15"}
DOUBLE: dict[str, Any] = {"server": "0.32.15-double"}


def found(*arms: SyntheticArm, **options: Any) -> Findings:
    return find(
        in_memory(SyntheticStudy([*arms, llm_arm("gpt4", GPT, "raw")], ("a", "b"), range(3))), Options(resamples=200, **options)
    )


def texts(report: Report, key: str) -> tuple[set[str], str]:
    """Return the names in a table's first column, and its notes."""
    (table,) = [item for item in report.items() if isinstance(item, Table) and item.key == key]
    return {row[0].text for row in table.rows}, " ".join(table.notes)


TABLES = ("scores", "validation", "coverage", "verdict", "funnel", "provenance")


def test_a_model_that_was_not_asked_is_named_beside_every_row_that_it_made() -> None:
    report = build_report(found(llm_arm("tcs_phi4", PHI, "tcs", facts=OTHER), failure_free()))
    for key in TABLES:
        names, notes = texts(report, key)
        assert "tcs_phi4\u00a0¶" in names, key
        assert "¶ tcs_phi4: answered by llama3:70b (0123456789ab), asked was phi4-reasoning:14b" in notes, key


def test_a_test_double_is_named_beside_every_row_that_it_made() -> None:
    report = build_report(found(llm_arm("tcs_phi4", PHI, "tcs", facts=DOUBLE), failure_free()))
    for key in TABLES:
        names, notes = texts(report, key)
        assert "tcs_phi4\u00a0(test double)" in names, key
        assert "the answers of tcs_phi4 came from a test double" in notes, key


def failure_free() -> SyntheticArm:
    return SyntheticArm("random", failure_rate=0.0)


def test_contrasts_answers_and_the_terminal_carry_the_marks_too() -> None:
    study = found(llm_arm("tcs_phi4", PHI, "tcs", facts=DOUBLE), llm_arm("raw_phi4", PHI, "raw", fallback_rate=0.3))
    report = build_report(study)
    names, notes = texts(report, "contrasts_context")
    assert names == {"tcs_phi4\u00a0(test double) − raw_phi4\u00a0‡"}
    assert "test double" in notes
    assert "stood in for the LLM" in notes
    helps, small, *_ = answers_of(study)
    assert "(test double)" in helps.lines[0][0] + small.lines[0][0]
    assert "came from a test double" in small.text
    assert "(test double)" in to_terminal(report, ("scores",))


def test_the_model_that_was_asked_leaves_no_mark_however_its_name_is_written() -> None:
    assert same_model("Qwen2.5:7B", "qwen2.5:7b")
    assert same_model("phi4", "phi4:latest")
    assert not same_model("phi4", "phi4-mini")
    study = found(llm_arm("tcs_phi4", PHI, "tcs", facts={"model": PHI.upper(), "server": "0.32.15"}))
    names, notes = texts(build_report(study), "scores")
    assert "tcs_phi4" in names
    assert notes.count("answered by") == 0


@pytest.mark.parametrize("facts", [None, 5, [], {}, {"model": None, "server": None}, {"model": 5, "digest": [], "parameters": {}}])
def test_what_no_server_said_is_unknown_and_no_error(facts: Any) -> None:
    study = in_memory(SyntheticStudy([llm_arm("tcs", PHI, "tcs")], ("a",), (0,)))
    (cell,) = study.cells
    trials = tuple(replace(t, proposal=Proposal(t.config, "llm", {"model": facts})) for t in cell.trials)
    who = answered([replace(cell, trials=trials)], PHI)
    assert not who.double
    assert math.isnan(who.billions)
    assert set(who.others) <= {"5", "5 ([])"}


@pytest.mark.parametrize("key", ["server", "server_version", "fingerprint"])
def test_a_double_may_name_itself_in_whatever_its_server_tells_of_itself(key: str) -> None:
    assert arms_of(in_memory(SyntheticStudy([llm_arm("t", PHI, "tcs", facts={key: "Harness-Double"})], ("a",), (0,))))[
        "t"
    ].answered.double


# What is small


def with_small(small: Any, arm: SyntheticArm) -> bool:
    study = in_memory(SyntheticStudy([arm], ("a",), (0,)))
    (cell,) = study.cells
    settings = {**cell.settings, "llm": {"small": small}}
    return arms_of(replace(study, cells=(replace(cell, manifest={**cell.manifest, "settings": settings}),)))[arm.name].small_llm


def test_what_counts_as_a_small_llm_is_said_by_the_settings_and_not_by_a_name() -> None:
    assert arms_of(in_memory(SyntheticStudy([llm_arm("t", PHI, "tcs")], ("a",), (0,))))["t"].small_llm
    for model in ("gpt-6", "gpt-4o", "gpt-oss-of-2031"):
        assert not arms_of(in_memory(SyntheticStudy([llm_arm("t", model, "tcs")], ("a",), (0,))))["t"].small_llm
    assert with_small(True, llm_arm("t", "gpt-6", "tcs"))
    assert not with_small(False, llm_arm("t", PHI, "tcs"))
    assert with_small("perhaps", llm_arm("t", PHI, "tcs"))
    assert not with_small(True, SyntheticArm("random"))


def test_a_large_model_or_one_in_a_cloud_is_not_small_for_being_asked_through_ollama() -> None:
    arms = [llm_arm("large", "llama3:405b", "tcs", facts={"parameters": "405.9B"}), llm_arm("cloud", "kimi:1t-cloud", "tcs")]
    arms += [llm_arm("fits", "qwen2.5-coder:32b", "tcs", facts={"parameters": "32.8B"})]
    described = arms_of(in_memory(SyntheticStudy(arms, ("a",), (0,))))
    assert {name: arm.small_llm for name, arm in described.items()} == {"large": False, "cloud": False, "fits": True}


def test_a_reader_may_say_that_a_model_behind_another_server_is_small() -> None:
    arm = llm_arm("t", "gpt-tiny", "tcs")
    for options, small in (({}, False), ({"small_models": ("GPT-tiny",)}, True)):
        assert rows_by(found(arm, **options).noninferiority, "arm")["t",]["small_llm"] is small


def test_sizes_are_read_as_servers_write_them() -> None:
    assert [billions(size) for size in ("14.7B", "494.03M", "1.1 T")] == [14.7, pytest.approx(0.49403), 1100.0]
    assert all(math.isnan(billions(size)) for size in (None, "", "7", "x7B", "1.2.3B"))
