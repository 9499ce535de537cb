"""Does the best method ask an LLM? Against a count by hand, and silent where one sort is missing."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
from report.conftest import GPT, PHI, in_memory
from scipy import stats

from harness.report.analysis.options import Options
from harness.report.compute import find
from harness.report.sections.findings import Findings
from harness.report.sections.leading.best_of_each import best_answers
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm


def study(*arms: SyntheticArm, seeds: int = 12) -> Findings:
    return find(in_memory(SyntheticStudy(list(arms), ("a", "b"), range(seeds))), Options(resamples=300))


ASKING = (llm_arm("tcs_phi4", PHI, "tcs", 20.0), llm_arm("gpt4", GPT, "raw", 1.0))
FREE = (SyntheticArm("random"), SyntheticArm("other", role="tuner", effect=2.0))


def test_the_best_of_each_sort_are_compared_with_an_interval_that_holds_for_all_pairs() -> None:
    found = study(*ASKING, *FREE)
    (answer,) = best_answers(found)
    assert answer.word == "Yes"
    assert answer.lines[0][0].startswith("tcs_phi4 − other")
    assert "among 4 pairs of arms" in answer.text
    # By hand: the mean of the tasks' mean differences; Student's t at 95 % for four comparisons is the narrowest that it may be.
    cells = found.frames.cells.pivot_table(index=["task", "seed"], columns="arm", values="test")
    by_task = [group["tcs_phi4"] - group["other"] for _, group in cells.groupby("task")]
    difference = mean(values.mean() for values in by_task)
    error = np.sqrt(sum(values.var(ddof=1) / len(values) for values in by_task)) / 2
    half = stats.t.ppf(1 - 0.05 / 8, 22) * error
    shown = answer.lines[0][1].replace("−", "-").replace("[", "").replace("]", "").replace(",", "").split()
    value, low, high = (float(text) for text in shown)
    assert value == pytest.approx(difference, abs=0.006)
    assert low <= difference - half + 0.1
    assert high >= difference + half - 0.1


def test_where_the_interval_holds_zero_nothing_is_said_to_be_better() -> None:
    (answer,) = best_answers(study(llm_arm("tcs_phi4", PHI, "tcs", 0.1), SyntheticArm("random")))
    assert answer.word == "Cannot be told"
    assert "pairs of arms" not in answer.text


def test_without_arms_of_both_sorts_there_is_no_question() -> None:
    assert best_answers(study(*FREE)) == ()
    assert best_answers(study(*ASKING)) == ()


def test_an_arm_whose_configurations_are_not_its_model_s_is_no_candidate() -> None:
    weak = llm_arm("tcs_phi4", PHI, "tcs", 20.0, fallback_rate=0.95)
    (answer,) = best_answers(study(weak, llm_arm("gpt4", GPT, "raw", 1.0), *FREE))
    assert answer.lines[0][0].startswith("gpt4 − ")
