"""The lead says what the intervals carry and no more: exact sentences about studies whose every score is written down here.

Where there is an interval, it is Student's t by hand: there are too few seeds for the bootstrap. A method's score less random search's is
its effect and the spread of the seed. Four tasks of four seeds, -0.3, -0.1, 0.1 and 0.3: the variance is 0.2 / 3, the standard error
sqrt(0.2 / 3 / 16) = 0.06455, and half an interval t(12) = 2.1788 times that, 0.14. One task of seven seeds, from -0.3 to 0.3 in steps
of 0.1: sqrt(0.28 / 6 / 7) = 0.08165, times t(6) = 2.4469, 0.20.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from report.conftest import GPT, PHI

from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Lead
from harness.report.render.markdown import to_markdown
from harness.report.render.terminal import to_terminal
from harness.report.sections.findings import Findings
from harness.report.sections.leading.lead import lead_of
from harness.report.sections.leading.waiting import how_to_ask
from harness.report.study_data import CellData, State, StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm, trials_of
from harness.trial import PERCENT, Direction, Objective, Outcome, Proposal, Status, Trial

DEFAULT: dict[str, Any] = {"start": "default"}
RANDOM = SyntheticArm("random+default", **DEFAULT)
GP_TARGET = "harness.optimizers.optuna_gp.OptunaGP"
TASKS = ("a", "b", "c", "d")
SPREAD = (-0.3, -0.1, 0.1, 0.3)
SEVEN = (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
RMSE = Objective("rmse", Direction.MINIMIZE, "k$", 0.9)
FEW = " From fewer than 10 seeds a task, a rare collapse may not have been seen, and intervals may be too short."
SEEN = FEW.replace(" a rare", " this is an observation and not yet a finding: a rare")
BASE = "random search from the same start"
Effect = float | Mapping[str, float]


def rules(effect: Effect, name: str = "rules+default") -> SyntheticArm:
    return SyntheticArm(name, effect, role="rules", **DEFAULT)


def tpe(effect: Effect, name: str = "tpe+default") -> SyntheticArm:
    return SyntheticArm(name, effect, role="tuner", **DEFAULT)


def gp(effect: Effect, name: str = "gp+default") -> SyntheticArm:
    return SyntheticArm(name, effect, role="tuner", target=GP_TARGET, **DEFAULT)


def phi(effect: float, **more: Any) -> SyntheticArm:
    return llm_arm("tcs_phi4", PHI, "tcs", effect, **DEFAULT, **more)


def qwen(effect: float) -> SyntheticArm:
    return llm_arm("tcs_qwen", "qwen2.5-coder:32b", "tcs", effect, **DEFAULT)


def known(
    arms: Sequence[SyntheticArm],
    tasks: Sequence[str] = TASKS,
    spread: Sequence[float] = SPREAD,
    objectives: Mapping[str, Objective] | None = None,
    **given: Mapping[str, Sequence[float]],
) -> StudyData:
    """Return a study whose scores are 70 + the seed + the arm's effect + the spread of the seed; `given`: another spread, by task."""
    study = SyntheticStudy(arms, tasks, range(len(spread)), 2, objectives=objectives or {})

    def done(arm: SyntheticArm, task: str, seed: int) -> CellData:
        cell, objective = study.cell("synthetic", arm, task, seed), study.objective(task)
        own = given.get(arm.name, {}).get(task, spread)[seed] if arm.role != "random" else 0.0
        score = 70.0 + objective.sign * objective.point * (seed + arm.effect_on(task) + own)
        outcome = Outcome(Status.OK, (), 1.0, score, score if objective.test else None, 1)
        # The proposals of an LLM say whose they are.
        proposals = [t.proposal for t in trials_of(study, arm, cell)] if arm.llm else [Proposal({})]
        trials = tuple(Trial(number, proposal, outcome) for number, proposal in enumerate(proposals, start=1))
        manifest = study.manifest(cell, arm, {})
        return CellData(
            task, arm.name, seed, 2, cell.id, cell.folder, arm.startup_trials, State.DONE, manifest=manifest, trials=trials
        )

    cells = tuple(done(arm, task, seed) for arm in arms for task in tasks for seed in study.seeds)
    return StudyData("synthetic", "memory", cells)


