"""A synthetic effect is found, and none is found where none was synthetic."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report.conftest import GPT, PHI, FindingsOf, in_memory

from harness.report.analysis.frames import rows_by
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Report, Table
from harness.report.render.terminal import to_terminal
from harness.report.render.write import write_report
from harness.report.sections.answers import answers_of
from harness.report.sections.findings import Findings
from harness.report.study_data import CellData, State, StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm
from harness.trial import Outcome, Proposal, Status, Trial

DEFAULT: dict[str, Any] = {"start": "default"}
GPT4 = llm_arm("gpt4", GPT, "raw", 0.0, **DEFAULT)
TASKS = ("a", "b", "c", "d")


def contrast(found: Findings, first: str, second: str, family: str) -> dict[str, Any]:
    return rows_by(found.contrasts, "family", "first", "second")[family, first, second]


def table(report: Report, key: str) -> Table:
    """Return a report's table by its key."""
    return next(item for item in report.items() if isinstance(item, Table) and item.key == key)


def gap(found: Findings, arm: str) -> dict[str, Any]:
    return rows_by(found.noninferiority, "arm")[arm,]


def words(found: Findings) -> list[str]:
    return [answer.word for answer in answers_of(found)]


def test_a_synthetic_point_is_found_and_measured(findings_of: FindingsOf) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", -0.2, **DEFAULT), llm_arm("raw_phi4", PHI, "raw", -1.2, **DEFAULT)]
    found = contrast(findings_of(SyntheticStudy(arms, TASKS, range(10))), "tcs_phi4", "raw_phi4", "context")
    assert found["low"] < 1.0 < found["high"]
    assert found["low"] > 0.5
    assert found["p_holm"] < 0.001
    assert found["pairs"] == 40


def test_no_effect_is_found_where_there_is_none(findings_of: FindingsOf) -> None:
    pairs = [(llm_arm(f"tcs_{n}", f"model{n}", "tcs", 0.0), llm_arm(f"raw_{n}", f"model{n}", "raw", 0.0)) for n in range(20)]
    study = SyntheticStudy([arm for pair in pairs for arm in pair], TASKS[:3], range(5))
    found = findings_of(study, reference="raw_0").contrasts
    context = found[found["family"] == "context"]
    assert len(context) == 20
    excluded = ((context["low"] > 0) | (context["high"] < 0)).sum()
    # 20 intervals of 95 %: more than 4 misses have a chance of about 1 in 400.
    assert excluded <= 4
    # Holm's correction holds the whole family at 5 %.
    assert (context["p_holm"] < 0.05).sum() == 0


def test_the_questions_are_answered_from_the_synthetic_effects(findings_of: FindingsOf) -> None:
    arms = [
        GPT4,
        SyntheticArm("random", -3.0),
        SyntheticArm("random+default", -1.5, **DEFAULT),
        llm_arm("tcs_phi4", PHI, "tcs", -0.1, **DEFAULT),
        llm_arm("raw_phi4", PHI, "raw", -1.6, **DEFAULT),
    ]
    assert words(findings_of(SyntheticStudy(arms, TASKS, range(10)))) == ["Yes", "PASS, few pairs", "No, or not only"]


def test_the_default_start_is_named_when_it_does_the_work(findings_of: FindingsOf) -> None:
    arms = [
        GPT4,
        SyntheticArm("random", -4.0),
        SyntheticArm("random+default", -2.0, **DEFAULT),
        llm_arm("tcs_phi4", PHI, "tcs", -2.2, **DEFAULT),
        llm_arm("raw_phi4", PHI, "raw", -0.2, **DEFAULT),
    ]
    assert words(findings_of(SyntheticStudy(arms, TASKS, range(10)))) == ["No: it hurts", "FAIL", "Nothing beyond it shows"]


def test_questions_whose_arms_did_not_run_stay_open(findings_of: FindingsOf) -> None:
    found = findings_of(SyntheticStudy([SyntheticArm("random"), SyntheticArm("tpe", role="tuner", target="x.Tpe")], TASKS))
    assert words(found) == []
    assert found.reference[0] == "random"
    asked = findings_of(SyntheticStudy([SyntheticArm("random"), llm_arm("gpt4", GPT, "raw")], TASKS))
    assert words(asked) == ["Not in this study"] * 3
    assert answers_of(asked)[0].lines == ()


def test_without_two_contexts_of_an_llm_the_rules_say_what_the_summary_is_worth(findings_of: FindingsOf) -> None:
    arms = [SyntheticArm("random", -4.0), SyntheticArm("rules", role="rules"), GPT4]
    helps = answers_of(findings_of(SyntheticStudy(arms, TASKS, range(5))))[0]
    assert (helps.word, helps.lines[0][0]) == ("Not in this study", "rules − random\u00a0§")
    assert helps.lines[0][1].startswith("+")
    assert "§ rules knows the default configuration, random does not" in helps.text


