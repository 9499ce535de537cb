"""Normalised scores: 0 is the median random trial, 1 the best known, in the scale that the manifests record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from report.conftest import FindingsOf, in_memory

from harness.report.analysis.frames import rows_by
from harness.report.analysis.intervals import Resampling, task_interval
from harness.report.analysis.normalised import FLAT, NO_TEST, NONE, UNLIKE, UNREAD, UPSIDE_DOWN, Scale, Scales
from harness.report.analysis.objectives import Objectives
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Figure, Report, Table
from harness.report.render.latex import to_latex
from harness.report.render.markdown import to_markdown
from harness.report.render.terminal import to_terminal
from harness.report.sections.answers import answers_of
from harness.report.sections.over_tasks.normalised import mean_over_tasks
from harness.report.study_data import CellData, StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy
from harness.trial import PERCENT, Direction, Objective

ENDS = {"median": 60.0, "best": 80.0}
SCALE: dict[str, object] = {"val": {"median": 50.0, "best": 90.0}, "test": ENDS, "source": "made up"}
RMSE = Objective("rmse", Direction.MINIMIZE, "k$", 0.45)
UNTESTED = replace(PERCENT, test=False)
ARMS = [
    SyntheticArm("random", -4.0),
    SyntheticArm("random+default", -2.0, start="default"),
    SyntheticArm("rules", 1.0, role="rules"),
]


def study(references: Mapping[str, Mapping[str, object]], tasks: tuple[str, ...] = ("a", "b", "c"), **more: Any) -> SyntheticStudy:
    return SyntheticStudy(ARMS, tasks, range(more.pop("seeds", 3)), references=references, **more)


def scales_of(data: StudyData, score: str = "test") -> Scales:
    return Scales.of(data, Objectives.of(data), score)


def table(report: Report, key: str) -> Table:
    return next(item for item in report.items() if isinstance(item, Table) and item.key == key)


def words(report: Report, key: str) -> str:
    section = next(section for section in report.sections if section.key == key)
    return " ".join(item for item in section.walk() if isinstance(item, str))


# The scale of a task


def test_the_scale_is_the_one_in_the_manifest_and_each_score_has_its_own() -> None:
    data = in_memory(study(dict.fromkeys("abc", SCALE)))
    assert scales_of(data).by_task == dict.fromkeys("abc", Scale(60.0, 80.0, "made up"))
    assert scales_of(data, "val").by_task["a"] == Scale(50.0, 90.0, "made up")
    assert scales_of(data).complete


def test_a_scale_in_points_becomes_one_in_the_unit_and_lower_is_still_better() -> None:
    # A point of RMSE is 0.45 / 0.9 = 0.5 k$: 60 points are an error of -30 k$, oriented 30.
    data = in_memory(study({"a": SCALE}, ("a",), objectives={"a": RMSE}))
    assert scales_of(data).by_task["a"] == Scale(30.0, 40.0, "made up")
    percent = in_memory(study({"a": {**SCALE, "test": {"median": -6.0, "best": -2.0}}}, ("a",), objectives={"a": RMSE}))
    found = find(percent, Options(resamples=200))
    scores = rows_by(found.test.scores, "arm", "task")["rules", "a"]["mean"]
    # -2 points are an error of 1 k$, and so on.
    expected = (scores - -3.0) / (-1.0 - -3.0)
    assert rows_by(found.normalised.test.scores, "arm", "task")["rules", "a"]["mean"] == pytest.approx(expected)


def test_a_task_without_test_scores_has_the_scale_of_its_validation_scores() -> None:
    data = in_memory(study({"a": {**SCALE, "test": None}}, ("a",), objectives={"a": UNTESTED}))
    assert scales_of(data).by_task["a"] == Scale(50.0, 90.0, "made up")


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ({}, NONE),
        ({**SCALE, "test": None}, NO_TEST),
        ({**SCALE, "test": {"median": 70.0, "best": 70.0}}, FLAT),
        ({**SCALE, "test": {"median": 70.0, "best": 70.0 + 1e-12}}, FLAT),
        ({**SCALE, "test": {"median": 70.0, "best": 60.0}}, UPSIDE_DOWN),
        ({**SCALE, "test": {"median": -1e308, "best": 1e308}}, UNREAD),
        ({**SCALE, "test": {"median": "70", "best": 90.0}}, UNREAD),
        ({**SCALE, "test": {"median": math.nan, "best": 90.0}}, UNREAD),
        ({**SCALE, "test": {"median": True, "best": 90.0}}, UNREAD),
        ({**SCALE, "test": {"median": 10**400, "best": 10**401}}, UNREAD),
        ({**SCALE, "test": [70, 90]}, UNREAD),
    ],
)
def test_a_task_whose_scale_is_of_no_use_has_no_normalised_score_and_the_page_says_why(
    reference: dict[str, object], why: str
) -> None:
    found = find(in_memory(study({"a": SCALE, "b": reference, "c": SCALE})), Options(resamples=200))
    assert dict(found.normalised.scales.missing) == {"b": why}
    assert set(found.normalised.test.tasks) == {"a", "c"}
    report = build_report(found)
    assert f"No mean over tasks, since not every task has normalised scores: b ({why})." in words(report, "normalised")
    assert [row[0].text for row in table(report, "normalised_tasks").rows] == ["a", "c"]
    assert not any(isinstance(item, Table) and item.key == "normalised" for item in report.items())


@pytest.mark.parametrize("other", [{}, {**SCALE, "test": {"median": 60.0, "best": 81.0}}])
def test_cells_of_a_task_that_disagree_leave_it_without_a_normalised_score(other: dict[str, object]) -> None:
    def changed(cell: CellData) -> CellData:
        return replace(cell, manifest={**cell.manifest, "reference": other}) if (cell.task, cell.seed) == ("b", 2) else cell

    data = in_memory(study(dict.fromkeys("abc", SCALE)))
    found = scales_of(replace(data, cells=tuple(map(changed, data.cells))))
    assert found.missing == {"b": UNLIKE}


def test_only_the_sentence_on_the_source_may_differ() -> None:
    data = in_memory(study(dict.fromkeys("abc", SCALE)))
    cells = [replace(c, manifest={**c.manifest, "reference": {**SCALE, "source": f"said {c.seed}"}}) for c in data.cells]
    assert scales_of(replace(data, cells=tuple(cells))).complete


def test_a_study_without_any_scale_says_so_in_one_sentence(findings_of: FindingsOf) -> None:
    report = build_report(findings_of(study({}), resamples=200))
    assert words(report, "normalised") == "No task of this study has normalised scores: a, b and c (none is recorded)."


# What is shown


def test_the_normalised_score_is_the_share_of_the_way_and_is_never_cut_off(findings_of: FindingsOf) -> None:
    found = findings_of(study(dict.fromkeys("abc", SCALE), noise=0.0, shared_noise=0.0), resamples=300)
    # The base of the tasks a, b, c is 70, 73, 76; the rules are 1 point above it.
    scores = rows_by(found.normalised.test.scores, "arm", "task")
    assert [scores["rules", task]["mean"] for task in "abc"] == pytest.approx([11 / 20, 14 / 20, 17 / 20])
    report = build_report(found)
    assert table(report, "normalised").rows[0][1].text == f"{(11 + 14 + 17) / 60:.3f}"
    near: dict[str, object] = {**SCALE, "test": {"median": 70.0, "best": 74.0}}
    beyond = dict.fromkeys("abc", near)
    shown = table(build_report(findings_of(study(beyond, noise=0.0, shared_noise=0.0), resamples=300)), "normalised")
    entries = rows_by(shown.data, "arm")
    assert entries["rules",]["mean"] == pytest.approx((1 + 4 + 7) / 12)
    assert (entries["rules",]["above_1"], entries["rules",]["below_0"]) == (3, 0)
    assert (entries["random",]["above_1"], entries["random",]["below_0"]) == (0, 6)


def test_the_interval_of_the_mean_draws_tasks() -> None:
    rng = np.random.default_rng(1)
    how, strata = Resampling(resamples=500), [rng.random() + 0.1 * rng.standard_normal(5) for _ in range(9)]
    assert mean_over_tasks(strata, how) == task_interval(strata, how)
    # A method that draws nothing has the same score from every seed. Its tasks differ all the same.
    still = mean_over_tasks([np.full(5, values[0]) for values in strata], how)
    firsts = np.array([values[0] for values in strata])
    assert still.low < firsts.mean() < still.high
    assert still.high - still.low > 2 * firsts.std(ddof=1) / 3
    assert math.isnan(mean_over_tasks([np.full(5, 0.5)] * 9, how).low)


@pytest.fixture(scope="module")
def unlike() -> StudyData:
    """Tasks of three kinds: percentages with and without a test score, and an error."""
    objectives = {"b": UNTESTED, "c": RMSE}
    errors: dict[str, object] = {
        "val": {"median": -30.0, "best": -10.0},
        "test": {"median": -40.0, "best": -20.0},
        "source": "made up",
    }
    references: dict[str, dict[str, object]] = {"a": SCALE, "b": {**SCALE, "test": None}, "c": errors}
    return in_memory(study(references, seeds=6, objectives=objectives))


def test_tasks_of_unlike_units_are_averaged_in_normalised_scores_alone(unlike: StudyData) -> None:
    found = find(unlike, Options(resamples=300))
    report = build_report(found)
    shown = table(report, "scores")
    assert shown.columns[-1].title == "normalised mean"
    assert shown.rows[0][0].text == "rules"
    mean = rows_by(table(report, "normalised").data, "arm")["rules",]["mean"]
    assert shown.rows[0][-1].text.startswith(f"{mean:.2f} ±")
    assert rows_by(shown.data, "arm")["rules",]["normalised_mean"] == pytest.approx(mean)
    notes = " ".join(shown.notes)
    assert "Tasks have different units (%, k$): no average and no gap in them" in notes
    assert "the mean of the normalised scores (0 is the median random trial, 1 the best known) takes its place" in notes
    for text in (to_markdown(report), to_latex(shown), to_terminal(report, ["scores"])):
        assert f"{mean:.2f}" in text
    assert found.noninferiority["verdict"].notna().all()
    assert set(found.noninferiority["pool"]) == {pool.name for pool in found.pools}


def test_their_contrasts_are_those_of_the_normalised_scores_counted_by_hand(unlike: StudyData) -> None:
    found = find(unlike, Options(resamples=300))
    pool = found.normalised.pool
    assert pool is not None
    entry = rows_by(pool.contrasts, "family", "first", "second")["start", "random+default", "random"]
    ends = {"a": (60.0, 80.0), "b": (50.0, 90.0), "c": (-20.0, -10.0)}
    differences = [
        np.mean([found.index.scores["random+default"][t][s] - found.index.scores["random"][t][s] for s in range(6)])
        / (best - median)
        for t, (median, best) in ends.items()
    ]
    assert entry["difference"] == pytest.approx(np.mean(differences))
    report = build_report(found)
    assert table(report, "contrasts_start_4").title.endswith(": all 3 tasks, in normalised scores")
    assert table(report, "contrasts_start_4").columns[2].title == "difference, normalised score"
    lines = [line for answer in answers_of(found) for line in answer.lines]
    assert lines
    assert all("on all 3 tasks, in normalised scores" in name for name, _ in lines)


def test_without_a_scale_for_every_task_ranks_stand_for_the_average_as_before(unlike: StudyData) -> None:
    cells = [replace(c, manifest={**c.manifest, "reference": {}}) if c.task == "c" else c for c in unlike.cells]
    found = find(replace(unlike, cells=tuple(cells)), Options(resamples=300))
    assert found.normalised.pool is None
    assert table(build_report(found), "scores").columns[-1].title == "mean rank"


def test_an_arm_that_lacks_a_task_has_no_mean_and_one_that_lacks_seeds_is_never_the_best(findings_of: FindingsOf) -> None:
    gone = [("random", "b", seed) for seed in range(3)] + [("rules", "a", 1)]
    report = build_report(findings_of(study(dict.fromkeys("abc", SCALE)), gone, resamples=300))
    shown = {row[0].text: row for row in table(report, "normalised").rows}
    assert shown["random"][1].text.startswith("–")
    assert shown["rules"][1].text.endswith("(8/9)")
    assert not shown["rules"][1].strong
    assert shown["random+default"][1].strong


def test_with_many_tasks_a_missing_seed_is_marked_at_the_average(findings_of: FindingsOf) -> None:
    tasks = tuple(f"t{number}" for number in range(13))
    report = build_report(findings_of(study({}, tasks, seeds=2), [("rules", "t3", 1)], resamples=200))
    shown = table(report, "scores")
    assert [row[1].text.endswith(" (25/26)") for row in shown.rows] == [row[0].text == "rules" for row in shown.rows]
    assert any(note.startswith("(k/n)") for note in shown.notes)


def test_many_tasks_are_rows_of_a_table_of_their_own(findings_of: FindingsOf) -> None:
    tasks = tuple(f"t{number}" for number in range(13))
    report = build_report(findings_of(study(dict.fromkeys(tasks, SCALE), tasks, seeds=2), resamples=200))
    assert [column.title for column in table(report, "scores").columns][:2] == ["arm", "average"]
    assert [row[0].text for row in table(report, "scores_tasks").rows] == list(tasks)
    text = to_terminal(report, ["scores"])
    assert max(map(len, text.splitlines())) <= 80
    written = table(report, "normalised_tasks").data
    assert set(written["median_score"]) == {60.0}
    assert len(written) == 39
    (per_task,) = (item for item in report.items() if isinstance(item, Figure) and item.key == "anytime_tasks")
    drawn = per_task.draw()
    assert [axes.get_title("left") for axes in drawn.axes] == list(tasks)
    assert all(len(axes.lines) == 2 * len(ARMS) for axes in drawn.axes)