def findings(study: StudyData, **options: Any) -> Findings:
    return find(study, Options(**{"resamples": 200, "traces": 0, **options}))


def lead(*arms: SyntheticArm, **more: Any) -> Lead:
    return lead_of(findings(known(arms, **more)))


def changed(study: StudyData, change: Callable[[CellData], CellData | None]) -> StudyData:
    """Return a study with changed cells; those that become None are no longer planned."""
    return replace(study, cells=tuple(cell for cell in map(change, study.cells) if cell is not None))


def waiting(cell: CellData) -> CellData:
    return replace(cell, state=State.NEVER, trials=())


# Nothing, one thing, and things that contradict each other


def test_where_nothing_is_found_the_lead_says_so_and_how_wide_the_intervals_are() -> None:
    said = lead(RANDOM, rules(0.1), tpe(-0.1), gp(0.0))
    assert said.text == (
        f"On these 4 tasks, over 4 seeds, no method of 3 can be told from {BASE}: the intervals of all hold 0 and reach "
        "from −0.24 to "
        f"+0.24 points of test score.{FEW}"
    )
    assert any("where it holds 0, a method may be better, worse or as good" in note for note in said.notes)


def test_from_a_hundred_pairs_on_a_method_beats_random_search_and_before_it_is_ahead() -> None:
    # 26 seeds of four tasks, spread by 0.3: sqrt(0.09 * 104 / 100 / 104) = 0.03, times t(100) = 1.984.
    spread = (-0.3, 0.3) * 13
    said = lead(RANDOM, rules(2.0), phi(-3.0), spread=spread).text
    assert said.startswith(
        f"On these 4 tasks, over 26 seeds, fixed rules that read the summary (rules+default) beat {BASE} on average by 2.00 "
    )
    assert "phi4-reasoning with the summary (tcs_phi4) falls behind random search (−3.00 points [−3.06, −2.94])" in said
    assert "seeds a task" not in said


def test_one_thing_is_named_with_its_interval_and_the_others_are_not_called_as_good() -> None:
    assert lead(RANDOM, rules(2.0), tpe(0.0), gp(0.1)).text == (
        f"On these 4 tasks, over 4 seeds, fixed rules that read the summary (rules+default) are ahead of {BASE} on "
        "average by 2.00 points of test "
        f"score [+1.86, +2.14]. None of 2 library tuners can be told from random search.{SEEN}"
    )


def test_llms_that_contradict_each_other_are_both_told_with_their_verdicts() -> None:
    assert lead(RANDOM, phi(2.0), qwen(-3.0), llm_arm("gpt4", GPT, "raw", 0.0, **DEFAULT)).text == (
        f"On these 4 tasks, over 4 seeds, of 3 LLM arms, 1 is ahead of {BASE}: phi4-reasoning with the summary "
        "(tcs_phi4), by 2.00 points of "
        "test score [+1.86, +2.14]; 1 is behind it: qwen2.5-coder with the summary (tcs_qwen), −3.00 points [−3.14, −2.86]; the other "
        "cannot be told from it. Not more than 0.9 points worse than gpt4: INCONCLUSIVE for tcs_phi4 and tcs_qwen."
        f"{SEEN}"
    )


def test_of_many_that_are_ahead_the_lead_gives_the_range_and_no_best_one() -> None:
    assert lead(RANDOM, tpe(1.0), gp(3.0), gp(2.0, "gp2"), gp(0.0, "gp3")).text == (
        f"On these 4 tasks, over 4 seeds, of 4 library tuners, 3 are ahead of {BASE}: tpe+default, gp+default and gp2, "
        "by +1.00 to +3.00 points of "
        f"test score; the other cannot be told from it.{SEEN}"
    )


def test_each_kind_of_score_is_told_by_itself() -> None:
    study = known([RANDOM, rules({"price": 3.0, "b": -3.0})], ("price", "b"), SEVEN, objectives={"price": RMSE})
    assert lead_of(findings(study)).text == (
        "Tasks have different units (k$, %): each kind of score by itself. On price, over 7 seeds, of 1 method 1 is ahead of "
        f"{BASE} (rules+default +3.00 k$ of test rmse [+2.80, +3.20]). On b, over 7 seeds, of 1 method 1 is behind random search "
        f"(rules+default −3.00 points of test score [−3.20, −2.80]).{SEEN}"
    )