def test_rules_lead_with_what_compares_like_with_like(findings_of: FindingsOf) -> None:
    rules: dict[str, Any] = {"role": "rules"}
    arms = [SyntheticArm("random", -4.0), SyntheticArm("rules", **rules), SyntheticArm("random+default", **DEFAULT)]
    found = findings_of(SyntheticStudy([*arms, SyntheticArm("rules+default", **rules, **DEFAULT), GPT4], TASKS, range(5)))
    assert [name for name, _ in answers_of(found)[0].lines] == ["rules+default − random+default"]
    shown = table(build_report(found), "contrasts_random")
    assert [row[0].text for row in shown.rows][::2] == ["rules+default − random+default", "rules − random\u00a0§"]
    assert "§ rules knows the default configuration, random does not: compare rules+default with random+default." in shown.notes


def test_what_the_gain_of_the_rules_is_made_of_is_a_question_where_their_variants_ran(findings_of: FindingsOf) -> None:
    rules: dict[str, Any] = {"role": "rules"}
    arms = [
        SyntheticArm("rules", 0.0, **rules, **DEFAULT),
        SyntheticArm("anonymous", 0.0, options={"names": "anonymous"}, **rules, **DEFAULT),
        SyntheticArm("shuffled", -3.0, options={"outcomes": "shuffled"}, **rules, **DEFAULT),
    ]
    answer = answers_of(findings_of(SyntheticStudy(arms, TASKS, range(10))))[-1]
    assert (answer.question, answer.word) == ("What is the gain of the rules made of?", "The outcomes that they read")
    assert [name for name, _ in answer.lines] == ["rules − anonymous", "rules − shuffled"]
    assert answers_of(findings_of(SyntheticStudy(arms[:1], TASKS))) == ()


def test_a_pass_from_few_pairs_says_so_wherever_it_stands(findings_of: FindingsOf) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", 0.5, **DEFAULT)]
    for seeds, word in ((9, "PASS, few pairs"), (25, "PASS")):
        found = findings_of(SyntheticStudy(arms, TASKS, range(seeds), noise=0.2))
        assert gap(found, "tcs_phi4")["verdict"] == "PASS"
        verdict = table(build_report(found), "verdict")
        answer = answers_of(found)[1]
        assert [verdict.rows[0][1].text, verdict.terminal[0].rows[0][1].text, answer.word] == [word] * 3
        for text in (" ".join(verdict.notes), " ".join(verdict.terminal[0].notes), answer.text):
            assert ("a rare collapse may not have been seen" in text) is (seeds < 10)


@pytest.mark.parametrize(("effect", "verdict"), [(0.0, "PASS"), (-3.0, "FAIL"), (-0.9, "INCONCLUSIVE")])
def test_the_verdict_is_the_one_of_the_synthetic_effect(findings_of: FindingsOf, effect: float, verdict: str) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", effect, **DEFAULT)]
    found = gap(findings_of(SyntheticStudy(arms, TASKS, range(10), noise=0.3)), "tcs_phi4")
    assert found["verdict"] == verdict
    assert found["small_llm"]


def test_a_wide_interval_is_inconclusive_and_says_how_many_seeds_it_takes(findings_of: FindingsOf) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", 0.0, **DEFAULT)]
    found = gap(findings_of(SyntheticStudy(arms, TASKS, range(3), noise=4.0)), "tcs_phi4")
    assert found["verdict"] == "INCONCLUSIVE"
    assert 10 < found["seeds_if_equal"] < 2000


def test_one_seed_is_inconclusive_and_still_reported(findings_of: FindingsOf) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", 0.0, **DEFAULT), SyntheticArm("random", -3.0)]
    found = findings_of(SyntheticStudy(arms, TASKS, [0]))
    assert gap(found, "tcs_phi4")["verdict"] == "INCONCLUSIVE"
    assert gap(found, "tcs_phi4")["reason"] == "one seed a task has no spread to judge by"
    assert build_report(found).sections


def test_missing_cells_forbid_a_pass_but_not_a_fail(findings_of: FindingsOf) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", 0.0, **DEFAULT), llm_arm("tcs_qwen", "qwen", "tcs", -5.0, **DEFAULT)]
    found = findings_of(SyntheticStudy(arms, TASKS, range(10)), leave_out=[("tcs_phi4", "b", 3), ("tcs_qwen", "b", 3)])
    assert gap(found, "tcs_phi4")["verdict"] == "INCONCLUSIVE"
    assert gap(found, "tcs_phi4")["reason"] == "1 of 40 pairs have no score, and a PASS needs them all"
    assert gap(found, "tcs_qwen")["verdict"] == "FAIL"


