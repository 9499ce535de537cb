"""Statistics over tasks, each against a case counted by hand or against numbers of another program."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report.conftest import FindingsOf, in_memory
from scipy import stats
from support.hostile import HOSTILE

from harness.report.analysis.frames import frames_of, rows_by
from harness.report.analysis.intervals import Array, Resampling, seed_interval
from harness.report.analysis.options import Options
from harness.report.analysis.over_tasks import Complete, chances, improvement, incumbent_ranks, profile
from harness.report.analysis.pairs import ScoreIndex
from harness.report.analysis.scores import ScoreBook
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Figure, Report, Table
from harness.report.render.page import to_html
from harness.report.render.plot_style import style, svg_of
from harness.report.sections.findings import Findings
from harness.report.sections.over_tasks.leave_one_out import contrast_rows
from harness.report.sections.over_tasks.profile import profile_frame
from harness.report.sections.over_tasks.ranks import critical_difference, friedman_p, mean_ranks, rank_items
from harness.report.study_data import State
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm

OPTIONS = Options(resamples=400)
HOW = Resampling(resamples=1000)
DEFAULT = "default"
ARMS = [
    SyntheticArm("random", -3.0),
    SyntheticArm("random+default", -1.0, start=DEFAULT),
    SyntheticArm("rules", 0.0, role="rules", start=DEFAULT),
]
SCALE: dict[str, object] = {"val": {"median": 60.0, "best": 120.0}, "test": {"median": 60.0, "best": 120.0}, "source": "made up"}


def names(count: int) -> tuple[str, ...]:
    return tuple(f"t{number:02}" for number in range(count))


def synthetic(tasks: int = 12, seeds: int = 2, arms: Sequence[SyntheticArm] = ARMS, scaled: bool = True) -> SyntheticStudy:
    return SyntheticStudy(arms, names(tasks), range(seeds), references=dict.fromkeys(names(tasks), SCALE) if scaled else {})


def index_of(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> ScoreIndex:
    """Return an index of scores by arm and task, whose seeds are 0, 1, ..."""
    tasks = tuple(dict.fromkeys(task for of_arm in scores.values() for task in of_arm))
    return ScoreIndex({arm: {t: dict(enumerate(values)) for t, values in of.items()} for arm, of in scores.items()}, tasks)


def keys(report: Report) -> set[str]:
    section = next(section for section in report.sections if section.key == "over_tasks")
    return {item.key for item in section.walk() if isinstance(item, Table | Figure)}


def words(report: Report) -> str:
    section = next(section for section in report.sections if section.key == "over_tasks")
    return " ".join(item for item in section.walk() if isinstance(item, str))


def table(report: Report, key: str) -> Table:
    return next(item for item in report.items() if isinstance(item, Table) and item.key == key)


# Which tasks, and from how many on


NEED_TWELVE = {"ranks", "anytime_ranks", "anytime_ranks_table", "profile", "profile_table", "improvement", "improvement_table"}
NEED_FOUR = {"left_out_contrasts", "left_out_verdicts"}


def test_every_statistic_has_its_least_number_of_tasks_and_the_page_says_why(findings_of: FindingsOf) -> None:
    shown = {count: build_report(findings_of(synthetic(count), resamples=200)) for count in (3, 4, 11, 12)}
    assert [keys(report) for report in shown.values()] == [set(), NEED_FOUR, NEED_FOUR, NEED_FOUR | NEED_TWELVE]
    assert "What one task decides is withheld for this study: it takes 4 tasks" in words(shown[3])
    assert "is withheld" not in words(shown[4])
    assert "11 tasks on which all arms have a score from every seed are fewer than 12" in words(shown[11])
    assert "Withheld" not in words(shown[12])


def test_a_study_of_one_arm_or_of_one_task_is_no_error(findings_of: FindingsOf) -> None:
    assert "they compare arms" in words(build_report(findings_of(synthetic(13, arms=ARMS[:1]), resamples=200)))
    assert "1 task on which all arms have a score from every seed is fewer" in words(
        build_report(findings_of(synthetic(1), resamples=200))
    )


def test_a_task_where_an_arm_lacks_a_seed_is_left_out_and_named(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(14), [("rules", "t03", 1), ("random", "t05", 0), ("random", "t05", 1)], resamples=200)
    report = build_report(found)
    assert "Over 12 tasks and 3 arms." in words(report)
    assert "Left out, since an arm lacks a score from some seed there: t03 (rules) and t05 (random)." in words(report)
    assert set(table(report, "improvement_table").data["tasks"]) == {12}
    held = build_report(findings_of(synthetic(12), [("rules", "t03", 1)], resamples=200))
    assert keys(held) == NEED_FOUR
    assert "t03 (rules)" in words(held)


def test_an_arm_with_few_tasks_is_left_out_before_it_takes_most_tasks_with_it(findings_of: FindingsOf) -> None:
    gone = [("rules", task, seed) for task in names(13)[:7] for seed in (0, 1)]
    report = build_report(findings_of(synthetic(13), gone, resamples=200))
    assert "Over 13 tasks and 2 arms." in words(report)
    assert "Left out: rules, with a score from every seed on too few tasks" in words(report)


def test_without_normalised_scores_only_the_profile_is_withheld(findings_of: FindingsOf) -> None:
    report = build_report(findings_of(synthetic(12, scaled=False), resamples=200))
    assert keys(report) == NEED_FOUR | NEED_TWELVE - {"profile", "profile_table"}
    assert "The performance profile is withheld" in words(report)


def test_arms_with_many_fallback_draws_are_marked_in_every_table(findings_of: FindingsOf) -> None:
    arms = [*ARMS, llm_arm("tcs_phi4", "phi4", "tcs", fallback_rate=0.4, start=DEFAULT)]
    report = build_report(findings_of(synthetic(12, arms=arms), resamples=200))
    for key in ("anytime_ranks_table", "profile_table", "improvement_table", "left_out_verdicts", "normalised", "normalised_tasks"):
        shown = table(report, key)
        texts = [text.text for row in shown.rows for text in row] + [column.title for column in shown.columns]
        assert any("tcs_phi4\u00a0‡" in text for text in texts), key
        assert any(note.startswith("‡") for note in shown.notes), key


# Ranks


def test_the_critical_difference_is_demsars() -> None:
    # Demsar 2006, section 3.2.2: 4 classifiers, 14 data sets, q = 2.569: CD = 1.25.
    assert critical_difference(4, 14, 0.95) == pytest.approx(1.25, abs=0.005)


def scores_to_rank() -> dict[str, Array]:
    """Return scores with many ties, shape (5 seeds, 14 tasks), by arm."""
    task, seed = np.meshgrid(np.arange(14), np.arange(5))
    return {
        str(arm): np.round(((7 * arm + 5 * task + 3 * seed + arm * task * seed) % 11) / 10 - 0.05 * (arm == 0), 3)
        for arm in range(4)
    }


def test_mean_ranks_and_their_test_are_those_of_autorank() -> None:
    # autorank 1.3.0, force_mode="nonparametric", alpha=0.05, on the means over seeds; Friedman's p also by scipy 1.17.1.
    scores, tasks = scores_to_rank(), names(14)
    rows = [{"arm": a, "task": t, "mean": float(s[:, n].mean())} for a, s in scores.items() for n, t in enumerate(tasks)]
    book = ScoreBook("test", tasks, tuple(scores), pd.DataFrame(rows), pd.DataFrame())
    ranks = dict(zip(mean_ranks(book)["arm"], mean_ranks(book)["mean_rank"], strict=True))
    assert ranks == pytest.approx({"0": 3.2142857142857144, "1": 2.142857142857143, "2": 2.642857142857143, "3": 2.0})
    assert friedman_p(book) == pytest.approx(0.044169780733342844)
    assert critical_difference(4, 14, 0.95) == pytest.approx(1.2535512603486423, rel=1e-4)  # autorank's quantiles are rounded


def test_the_diagram_takes_three_arms() -> None:
    def book(arms: Sequence[SyntheticArm]) -> ScoreBook:
        return ScoreBook.of(frames_of(in_memory(synthetic(12, arms=arms))), "test")

    assert rank_items(book(ARMS[:2]), OPTIONS) == ()
    assert len(rank_items(book(ARMS), OPTIONS)) == 2


def test_ranks_over_the_trials_are_counted_by_hand() -> None:
    nan = math.nan
    histories = {
        # Trial 1: x and y tie. Trial 2: x has the better mean. Trial 3: all tie.
        ("x", "t"): np.array([[1.0, 5.0, 6.0], [3.0, 5.0, 6.0]]),
        ("y", "t"): np.array([[2.0, 4.0, 6.0], [2.0, 4.0, 6.0]]),
        ("z", "t"): np.array([[0.0, 0.0, 6.0], [1.0, 1.0, 6.0]]),
        # A seed without a success stands behind, whatever the mean of the others is; without any, arms tie at the end.
        ("x", "u"): np.array([[nan, 9.0, 9.0], [99.0, 99.0, 99.0]]),
        ("y", "u"): np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
        ("z", "u"): np.array([[nan, nan, 2.0], [nan, nan, 2.0]]),
    }
    ranks = incumbent_ranks(histories, Complete(("t", "u"), ("x", "y", "z"), {}, ()))
    assert ranks[0].T.tolist() == [[1.5, 1.5, 3.0], [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]]
    assert ranks[1].T.tolist() == [[2.0, 1.0, 3.0], [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]]
    # The ranks of a task always add up to the same.
    assert (ranks.sum(axis=1) == 6.0).all()


def test_ranks_over_the_trials_are_scipys_and_end_at_the_mean_ranks(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(12, seeds=3), resamples=200)
    frame = table(build_report(found), "anytime_ranks_table").data
    assert set(frame["trial"]) == set(range(1, 11))
    last = {arm: entry["mean_rank"] for (arm, trial), entry in rows_by(frame, "arm", "trial").items() if trial == 10}
    assert last == pytest.approx(found.test.ranks)
    wide = found.test.scores.pivot_table(index="task", columns="arm", values="mean")
    assert last == pytest.approx(dict(zip(wide.columns, stats.rankdata(-wide.to_numpy(), axis=1).mean(axis=0), strict=True)))
    assert ((frame["low"] <= frame["mean_rank"]) & (frame["mean_rank"] <= frame["high"])).all()
    assert frame["low"].min() >= 1.0
    assert frame["high"].max() <= 3.0


# The profile and the probability of improvement


# rliable 1.2.0 on `scores_to_rank`: metrics.probability_of_improvement(first, second).
PROBABILITIES = {
    ("0", "1"): 0.44571428571428584,
    ("0", "2"): 0.4771428571428572,
    ("0", "3"): 0.4657142857142858,
    ("1", "2"): 0.5542857142857142,
    ("1", "3"): 0.4928571428571429,
    ("2", "3"): 0.4442857142857143,
}
# The same, of library.create_performance_profile at TAUS. Its profile counts scores above tau, ours those of at least tau.
TAUS = np.array([-0.01, 0.11, 0.33, 0.52, 0.77, 0.93])
PROFILES = {
    "0": [0.8857142857142857, 0.8, 0.6142857142857143, 0.44285714285714284, 0.17142857142857143, 0.08571428571428572],
    "1": [1.0, 0.8285714285714286, 0.6571428571428571, 0.45714285714285713, 0.2714285714285714, 0.1],
    "2": [1.0, 0.6857142857142857, 0.5285714285714286, 0.38571428571428573, 0.22857142857142856, 0.05714285714285714],
    "3": [1.0, 0.8428571428571429, 0.7, 0.37142857142857144, 0.22857142857142856, 0.08571428571428572],
}


def by_task(scores: Array) -> list[Array]:
    return list(scores.T)


def test_the_probability_of_improvement_is_that_of_rliable() -> None:
    scores = scores_to_rank()
    for (first, second), expected in PROBABILITIES.items():
        values = chances(by_task(scores[first]), by_task(scores[second]), [1e-9] * 14)
        assert values.mean() == pytest.approx(expected)
        mirrored = chances(by_task(scores[second]), by_task(scores[first]), [1e-9] * 14)
        assert (values + mirrored).tolist() == pytest.approx([1.0] * 14)


def test_the_profile_is_that_of_rliable() -> None:
    for arm, scores in scores_to_rank().items():
        assert profile(by_task(scores), TAUS).mean(axis=0).tolist() == pytest.approx(PROFILES[arm])


def test_a_run_at_tau_counts_and_tasks_weigh_alike_whatever_their_seeds() -> None:
    runs = [np.array([0.0, 1.0]), np.array([0.5, 0.5, 0.5, 2.0])]
    assert profile(runs, np.array([0.0, 0.5, 1.0, 1.5])).mean(axis=0).tolist() == [1.0, 0.75, 0.375, 0.125]


def test_ties_count_half_and_rounding_is_a_tie() -> None:
    values = chances([np.array([0.1 + 0.2, 5.0])], [np.array([0.3, 5.0, 9.0])], [1e-9])
    # 0.3 against 0.3, 5, 9: half a win; 5 against 0.3, 5, 9: a win and a half. Of six pairs.
    assert values.tolist() == pytest.approx([2 / 6])


def test_the_interval_of_an_improvement_draws_tasks() -> None:
    rng = np.random.default_rng(5)
    values = np.round(rng.random(15), 1)
    found = improvement(values, Resampling(resamples=4000))
    other = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.low < other.low < found.value < other.high < found.high
    # Student's t is what the percentiles are widened to.
    t = stats.t.interval(0.95, 14, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(t, abs=0.02)


def test_where_all_tasks_are_alike_the_interval_is_that_of_clopper_and_pearson() -> None:
    found = improvement(np.ones(12), HOW)
    exact = stats.binomtest(12, 12).proportion_ci(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, exact.low, exact.high))
    even = improvement(np.full(12, 0.5), HOW)
    assert even.low < 0.5 < even.high


def test_pairs_are_the_contrasts_and_every_arm_against_the_reference_each_once(findings_of: FindingsOf) -> None:
    arms = [*ARMS, SyntheticArm("tpe", -2.0, role="tuner")]
    frame = table(build_report(findings_of(synthetic(12, arms=arms), resamples=200)), "improvement_table").data
    pairs = set(zip(frame["family"], frame["first"], frame["second"], strict=True))
    assert pairs == {
        ("start", "random+default", "random"),
        ("random", "rules", "random+default"),
        ("random", "tpe", "random"),
        ("reference", "random", "random+default"),
        ("reference", "tpe", "random+default"),
    }
    assert (frame[["for", "even", "against"]].sum(axis=1) == 12).all()


def test_the_profile_says_what_lies_beyond_its_ends(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(12), resamples=200)
    scales = {**found.normalised.scales.by_task}
    report = build_report(found)
    figure = next(item for item in report.items() if isinstance(item, Figure) and item.key == "profile")
    values = np.concatenate([list(s.values()) for arm in found.index.scores.values() for s in arm.values()])
    assert all((scale.median, scale.best) == (60.0, 120.0) for scale in scales.values())
    above = int((values > 120.0).sum())
    assert (f"{above} of {len(values)} runs have a score above 1" in figure.title) is (above > 0)
    frame = figure.data
    assert frame["tau"].min() <= 0.0
    assert frame["tau"].max() >= max(1.0, (values.max() - 60.0) / 60.0)
    assert frame.groupby("arm")["share"].apply(lambda shares: shares.is_monotonic_decreasing).all()
    low = index_of({"x": {t: [-3.0, 0.5, 0.6] for t in names(12)}, "y": {t: [0.4, 0.5, 0.6] for t in names(12)}})
    part = profile_frame(low, Complete.of(low, ["x", "y"]), HOW)
    # A far outlier does not push the axis away: what lies beyond is counted in words.
    assert part["tau"].min() == -2.0
    assert rows_by(part, "arm", "tau")["x", 0.0]["share"] == pytest.approx(2 / 3)


def test_hostile_names_are_drawn_and_escaped_in_every_figure_over_tasks() -> None:
    tasks = (*HOSTILE[:10], "plain", "name")
    data = in_memory(SyntheticStudy(ARMS, tasks, (0, 1), references=dict.fromkeys(tasks, SCALE)))
    arms = {"random": HOSTILE[8], "rules": HOSTILE[0]}
    cells = [replace(cell, arm=arms.get(cell.arm, cell.arm)) for cell in data.cells]
    report = build_report(find(replace(data, cells=tuple(cells)), OPTIONS))
    assert keys(report) == NEED_FOUR | NEED_TWELVE
    drawings = {}
    for item in (item for item in report.items() if isinstance(item, Figure)):
        drawings[item.key] = "<svg></svg>"
        if item.key in NEED_TWELVE | {"anytime_normalised"}:
            with style():
                drawings[item.key] = svg_of(item.draw(), item.key)
    page = to_html(report, drawings)
    assert "<script>alert" not in page
    assert HOSTILE[3] not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawings["profile"]


# What one task decides


def deciding(findings_of: FindingsOf) -> Findings:
    """Return a study where one task alone makes the gain of the default start."""
    effects = dict.fromkeys(names(6), 0.0) | {"t02": 40.0}
    arms = [SyntheticArm("random"), SyntheticArm("random+default", effects, start=DEFAULT)]
    return findings_of(SyntheticStudy(arms, names(6), range(8), noise=1.0), resamples=1000)


def test_a_statement_that_hangs_on_one_task_names_it(findings_of: FindingsOf) -> None:
    found = deciding(findings_of)
    report = build_report(found)
    entry = rows_by(table(report, "left_out_contrasts").data, "first", "second")["random+default", "random"]
    assert entry["statement"] == "above 0"
    assert entry["changed_by"] == "t02: not told apart"
    assert entry["least_without"] == "t02"
    assert abs(entry["least"]) < 1.5
    assert entry["most"] > 7.0
    assert table(report, "left_out_contrasts").rows[0][-1].text == "not told apart without t02"
    assert re.search(r"\d of these \d+ statements change when some one task is left out", words(report))


def test_leaving_a_task_out_is_the_same_as_not_having_it(findings_of: FindingsOf) -> None:
    found = deciding(findings_of)
    frame = contrast_rows(found.pools[0], found.index, found)
    entry = rows_by(frame, "first", "second")["random+default", "random"]
    pairs = found.index.pairs("random+default", "random")
    without = {
        task: seed_interval([values for name, values in pairs.differences.items() if name != task], found.how)
        for task in pairs.differences
    }
    assert entry["least"] == pytest.approx(min(e.value for e in without.values()))
    assert entry["most"] == pytest.approx(max(e.value for e in without.values()))
    # The draws of the strata are others, so the ends are alike but not the same.
    assert entry["lowest_low"] == pytest.approx(min(e.low for e in without.values()), abs=0.15)
    assert entry["highest_high"] == pytest.approx(max(e.high for e in without.values()), abs=0.15)


def test_verdicts_are_decided_again_without_each_task(findings_of: FindingsOf) -> None:
    effects = dict.fromkeys(names(8), 0.0) | {"t05": -16.0}
    arms = [SyntheticArm("random+default", start=DEFAULT), SyntheticArm("tpe", effects, role="tuner")]
    report = build_report(findings_of(SyntheticStudy(arms, names(8), range(12), noise=0.3), resamples=500))
    entry = rows_by(table(report, "left_out_verdicts").data, "first")["tpe",]
    assert entry["statement"] == "FAIL"
    # 96 pairs are few, whichever task is left out.
    assert entry["changed_by"] == "t05: PASS, few pairs"
    assert entry["most_without"] == "t05"


def test_an_arm_without_any_success_is_left_out_of_all_of_it() -> None:
    data = in_memory(synthetic(12, arms=[*ARMS, SyntheticArm("broken", role="tuner")]))
    cells = [replace(cell, trials=()) if cell.arm == "broken" else cell for cell in data.cells]
    report = build_report(find(replace(data, cells=tuple(cells)), OPTIONS))
    assert "Left out: broken" in words(report)
    assert "broken" not in set(table(report, "anytime_ranks_table").data["arm"])
    never = [replace(cell, state=State.NEVER, trials=()) for cell in data.cells if cell.arm == "broken"]
    kept = [cell for cell in data.cells if cell.arm != "broken"]
    assert "broken" not in words(build_report(find(replace(data, cells=(*kept, *never)), OPTIONS)))