# What an interval does not carry


def test_an_interval_beside_0_that_the_correction_does_not_uphold_is_no_finding() -> None:
    # The interval of 0.15 is [+0.01, +0.29], its p 0.04, and Holm's p of two comparisons 0.08.
    assert lead(RANDOM, rules(0.15)).text.startswith(
        f"On these 4 tasks, over 4 seeds, fixed rules that read the summary (rules+default) are ahead of {BASE}"
    )
    assert lead(RANDOM, rules(0.15), tpe(0.0)).text == (
        f"On these 4 tasks, over 4 seeds, no method of 2 can be told from {BASE}: the intervals of all reach from −0.14 "
        "to +0.29 points "
        f"of test score, and one lies beside 0 by itself (rules+default), which does not hold with the correction for 2 "
        f"comparisons.{FEW}"
    )


def test_from_so_few_pairs_nothing_can_be_told_however_large_the_difference() -> None:
    # The least p of four pairs is 2 / 16.
    assert lead(RANDOM, rules(9.0), tasks=("a",)).text == (
        f"On a, over 4 seeds, fixed rules that read the summary (rules+default) cannot be told from {BASE} (+9.00 "
        "points of test score "
        f"[+8.59, +9.41], which so few pairs cannot tell).{FEW}"
    )


@pytest.mark.parametrize(("low", "high"), [(0.0, 4.0), (-4.0, 0.0), (math.nan, math.nan)])
def test_an_interval_that_touches_0_or_is_none_is_no_finding(low: float, high: float) -> None:
    found = findings(known([RANDOM, rules(2.0)]))
    (pool,) = found.pools
    found = replace(found, pools=(replace(pool, contrasts=pool.contrasts.assign(low=low, high=high, why="made up")),))
    assert "rules+default) cannot be told from random search" in lead_of(found).text


def test_an_end_beside_0_does_not_look_like_0() -> None:
    # 2.1788 x 0.06455 = 0.14065 below 0.1430.
    assert "by 0.14 points of test score [+0.002, +0.284]" in lead(RANDOM, rules(0.1430)).text


def test_arms_that_tie_have_no_interval_and_are_not_called_alike() -> None:
    assert lead(RANDOM, rules(0.0), tpe(0.0), spread=[0.0] * 4).text == (
        f"On these 4 tasks, over 4 seeds, no method of 2 can be told from {BASE}: there is no interval (all 16 pairs "
        "tie, which leaves no "
        "spread to judge by)."
    )


def test_one_seed_gives_no_interval() -> None:
    assert lead(RANDOM, rules(3.0), tpe(1.0), spread=[0.0]).text == (
        f"On these 4 tasks, from one seed, no method of 2 can be told from {BASE}: there is no interval (one seed a "
        "task has no spread to "
        "judge by)."
    )


def test_a_gain_that_one_task_makes_says_so() -> None:
    # Left out, the others have 0 on average, and half of an interval of 0.16.
    text = lead(RANDOM, rules({"a": 8.0})).text
    assert "by 2.00 points of test score [+1.86, +2.14], but not when a is left out." in text


def test_a_task_that_varies_much_hides_the_others() -> None:
    wild = {"rules+default": {"a": (-30.0, -10.0, 10.0, 30.0)}}
    assert "cannot be told from" in lead(RANDOM, rules(2.0), **wild).text


# Who is not judged


def test_an_arm_that_lacks_scores_is_not_judged_however_far_ahead() -> None:
    study = changed(known([RANDOM, rules(2.0), phi(9.0)]), lambda c: waiting(c) if c.arm == "tcs_phi4" and c.task in "ab" else c)
    assert lead_of(findings(study)).text == (
        f"On these 4 tasks, over 4 seeds, fixed rules that read the summary (rules+default) are ahead of {BASE} on "
        "average by 2.00 points of test "
        "score [+1.86, +2.14]. Not judged: tcs_phi4 (8 of 16 pairs lack a score). Not more than 0.9 points worse than random+default: "
        f"INCONCLUSIVE for tcs_phi4.{SEEN}"
    )