def test_a_task_without_a_pair_leaves_no_gap_and_no_average(findings_of: FindingsOf) -> None:
    arms = [GPT4, llm_arm("tcs_phi4", PHI, "tcs", 0.0, **DEFAULT)]
    gone = [("tcs_phi4", "b", seed) for seed in range(5)]
    found = findings_of(SyntheticStudy(arms, TASKS, range(5)), leave_out=gone)
    assert math.isnan(gap(found, "tcs_phi4")["gap"])
    assert gap(found, "tcs_phi4")["reason"] == "1 of 4 tasks have no pair"
    assert math.isnan(rows_by(found.test.averages, "arm")["tcs_phi4",]["mean"])


def all_failed(study: StudyData, arm: str) -> StudyData:
    """Return the study with every trial of one arm failed."""

    def changed(cell: CellData) -> CellData:
        failed = Outcome.failed(Status.CRASHED, "out of memory", (), 0.1)
        trials = tuple(Trial(t.number, Proposal(t.config), failed) for t in cell.trials)
        return replace(cell, trials=trials)

    return replace(study, cells=tuple(changed(cell) if cell.arm == arm else cell for cell in study.cells))


def test_an_arm_without_any_success_is_shown_as_such_everywhere() -> None:
    arms = [GPT4, SyntheticArm("random", -1.0), SyntheticArm("broken", role="tuner", target="x.Broken")]
    study = all_failed(in_memory(SyntheticStudy(arms, TASKS, range(3))), "broken")
    found = find(study, Options(resamples=500))
    assert gap(found, "broken")["verdict"] == "INCONCLUSIVE"
    entry = rows_by(found.test.scores, "arm", "task")["broken", "a"]
    assert (entry["done"], entry["scored"]) == (3, 0)
    report = build_report(found)
    main = table(report, "scores")
    (row,) = [row for row in main.rows if row[0].text == "broken"]
    assert [text.text for text in row[1:6]] == ["no score"] * 4 + ["–"]


def test_identical_arms_tie_exactly() -> None:
    study = in_memory(SyntheticStudy([SyntheticArm("random", -1.0)], TASKS, range(5)))
    twins = [replace(cell, arm="twin", manifest={**cell.manifest, "arm": "twin"}) for cell in study.cells]
    found = find(replace(study, cells=(*study.cells, *twins)), Options(reference="random", resamples=500))
    entry = gap(found, "twin")
    assert (entry["gap"], entry["verdict"]) == (0.0, "INCONCLUSIVE")
    assert entry["reason"] == "all 20 pairs tie, which leaves no spread to judge by"
    assert math.isnan(entry["low"])
    assert math.isnan(entry["seeds_if_equal"])
    report = build_report(found)
    main = table(report, "scores")
    assert all(text.strong for row in main.rows for text in row[1:6])


def test_states_other_than_done_never_enter_a_table() -> None:
    study = in_memory(
        SyntheticStudy([SyntheticArm("random"), SyntheticArm("tpe", 5.0, role="tuner", target="x.Tpe")], TASKS, range(4))
    )
    states = [State.FAILED, State.BLOCKED, State.UNFINISHED, State.UNREADABLE]
    cells = [replace(c, state=states[c.seed], reason="because") if c.arm == "tpe" else c for c in study.cells]
    found = find(replace(study, cells=tuple(cells)), Options(resamples=500))
    assert rows_by(found.test.scores, "arm", "task")["tpe", "a"]["done"] == 0
    assert "tpe" not in set(found.noninferiority["arm"]) | set(found.contrasts["first"]) | set(found.test.order)
    assert table(build_report(found), "scores").notes[-1] == "Not in the table, since no cell of theirs is done: tpe."
    lead = build_report(found).lead
    assert lead
    assert lead.text.startswith(
        "Only random has a finished cell, so there is nothing to compare it with. 1 planned arm waits for what"
    )


@pytest.mark.parametrize("keep", [(), (("random", "a", 0),)], ids=["nothing is done", "one cell is done"])
def test_a_study_that_has_hardly_begun_is_reported(keep: tuple[tuple[str, str, int], ...], tmp_path: Path) -> None:
    synthetic = SyntheticStudy([SyntheticArm("random"), SyntheticArm("random+default", **DEFAULT), GPT4], TASKS, range(3))
    every = [(arm.name, task, seed) for arm in synthetic.arms for task in TASKS for seed in range(3)]
    found = find(in_memory(synthetic, [key for key in every if key not in keep]), Options(resamples=200))
    report = build_report(found)
    write_report(report, tmp_path)
    assert f"{len(keep)} of 36 planned cells are done" in to_terminal(report, ("scores", "verdict", "coverage"))
    assert {answer.word for answer in report.answers} <= {"Not in this study"}
