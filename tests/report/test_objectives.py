"""Tasks whose scores are no percentages: units, directions, what may not be averaged, and tasks without a test score."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report.conftest import GPT, PHI, FindingsOf, in_memory

from harness.report.__main__ import main
from harness.report.analysis.frames import frames_of, rows_by
from harness.report.analysis.objectives import Objectives, settled
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Figure, Report, Table
from harness.report.render.markdown import to_markdown
from harness.report.render.terminal import to_terminal
from harness.report.render.write import write_report
from harness.report.sections.answers import answers_of
from harness.report.sections.anytime import Histories, curve_frame, reference_bests, regret_frame
from harness.report.sections.expectations import Expectation, check
from harness.report.sections.findings import Findings
from harness.report.sections.stability import cell_measures
from harness.report.sources.records import read_study
from harness.report.sources.select import disagreements
from harness.report.study_data import CellData, State, StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm, write_study
from harness.trial import PERCENT, Direction, Objective, Outcome, Proposal, Status, Trial

RMSE = Objective("rmse", Direction.MINIMIZE, "k$", 0.5)
LOG_LOSS = Objective("log loss", Direction.MINIMIZE, "nats", 0.02)
R2 = Objective("R2", Direction.MAXIMIZE, "R²", 0.01)
UNTESTED = replace(PERCENT, test=False)
DEFAULT: dict[str, Any] = {"start": "default"}
ARMS = [
    llm_arm("gpt4", GPT, "raw", 0.0, **DEFAULT),
    llm_arm("tcs_phi4", PHI, "tcs", 0.5, **DEFAULT),
    llm_arm("tcs_bad", "bad", "tcs", -4.0, **DEFAULT),
    SyntheticArm("random", -3.0),
    SyntheticArm("random+default", -2.0, **DEFAULT),
]


def synthetic(seeds: int = 6, **objectives: Objective) -> SyntheticStudy:
    return SyntheticStudy(ARMS, tuple(objectives), range(seeds), objectives=objectives)


def table(report: Report, key: str) -> Table:
    return next(item for item in report.items() if isinstance(item, Table) and item.key == key)


def figure(report: Report, key: str) -> Figure:
    return next(item for item in report.items() if isinstance(item, Figure) and item.key == key)


def axes(drawn: Figure) -> list[str]:
    return [" ".join((label or "").split()) for axes in drawn.draw().axes for label in (axes.get_ylabel(), axes.get_xlabel())]


def verdicts(found: Findings, place: int = 0) -> dict[str, str]:
    return {arm: entry["verdict"] for (arm,), entry in rows_by(found.pools[place].noninferiority, "arm").items()}


def strong(shown: Table, column: int) -> list[str]:
    return [row[0].text for row in shown.rows if row[column].strong]


def made(scores: list[float | None], objective: Objective, arm: str = "x", **more: Any) -> CellData:
    """Return a cell with these validation scores; the test scores are 1 higher."""
    trials = []
    for number, score in enumerate(scores, start=1):
        outcome = Outcome.failed(Status.CRASHED, "no", (), 1.0)
        if score is not None:
            outcome = Outcome(Status.OK, (), 1.0, score, score + 1.0 if objective.test else None, 1)
        trials.append(Trial(number, Proposal({"lr": 0.1 * number}), outcome))
    identity = {"optimizer": {"_target_": "a.Random"}, "task": {"objective": objective.to_mapping()}}
    settings = {"optimizer": {"role": "random"}, "task": more.pop("task_settings", {})}
    manifest = {"identity": identity, "settings": settings}
    cell = CellData("t", arm, 0, len(scores), f"t{arm}", "", state=State.DONE, trials=tuple(trials), manifest=manifest)
    return replace(cell, **more)


def of(*cells: CellData) -> StudyData:
    return StudyData("hand", "made", cells)


# One task that is minimised


@pytest.fixture(scope="module")
def price() -> Findings:
    return find(in_memory(synthetic(10, price=RMSE)), Options(resamples=500))


def test_the_arm_with_the_lower_error_passes_and_is_starred_and_the_one_with_the_higher_fails(price: Findings) -> None:
    assert (verdicts(price)["tcs_phi4"], verdicts(price)["tcs_bad"]) == ("PASS", "FAIL")
    means = rows_by(price.test.natural_scores, "arm", "task")
    assert 0 < means["tcs_phi4", "price"]["mean"] < means["gpt4", "price"]["mean"] < means["tcs_bad", "price"]["mean"]
    shown = table(build_report(price), "scores")
    assert shown.rows[0][0].text == "tcs_phi4"
    assert strong(shown, 1) == ["tcs_phi4"]
    assert shown.rows[0][1].text == f"{means['tcs_phi4', 'price']['mean']:.2f} ± {means['tcs_phi4', 'price']['sd']:.2f}"


def test_the_lowest_and_the_highest_score_keep_their_names(price: Findings) -> None:
    assert (price.test.natural_scores["min"] <= price.test.natural_scores["max"]).all()


def test_the_gap_is_in_the_unit_and_above_zero_where_the_arm_is_better(price: Findings) -> None:
    entry = rows_by(price.noninferiority, "arm")["tcs_phi4",]
    # Half a point, and a point is the margin / 0.9.
    assert entry["gap"] == pytest.approx(0.5 * RMSE.point, abs=0.3)
    report = build_report(price)
    words = to_markdown(report)
    assert "Test rmse of the configuration that validation chose, k\\$, lower is better, mean ± sd over seeds" in words
    assert "not more than 0.5 k\\$ worse than that of gpt4" in words
    assert "The source reports about 0.9 points for" not in words
    assert "Every score is a percentage" not in words
    assert "points of" not in words
    assert table(report, "verdict").columns[2].title == "gap, k$"
    assert table(report, "contrasts_start").columns[2].title == "difference, k$"
    assert set(table(report, "scores").data["unit"]) == {"k$"}
    assert set(table(report, "verdict").data["unit"]) == {"k$"}


def test_the_margin_is_the_tasks_own_and_a_setting_overrides_it_in_points(price: Findings) -> None:
    assert price.pools[0].margin == 0.5
    data = in_memory(synthetic(3, price=RMSE))
    assert find(data, Options(resamples=200, margin_points=1.8)).pools[0].margin == pytest.approx(1.0)
    unequal = find(in_memory(synthetic(3, a=RMSE, b=replace(RMSE, margin=1.0))), Options(resamples=200))
    assert unequal.pools[0].margin == 0.75
    assert "(the mean of the tasks' margins)" in to_markdown(build_report(unequal))


def test_the_axes_of_its_figures_have_name_and_unit_and_its_curves_fall(price: Findings) -> None:
    report = build_report(price)
    assert axes(figure(report, "gaps"))[1] == "test rmse, k$ better (+) or worse (−) than gpt4"
    assert axes(figure(report, "anytime_tasks"))[0] == "test rmse, k$ (lower is better)"
    assert axes(figure(report, "cell_1_curves"))[0] == "validation rmse, k$ (lower is better)"
    assert axes(figure(report, "pareto"))[0] == "average test rmse, k$ (lower is better)"
    curve = figure(report, "anytime_tasks").data
    one = list(curve[curve["arm"] == "gpt4"]["val"])
    assert one == sorted(one, reverse=True)
    known = curve.dropna(subset=["low"])
    assert (known["low"] <= known["test"]).all()
    assert (known["test"] <= known["high"]).all()
    lines = figure(report, "cell_1_curves").draw().axes[0].lines
    best = np.asarray(lines[-1].get_ydata(), dtype=np.float64)
    assert (np.diff(best) <= 0).all()


def test_the_answers_say_which_way_is_better(price: Findings) -> None:
    small = answers_of(price)[1]
    assert small.word == "1 of 2 PASS"
    assert small.text.startswith("k$ of average test rmse against gpt4.")
    assert "Above 0 is better, also where lower scores are." in small.text


def test_the_trace_shows_the_trial_with_the_lowest_error_as_chosen() -> None:
    found = find(of(made([30.0, 10.0, 20.0], RMSE)), Options(resamples=200))
    report = build_report(found)
    rows = table(report, "cell_1").rows
    assert [row[-1].text for row in rows] == ["ok", "chosen", "ok"]
    assert "validation chose trial 2, test rmse 11.00 k$, lower is better" in "\n".join(
        item for item in report.items() if isinstance(item, str)
    )


def test_curves_regret_and_failures_are_counted_from_the_lowest_error() -> None:
    data = of(made([30.0, None, 10.0, 20.0, 50.0], RMSE))
    frames = frames_of(data)
    histories = Histories.of(frames)
    curve = rows_by(curve_frame(histories, 0.95), "task", "trial")
    assert [curve["t", n]["test"] for n in range(1, 6)] == [31.0, 31.0, 11.0, 11.0, 11.0]
    found = find(data, Options(resamples=200))
    frame = regret_frame(histories, frames, found.arms, reference_bests(data, frames))
    # The floor is the median of 10, 20, 30 and 50: 25.
    assert [frame["best"][0], frame["floor"][0], frame["regret"][0]] == [10.0, 25.0, 0.0]
    known = of(made([30.0, 10.0, 20.0], RMSE, task_settings={"best_val_score_pct": 5.0}))
    frames = frames_of(known)
    frame = regret_frame(Histories.of(frames), frames, found.arms, reference_bests(known, frames))
    assert [frame["best"][0], frame["floor"][0], frame["regret"][0]] == [5.0, 20.0, pytest.approx(5 / 15)]
    # 20 points are 11.1 k$.
    measures = cell_measures(data.cells[0], None, Options(), RMSE)
    assert measures["catastrophic"] == pytest.approx(2 / 5)
    assert measures["new_bests"] == pytest.approx(1 / 4)


def test_small_units_get_the_decimals_that_they_need(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(6, clicks=LOG_LOSS), resamples=300)
    assert (verdicts(found)["tcs_bad"], found.pools[0].margin) == ("FAIL", 0.02)
    report = build_report(found)
    mean = rows_by(found.test.natural_scores, "arm", "task")["gpt4", "clicks"]["mean"]
    assert next(row for row in table(report, "scores").rows if row[0].text == "gpt4")[1].text.startswith(f"{mean:.3f} ± ")
    assert "not more than 0.02 nats worse" in " ".join(to_terminal(report, ("verdict",)).split())


def test_errors_that_differ_only_where_nothing_is_printed_are_both_best() -> None:
    cells = [made([0.1234], LOG_LOSS, "a"), made([0.1226], LOG_LOSS, "b"), made([0.13], LOG_LOSS, "c")]
    shown = table(build_report(find(of(*cells), Options(resamples=200))), "scores")
    assert set(strong(shown, 1)) == {"a", "b"}


def test_a_score_to_be_maximised_in_another_unit_is_no_percentage(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(6, fit=R2), resamples=300)
    report = build_report(found)
    assert table(report, "scores").title == "Test R2 of the configuration that validation chose, R², mean ± sd over seeds"
    assert table(report, "scores").rows[0][0].text == "tcs_phi4"
    assert "lower" not in table(report, "scores").title
    assert "not more than 0.01 R² worse" in to_markdown(report)


# Tasks that may not be averaged


@pytest.fixture(scope="module")
def mixed() -> Findings:
    return find(in_memory(synthetic(6, vision=PERCENT, text=PERCENT, price=RMSE, clicks=LOG_LOSS)), Options(resamples=300))


def test_tasks_of_unlike_units_are_not_averaged_and_the_report_says_so_where_it_would_stand(mixed: Findings) -> None:
    report = build_report(mixed)
    said = "Tasks have different units (%, k$, nats): no "
    main_table = table(report, "scores")
    assert "average" not in [column.title for column in main_table.columns]
    assert any(note.startswith(f"{said}average and no gap") for note in main_table.notes)
    assert any(note.startswith(f"{said}average and no gap") for note in main_table.terminal[0].notes)
    for key in ("verdict", "contrasts", "anytime", "cost"):
        section = next(section for section in report.sections if section.key == key)
        assert any(isinstance(item, str) and item.startswith(said) for item in section.walk()), key
    for key in ("stability", "anytime"):
        assert any(note.startswith(said) for note in table(report, key).notes), key
    assert "Tasks have different units (%, k$, nats): nothing is averaged" in answers_of(mixed)[1].text
    assert mixed.test.averages["mean"].isna().all()
    assert "average" not in set(curve_frame(Histories.of(mixed.frames), 0.95)["task"])
    assert not [item.key for item in report.items() if isinstance(item, Figure) and item.key in ("pareto", "anytime_average")]


def test_each_kind_of_score_has_its_own_verdict_and_contrasts(mixed: Findings) -> None:
    assert [(pool.tasks, pool.margin) for pool in mixed.pools] == [
        (("vision", "text"), 0.9),
        (("price",), 0.5),
        (("clicks",), 0.02),
    ]
    assert [verdicts(mixed, place)["tcs_bad"] for place in range(3)] == ["FAIL"] * 3
    report = build_report(mixed)
    assert table(report, "verdict_1").title == "Small LLMs with the TCS: vision and text, in %"
    assert table(report, "verdict_2").title == "Small LLMs with the TCS: price, in k$"
    assert table(report, "contrasts_start_3").columns[2].title == "difference, nats"
    alone = find(in_memory(SyntheticStudy(ARMS, ("vision", "text"), range(6))), Options(resamples=300))
    pd.testing.assert_frame_equal(mixed.pools[0].noninferiority, alone.noninferiority)
    assert set(mixed.noninferiority["pool"]) == {pool.name for pool in mixed.pools}
    lines = [name for name, _ in answers_of(mixed)[1].lines]
    assert [name.partition(":")[0] for name in lines[::2]] == [f"tcs_phi4 on {pool.name}" for pool in mixed.pools]


def test_the_heads_say_unit_and_direction_and_the_rank_stands_for_the_average(mixed: Findings) -> None:
    shown = table(build_report(mixed), "scores")
    assert [column.title for column in shown.columns] == [
        "arm",
        "vision, %",
        "text, %",
        "price, k$ ↓",
        "clicks, nats ↓",
        "mean rank",
    ]
    assert any("price: test rmse in k$, lower is better (↓)" in note for note in shown.notes)
    assert (shown.rows[0][0].text, shown.rows[-1][0].text) == ("tcs_phi4", "tcs_bad")
    assert strong(shown, 3) == ["tcs_phi4"]
    assert axes(figure(build_report(mixed), "anytime_tasks"))[:8:2] == [
        "test score, %",
        "test score, %",
        "test rmse, k$ (lower is better)",
        "test log loss, nats (lower is better)",
    ]


def test_one_unit_in_two_directions_is_not_averaged(findings_of: FindingsOf) -> None:
    error = Objective("error rate", Direction.MINIMIZE, "%")
    report = build_report(findings_of(synthetic(3, vision=PERCENT, faces=error), resamples=200))
    notes = table(report, "scores").notes
    assert any(
        note.startswith("Tasks have different directions (in %, higher is better in some, lower in others)") for note in notes
    )


def test_expectations_over_unlike_tasks_are_refused_and_those_of_one_task_are_in_its_unit(mixed: Findings) -> None:
    terms = {"arm": "tcs_phi4"}
    expected = [
        Expectation("a", "score", {**terms, "at_least": -1e9}),
        Expectation("b", "gap", {**terms, "over": "gpt4", "at_least": -1e9}),
        Expectation("c", "verdict", {**terms, "is": ["PASS", "FAIL", "INCONCLUSIVE"]}),
        Expectation("d", "score", {**terms, "task": "price", "at_least": 0.0, "at_most": 30.0}),
        Expectation("e", "gap", {"arm": "tcs_bad", "over": "gpt4", "task": "price", "at_most": -1.0}),
        Expectation("f", "verdict", {"arm": "tcs_bad", "task": "price", "is": "FAIL"}),
        Expectation("g", "verdict", {"arm": "tcs_bad", "task": "prise", "is": "INCONCLUSIVE"}),
    ]
    outcomes = check(mixed, expected)
    assert [outcome.word for outcome in outcomes] == ["NOT MET"] * 3 + ["met"] * 3 + ["NOT MET"]
    for outcome, what in zip(outcomes, ("average", "gap", "verdict"), strict=False):
        assert outcome.found == f"Tasks have different units (%, k$, nats): no {what} over all of them; name one with task:"
    assert outcomes[3].found.endswith(" k$")
    assert outcomes[4].found.endswith(" k$")


# Tasks without a test score


def test_a_task_without_test_scores_is_marked_and_never_averaged_with_test_scores(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(3, vision=PERCENT, web=UNTESTED), resamples=200)
    assert [pool.tasks for pool in found.pools] == [("vision",), ("web",)]
    means = [rows_by(book.scores, "arm", "task")["gpt4", "web"]["mean"] for book in (found.test, found.val)]
    assert means[0] == means[1]
    assert found.test.averages["mean"].isna().all()
    report = build_report(found)
    note = "(val) web has no test score: its validation scores stand here, averaged with test scores only where all are normalised."
    shown = table(report, "scores")
    assert shown.columns[2].title == "web\u00a0(val), %"
    assert note in shown.notes
    assert note in shown.terminal[0].notes
    assert shown.terminal[0].columns[2].title == "web\u00a0(val)"
    assert note in answers_of(found)[1].text
    assert table(report, "verdict_2").title == "Small LLMs with the TCS: web\u00a0(val), in %"
    assert "Some tasks have a test score, and others only a validation score: no average" in to_markdown(report)
    # Every task has a validation score.
    validation = table(report, "validation")
    assert [column.title for column in validation.columns] == ["arm", "vision", "web", "average"]
    assert not found.val.averages["mean"].isna().any()


def test_a_study_without_any_test_score_is_reported_by_validation(findings_of: FindingsOf) -> None:
    found = findings_of(synthetic(6, web=replace(RMSE, test=False)), resamples=300)
    assert verdicts(found)["tcs_bad"] == "FAIL"
    report = build_report(found)
    shown = table(report, "scores")
    assert shown.title.startswith("Validation rmse of the configuration that validation chose, k$, lower is better")
    assert shown.columns[1].title == "web\u00a0(val)"
    assert "(val) web has no test score: its validation scores stand here." in shown.notes
    assert "(val) web has no test score: its validation scores stand here." in table(report, "stability").notes
    assert axes(figure(report, "gaps"))[1].startswith("validation rmse, k$")
    assert [row[4].text for row in table(report, "cell_1").rows] == ["–"] * 10
    assert set(shown.data["score_of"]) == {"validation"}


# What the manifests say


def test_a_manifest_without_a_word_of_scores_means_percentages() -> None:
    assert made([1.0], PERCENT, manifest={"identity": {}, "settings": {}}).objective == PERCENT
    metric = {"name": "score", "direction": "maximize", "unit": "%", "margin": None}
    assert made([1.0], PERCENT, manifest={"settings": {"task": {"metric": metric, "test": "score"}}}).objective == PERCENT


def test_settings_are_read_where_the_identity_says_nothing() -> None:
    metric = {"name": "rmse", "direction": "minimize", "unit": "k$", "margin": 0.5}
    manifest = {"identity": {"task": {}}, "settings": {"task": {"metric": metric, "test": "none"}}}
    assert made([1.0], PERCENT, manifest=manifest).objective == replace(RMSE, test=False)


def test_cells_that_disagree_on_the_kind_of_score_are_named_and_not_counted() -> None:
    study = settled(of(made([10.0], RMSE, "a"), made([80.0], PERCENT, "b"), made([9.0], replace(RMSE, margin=2.0), "c")))
    assert [cell.state for cell in study.cells] == [State.DONE, State.UNREADABLE, State.DONE]
    assert len(study.problems) == 2
    assert study.problems[0].startswith(
        "task t: its cells disagree on what its scores are (rmse in k$, lower is better, margin 0.5 in t/a/"
    )
    assert study.problems[0].endswith(
        "score in %, higher is better, margin 0.9 in t/b/seed0): cells like the second are not counted"
    )
    assert study.problems[1].endswith("margin 2 in t/c/seed0): the first one counts")
    report = build_report(find(of(made([10.0], RMSE, "a"), made([80.0], PERCENT, "b")), Options(resamples=200)))
    assert report.problems[0].startswith("task t: its cells disagree")
    assert [row[0].text for row in table(report, "scores").rows] == ["a"]


@pytest.mark.parametrize(
    "said", [{"direction": "sideways"}, {"margin": -1}, {"margin": "much"}, {"margin": math.nan}, {"margin": [1]}, "minimize", 5]
)
def test_an_objective_that_cannot_be_read_costs_its_cell_and_a_line(said: Any) -> None:
    broken = made([1.0], PERCENT, "b", manifest={"identity": {"task": {"objective": said}}})
    report = build_report(find(of(made([80.0], PERCENT, "a"), broken), Options(resamples=200)))
    assert ["does not say what its scores are" in line for line in report.problems] == [True]
    assert [row[0].text for row in table(report, "scores").rows] == ["a"]


def test_a_task_that_was_never_started_does_not_make_a_study_a_mixed_one() -> None:
    never = CellData("u", "x", 0, 1, "u", "")
    assert Objectives.of(of(made([1.0], RMSE), never)).refusal == ""


def test_sources_that_disagree_on_what_scores_are_do_not_agree() -> None:
    (line,) = disagreements(of(made([1.0], RMSE)), of(made([1.0], LOG_LOSS)))
    assert "its scores are {'name': 'rmse'" in line
    assert not list(disagreements(of(made([2.0, 1.0], RMSE)), of(made([2.0, 1.0], RMSE))))


@pytest.mark.full
def test_names_and_units_from_outside_reach_no_renderer_unescaped(tmp_path: Path) -> None:
    hostile = Objective("<b>$x$\x1b[2J" * 9, Direction.MINIMIZE, "|$y$_{\x07" * 9, 0.5)
    report = build_report(find(in_memory(synthetic(2, vision=PERCENT, web=hostile)), Options(resamples=200, traces=1)))
    write_report(report, tmp_path)
    for text in (
        to_terminal(report, ("scores", "verdict")),
        *((tmp_path / name).read_text() for name in ("report.md", "report.html")),
    ):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "<b>$x$" not in (tmp_path / "report.html").read_text()


# The whole way from records


def test_a_mixed_study_goes_from_its_records_to_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mixed"
    write_study(folder, synthetic(2, vision=PERCENT, price=RMSE, web=UNTESTED))
    assert read_study(folder).problems == ()
    out = tmp_path / "out"
    assert main([str(folder), "report.resamples=200", "report.traces=1", "--out", str(out)]) == 0
    assert "no average and no gap" in capsys.readouterr().out
    data = pd.read_csv(out / "csv" / "scores.csv")
    assert set(zip(data["task"], data["unit"], data["direction"], data["score_of"], strict=True)) == {
        ("vision", "%", "maximize", "test"),
        ("price", "k$", "minimize", "test"),
        ("web", "%", "maximize", "validation"),
    }
    assert (data["mean"] > 0).all()
    assert r"k\$ $\downarrow$" in (out / "latex" / "scores.tex").read_text()
    assert main([str(folder), "--agree", "records"]) == 0