def test_an_arm_that_was_planned_on_some_tasks_is_not_judged_on_all() -> None:
    study = changed(known([RANDOM, rules(2.0), tpe(9.0)]), lambda c: None if c.arm == "tpe+default" and c.task in "ab" else c)
    said = lead_of(findings(study))
    assert "tpe" not in said.text
    assert "Not judged: tpe+default (it ran on 2 of 4 tasks)." in said.notes


def test_a_study_that_still_runs_concludes_nothing() -> None:
    study = changed(known([RANDOM, rules(9.0)]), lambda c: waiting(c) if c.seed > 2 else c)
    assert lead_of(findings(study)).text == (
        "On these 4 tasks, nothing is concluded yet: 24 of 32 planned cells are done; 8 never started."
    )


def test_a_task_that_nobody_ran_is_not_counted() -> None:
    study = changed(known([RANDOM, rules(2.0)]), lambda c: waiting(c) if c.task == "d" else c)
    assert lead_of(findings(study)).text.startswith("On 3 of the 4 tasks, over 4 seeds, fixed rules that read the summary")


def test_an_llm_whose_configurations_are_not_its_own_has_no_verdict() -> None:
    text = lead(RANDOM, phi(9.0, fallback_rate=1.0)).text
    assert text == (
        f"On these 4 tasks, no method can be judged against {BASE}: tcs_phi4\u00a0‡‖ (16 of 16 configurations of "
        "tcs_phi4 were not the "
        "model's). Not more than 0.9 points worse than random+default: NO VERDICT for tcs_phi4\u00a0‡‖."
    )


def test_what_a_test_double_answered_is_not_judged() -> None:
    text = lead(RANDOM, phi(9.0, facts={"server": "a double"})).text
    assert (
        text == f"On these 4 tasks, no method can be judged against {BASE}: tcs_phi4\u00a0(test double) (a test double answered)."
    )


def test_a_method_that_knows_more_than_random_search_is_not_compared_with_it() -> None:
    text = lead(SyntheticArm("random"), SyntheticArm("rules", 9.0, role="rules")).text
    assert text == (
        "On these 4 tasks, nothing can be told from what the default configuration gives: rules knows the default configuration, random "
        "does not: compare rules+default with random+default, for which rules+default and random+default must run."
    )


def test_random_searches_that_disagree_leave_a_method_untold() -> None:
    other = SyntheticArm("other+default", 3.0, **DEFAULT)
    assert lead(RANDOM, other, rules(2.0)).text.startswith(
        f"On these 4 tasks, over 4 seeds, fixed rules that read the summary (rules+default) cannot be told from {BASE} "
        "(+2.00 points of "
        "test score [+1.86, +2.14]; it is otherwise against other+default)."
    )


def test_controls_are_no_methods() -> None:
    startup = SyntheticArm("tpe10", 9.0, role="tuner", startup_trials=10, **DEFAULT)
    shuffled = SyntheticArm("shuffled", 9.0, role="rules", options={"outcomes": "shuffled"}, **DEFAULT)
    assert lead(RANDOM, startup, shuffled).text == (
        f"On these 4 tasks, only controls ran beside {BASE} (tpe10\u00a0† and shuffled), so no method's gain over it can be said."
    )


# Other studies


def test_a_study_of_one_task_names_it() -> None:
    assert lead(RANDOM, rules(2.0), tasks=("digits",), spread=SEVEN).text == (
        f"On digits, over 7 seeds, fixed rules that read the summary (rules+default) are ahead of {BASE} by 2.00 points "
        "of test score "
        f"[+1.80, +2.20].{SEEN}"
    )


def test_what_is_minimised_is_beaten_by_less() -> None:
    said = lead(RANDOM, rules(2.0), phi(-2.0), tasks=("price",), spread=SEVEN, objectives={"price": RMSE})
    assert said.text == (
        f"On price, over 7 seeds, fixed rules that read the summary (rules+default) are ahead of {BASE} by 2.00 k$ of "
        "test rmse [+1.80, +2.20]. "
        "phi4-reasoning with the summary (tcs_phi4) is behind random search (−2.00 k$ [−2.20, −1.80]). Not more than 0.9 k$ worse than "
        f"random+default: FAIL for tcs_phi4.{SEEN}"
    )
    assert "Above 0 is better, also where lower scores are." in said.notes


