"""What the page says of the published system: answers with known effects, and which values the LLM chose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from report.conftest import FindingsOf, in_memory

from harness.report.analysis.arms import arms_of
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Answer, Report, Table
from harness.report.sections.published import audit
from harness.report.sections.published.audit import audit_answers
from harness.report.sections.published.chosen import chosen_frame, own_share, written_table
from harness.report.study_data import StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm
from harness.trial import Proposal

RELEASED = {
    "after_rules": "on",
    "previous": "itself",
    "curve": "whole",
    "target": "shown",
    "overfitting": "as_named",
    "options": "hidden",
    "repair": "silent",
    "score": "last",
    "window": "full",
}
QWEN = "qwen2.5-coder:32b"


def released(effect: float, **changed: str) -> SyntheticArm:
    name = "".join(f"[{key}={value}]" for key, value in changed.items())
    options = {"switches": {**RELEASED, **changed}}
    return llm_arm(f"published_qwen{name}", QWEN, "published", effect, target=audit.METHOD, options=options, failure_rate=0.0)


def alone(effect: float) -> SyntheticArm:
    switches = {"after_rules": "alone", "overfitting": "as_named", "score": "last"}
    return SyntheticArm(
        "published[after_rules=alone]", effect, role="tuner", target=audit.METHOD, options={"switches": switches}, failure_rate=0.0
    )


CONTROLS = [
    SyntheticArm("random+default", -1.0, start="default", failure_rate=0.0),
    SyntheticArm("default_only", -6.0, role="default", start="default", failure_rate=0.0),
]
SEEDS = range(12)


def answers(findings_of: FindingsOf, *arms: SyntheticArm, seeds: range = SEEDS) -> dict[str, Answer]:
    found = findings_of(SyntheticStudy([*arms, *CONTROLS], tasks=("vision", "text"), seeds=seeds))
    return {answer.question: answer for answer in audit_answers(found)}


def test_each_question_is_answered_by_the_effect_that_was_put_in(findings_of: FindingsOf) -> None:
    said = answers(
        findings_of,
        released(0.0),
        alone(-6.0),
        released(-5.0, target="hidden"),
        released(5.0, curve="none"),
        released(5.0, curve="thinned"),
        released(-6.0, previous="real"),
    )
    assert {question: answer.word for question, answer in said.items()} == {
        audit.RULES_ALONE: "No: the LLM adds to them",
        audit.COMPARISON: "Yes: it harms",
        audit.DICTIONARY: "It harms",
        audit.LEAK: "Yes: it helps",
    }
    text = said[audit.LEAK].text
    assert text.startswith("The fixed target is hidden, where in the released system the fixed target is shown: −")
    assert "with an interval of" in text
    assert "over 24 pairs" in text
    assert ("published_qwen − published[after_rules=alone]", said[audit.RULES_ALONE].lines[0][1]) in said[audit.RULES_ALONE].lines


def test_effects_the_other_way_have_the_other_words(findings_of: FindingsOf) -> None:
    said = answers(
        findings_of,
        released(0.0),
        alone(6.0),
        released(5.0, target="hidden"),
        released(-5.0, curve="none"),
        released(6.0, previous="real"),
    )
    assert [answer.word for answer in said.values()] == [
        "They do better without the LLM",
        "Yes: it helps",
        "It helps",
        "No: it harms",
    ]


def test_the_rules_alone_are_told_where_no_llm_ran(findings_of: FindingsOf) -> None:
    said = answers(findings_of, alone(3.0))
    assert said[audit.RULES_ALONE].word == "Only they ran"
    assert "against random search from the default: +" in said[audit.RULES_ALONE].text
    assert {said[question].word for question in (audit.COMPARISON, audit.DICTIONARY, audit.LEAK)} == {"Not in this study"}
    assert "published.previous=real" in said[audit.COMPARISON].text


def test_a_verdict_from_too_few_seeds_is_withheld(findings_of: FindingsOf) -> None:
    said = answers(findings_of, released(0.0), alone(-6.0), released(-5.0, target="hidden"), seeds=range(3))
    assert said[audit.LEAK].word == "Withheld"
    assert "3 seeds on a task, and a verdict takes 5" in said[audit.LEAK].text


def test_a_study_without_the_system_says_nothing_of_it(findings_of: FindingsOf) -> None:
    found = findings_of(SyntheticStudy(CONTROLS, tasks=("vision",), seeds=range(2)))
    assert audit_answers(found) == ()
    assert "published" not in [section.key for section in build_report(found).sections]


FATES: list[tuple[str, list[dict[str, Any]]]] = [
    ("llm", [{"wrote": "0.1", "trained": 0.1, "fate": "chosen"}, {"wrote": "3", "trained": 3, "fate": "chosen"}]),
    (
        "llm-repaired",
        [{"wrote": "9", "steps": ["clamped"], "trained": 1.0, "fate": "repaired"}, {"trained": 3, "fate": "defaulted"}],
    ),
    ("llm-adjusted", [{"wrote": "0.1", "rule": "stagnant: x 1.2", "trained": 0.12, "fate": "adjusted"}]),
    ("default", [{"trained": 0.5, "fate": "defaulted"}]),
]


@pytest.fixture
def noted() -> StudyData:
    """A cell of four trials, in each of which something else became of the values."""
    data = in_memory(SyntheticStudy([released(0.0)], tasks=("vision",), seeds=range(1), budget=4))
    (cell,) = data.cells
    trials = []
    for trial, (source, values) in zip(cell.trials, FATES, strict=True):
        note = {"values": {f"h{place}": value for place, value in enumerate(values)}, "replies": [{"call": 1, "role": "generator"}]}
        trials.append(replace(trial, proposal=Proposal(trial.config, source, note)))
    return replace(data, cells=(replace(cell, trials=tuple(trials)),))


def tables(report: Report) -> dict[str, Table]:
    return {item.key: item for item in report.items() if isinstance(item, Table)}


def test_the_shares_of_configurations_and_of_values_that_the_llm_chose(noted: StudyData) -> None:
    frame = chosen_frame(noted, arms_of(noted))
    assert frame.iloc[0][["configs", "values"]].tolist() == [4, 6]
    assert frame.iloc[0][["configs_chosen", "configs_repaired", "configs_defaulted", "configs_adjusted"]].tolist() == [1, 1, 1, 1]
    assert frame.iloc[0][["values_chosen", "values_repaired", "values_defaulted", "values_adjusted"]].tolist() == [2, 1, 2, 1]
    assert own_share(frame, "published_qwen") == pytest.approx(1 / 3)
    assert own_share(frame, "other") is None


def test_the_funnel_and_the_trace_show_what_was_written_beside_what_was_trained(noted: StudyData) -> None:
    found = tables(build_report(find(noted, Options(resamples=200))))
    shares = [text.text for text in found["chosen"].rows[0][1:]]
    assert shares == ["4", "25 %", "25 %", "25 %", "25 %", "6", "33 %", "17 %", "33 %", "17 %"]
    heads = [column.title for column in found["provenance"].columns]
    assert heads[5:8] == ["LLM, asked again", "LLM, repaired", "LLM, changed by rules"]
    written = written_table(noted.cells[0], 1)
    assert written is not None
    rows = [[text.text for text in row] for row in found["cell_1_values"].rows]
    assert rows == [[text.text for text in row] for row in written.rows]
    assert rows[2] == ["2", "h0", "9", "clamped", "1.0"]
    assert rows[4] == ["3", "h0", "0.1", "rule, stagnant: x 1.2", "0.12"]


def test_an_arm_whose_llm_chose_little_gets_no_verdict(noted: StudyData) -> None:
    controls = in_memory(SyntheticStudy([alone(0.0)], tasks=("vision",), seeds=range(1), budget=4))
    both = replace(noted, cells=(*noted.cells, *controls.cells))
    (answer, *_) = audit_answers(find(both, Options(resamples=200)))
    assert answer.word == "Withheld"
    assert "the LLM of published_qwen chose 33 % of its values" in answer.text