def test_validation_scores_are_called_so() -> None:
    said = lead(RANDOM, rules(2.0), tasks=("a",), spread=SEVEN, objectives={"a": replace(PERCENT, test=False)})
    assert "by 2.00 points of validation score [+1.80, +2.20]" in said.text


def test_without_random_search_the_verdict_stands_alone() -> None:
    said = lead(llm_arm("gpt4", GPT, "raw", 0.0, **DEFAULT), phi(2.0), spread=SPREAD)
    assert said.text.startswith(
        f"On these 4 tasks, no method ran beside {BASE}, so no gain over it can be said. Not more than 0.9 points worse than gpt4: "
    )


def test_a_study_with_one_arm_or_without_a_cell_compares_nothing() -> None:
    assert lead(RANDOM).text == "Only random+default has a finished cell, so there is nothing to compare it with."
    none = changed(known([RANDOM, rules(2.0)]), waiting)
    assert lead_of(findings(none)) == Lead("There is nothing to compare yet: 0 of 32 planned cells are done; 32 never started.")


def test_arms_that_wait_are_counted_by_what_they_wait_for() -> None:
    reasons = {
        "tcs_phi4": "no Ollama at http://localhost:11434 (refused)",
        "tcs_qwen": "no Ollama at http://localhost:11434 (refused)",
    }
    reasons["gpt4"] = "OPENAI_API_KEY is not set"
    study = changed(
        known([RANDOM, rules(2.0), phi(0.0), qwen(0.0), llm_arm("gpt4", GPT, "raw", 0.0)]),
        # A cell that could not start has no manifest.
        lambda c: (
            replace(waiting(c), state=State.BLOCKED, reason=reasons[c.arm], fix="ollama serve", manifest={})
            if c.arm in reasons
            else c
        ),
    )
    found = findings(study)
    assert "[+1.86, +2.14]. 2 LLM arms wait for Ollama; 1 LLM arm waits for the key OPENAI_API_KEY." in lead_of(found).text
    hint = how_to_ask(found)
    assert hint
    assert hint.text == (
        "No arm with an LLM has run in this study, so the questions about LLMs are left out. tcs_phi4, tcs_qwen and gpt4 wait (no Ollama "
        "at http://localhost:11434 (refused)). Make that ready, and give the study's command again:"
    )
    assert hint.command == ("ollama", "serve")


# The page


def test_questions_about_llms_give_way_to_the_command_that_would_answer_them() -> None:
    found = findings(known([RANDOM, SyntheticArm("random"), rules(2.0)]))
    report = build_report(found)
    assert [answer.question for answer in report.answers] == ["Was it the default start?"]
    text = to_terminal(report, ("scores",))
    assert max(map(len, text.splitlines())) <= 80
    assert (
        "python -m harness study=synthetic task=a,b,c,d optimizer=tcs_phi4+default,raw_phi4+default seeds=4 budget=2 -m"
        in " ".join(text.replace("\\\n", " ").split())
    )
    asked = build_report(findings(known([RANDOM, phi(2.0)])))
    assert asked.hint is None
    assert {"Does the TCS help?", "Is the small LLM good enough?"} <= {answer.question for answer in asked.answers}


def test_the_tcs_is_spelt_out_where_it_is_first_named() -> None:
    text = to_markdown(build_report(findings(known([RANDOM, phi(2.0)]))))
    assert text.index("Trajectory Context Summarizer (TCS)") < text.index("TCS")


def test_the_figure_ranks_each_group_and_clips_no_finding() -> None:
    (figure,) = lead(
        RANDOM, SyntheticArm("default_only", -30.0, role="default", start="default"), tpe(0.1), rules(2.0), gp(5.0)
    ).figures
    ranked = figure.data.sort_values("difference", ascending=False)
    assert list(ranked["arm"]) == ["gp+default", "rules+default", "tpe+default", "default_only"]
    assert list(ranked["state"]) == ["ahead", "ahead", "not told apart", "no search"]
    assert figure.alt == (
        "Differences to random search from the same start: gp+default at +5.00 [+4.86, +5.14] down to default_only at −30.00 "
        "[−30.14, −29.86]"
    )
    for draw in (figure.draw, figure.narrow):
        assert draw
        low, high = draw().axes[0].get_xlim()
        assert -2.0 < low < 0.0
        assert high > 5.14
    assert any("arrow: goes on beyond the axis" in note for note in figure.notes)
