"""Coverage, scores, curves, stability, the funnel, cost and ranks, each against a case counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from report.conftest import in_memory

from harness.report.analysis.arms import arms_of
from harness.report.analysis.frames import frames_of, rows_by
from harness.report.analysis.options import Options
from harness.report.analysis.scores import ScoreBook, best_arms
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Fold, Report, Table
from harness.report.render.marks import Marks
from harness.report.sections.anytime import Histories, curve_frame, reference_bests, regret_frame
from harness.report.sections.cost import cost_frame, pareto_front
from harness.report.sections.coverage import coverage_counts, coverage_section, coverage_sentence
from harness.report.sections.funnel import funnel_frame, marked_arms
from harness.report.sections.stability import cell_measures
from harness.report.study_data import Call, CellData, State, StudyData
from harness.space import Config, Space
from harness.testing.synthetic_study import SyntheticStudy, llm_arm
from harness.trial import Outcome, Proposal, Status, Trial

SPACE = Space.from_mapping(
    {
        "lr": {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log", "default": 0.01, "meaning": "x"},
        "layers": {"type": "int", "low": 1, "high": 4, "default": 2, "meaning": "x"},
        "kind": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a", "meaning": "x"},
    }
)
OPTIONS = Options(resamples=200)


def trial(place: int, score: float | None, config: Config | None = None, source: str = "optimizer") -> Trial:
    config = config or {"lr": 0.01 * place, "layers": 2, "kind": "a"}
    if score is None:
        return Trial(place, Proposal(config, source), Outcome.failed(Status.DIVERGED, "val_loss is nan", (), 1.0), 0.5)
    return Trial(place, Proposal(config, source), Outcome(Status.OK, (), 1.0, score, score - 1.0, 1), 0.5)


def cell(scores: list[float | None], arm: str = "x", task: str = "t", seed: int = 0) -> CellData:
    trials = tuple(trial(place, score) for place, score in enumerate(scores, start=1))
    identity = {"optimizer": {"_target_": "a.Random"}, "start": "none"}
    manifest = {"identity": identity, "settings": {"optimizer": {"role": "random"}}}
    return CellData(task, arm, seed, len(scores), f"{task}{arm}{seed}", "", state=State.DONE, trials=trials, manifest=manifest)


def study(*cells: CellData) -> StudyData:
    return StudyData("hand", "made", cells)


# Coverage


def test_every_state_is_counted_and_every_reason_is_given() -> None:
    cells = [replace(cell([1.0], seed=seed), state=state, reason=f"why {state}", fix="") for seed, state in enumerate(State)]
    frames = frames_of(study(*cells))
    (entry,) = rows_by(coverage_counts(frames), "arm").values()
    assert entry["planned"] == len(State)
    assert all(entry[state.value] == 1 for state in State)
    assert coverage_sentence(frames) == (
        "1 of 6 planned cells are done; 1 failed, 1 blocked, 1 unfinished, 1 unreadable and 1 never started."
    )
    section = coverage_section(frames, Marks(arms_of(study(*cells))))
    reasons = next(item for item in section.items if isinstance(item, Table) and item.key == "coverage_reasons")
    assert {row[1].text for row in reasons.rows} == {"failed", "blocked", "unfinished", "unreadable"}


def test_a_complete_study_folds_its_coverage() -> None:
    section = coverage_section(frames_of(study(cell([1.0]))), Marks())
    assert section.items[0] == "1 of 1 planned cells are done, so every planned cell is in the tables."
    assert isinstance(section.items[1], Fold)


# Scores


def test_the_score_is_the_test_score_of_what_validation_chose() -> None:
    book = ScoreBook.of(frames_of(study(cell([10.0, 30.0, 20.0]), cell([None, 50.0, 50.0], seed=1))), "test")
    (entry,) = rows_by(book.scores, "arm", "task").values()
    assert (entry["mean"], entry["sd"]) == (39.0, pytest.approx(math.sqrt(200.0)))


def test_unequal_seeds_are_counted_and_never_cut() -> None:
    cells = [cell([10.0], seed=0), cell([20.0], seed=1), replace(cell([90.0], seed=2), state=State.FAILED), cell([5.0], arm="y")]
    report = build_report(find(study(*cells), replace(OPTIONS, reference="y")))
    table = the_table(report, "scores")
    assert next(row for row in table.rows if row[0].text == "x")[1].text == "14.0 ± 7.1 (2/3)"
    assert any("(k/n)" in note for note in table.notes)


def test_ties_as_printed_are_both_best_and_an_incomplete_arm_is_not() -> None:
    cells = [cell([50.01], arm="a"), cell([49.99], arm="b"), cell([10.0], arm="c"), cell([99.0], arm="d")]
    cells.append(replace(cell([1.0], arm="d", seed=1), state=State.NEVER))
    book = ScoreBook.of(frames_of(study(*cells)), "test")
    assert best_arms(book.scores) == {"t": {"a", "b"}}


def test_an_arm_that_lacks_seeds_never_has_the_best_average() -> None:
    cells = [cell([score], arm=arm, task=task) for arm, score in (("a", 50.0), ("d", 99.0)) for task in ("t", "u")]
    cells.append(replace(cell([1.0], arm="d", seed=1), state=State.NEVER))
    rows = {row[0].text: row for row in the_table(build_report(find(study(*cells), OPTIONS)), "scores").rows}
    assert [rows["a"][3].strong, rows["d"][3].strong] == [True, False]


def test_a_table_of_one_task_has_no_average_and_one_seed_no_deviation() -> None:
    data = study(cell([50.0], arm="a"), cell([40.0], arm="b"))
    table = the_table(build_report(find(data, OPTIONS)), "scores")
    assert [column.title for column in table.columns] == ["arm", "t", "gap", "95 % interval"]
    (means,) = table.terminal
    assert [column.title for column in means.columns] == ["arm", "t", "gap"]
    said = "No arm has a score from two seeds of a task, so there is no deviation over seeds."
    assert said in table.notes
    assert said in means.notes
    two = the_table(build_report(find(study(cell([50.0]), cell([40.0], seed=1)), OPTIONS)), "scores")
    assert [column.title for column in two.terminal[1].columns] == ["arm", "t"]
    assert said not in two.notes


def test_the_average_is_over_all_tasks_or_not_at_all() -> None:
    cells = [cell([10.0], task="t"), cell([30.0], task="u"), cell([90.0], arm="y", task="t")]
    averages = rows_by(ScoreBook.of(frames_of(study(*cells)), "test").averages, "arm")
    assert averages["x",]["mean"] == 19.0
    assert math.isnan(averages["y",]["mean"])


# Anytime


def test_curves_follow_the_incumbent_and_say_how_many_cells_they_rest_on() -> None:
    frames = frames_of(study(cell([None, 20.0, 10.0]), cell([30.0, 40.0, 50.0], seed=1)))
    curve = rows_by(curve_frame(Histories.of(frames), 0.95), "task", "trial")
    assert [curve["t", n]["test"] for n in (1, 2, 3)] == [29.0, 29.0, 34.0]
    assert [curve["t", n]["scored"] for n in (1, 2, 3)] == [1, 2, 2]
    assert math.isnan(curve["t", 1]["low"])


def test_a_cell_that_ended_early_keeps_its_incumbent() -> None:
    short = replace(cell([30.0]), budget=3)
    curve = rows_by(curve_frame(Histories.of(frames_of(study(short))), 0.95), "task", "trial")
    assert [curve["t", n]["val"] for n in (1, 2, 3)] == [30.0, 30.0, 30.0]


def test_regret_is_measured_from_the_best_seen_or_the_known_best() -> None:
    data = study(cell([0.0, 50.0, 100.0]))
    frames, arms = frames_of(data), arms_of(data)
    histories = Histories.of(frames)
    assert reference_bests(data, frames) == [(100.0, "seen")]
    (entry,) = rows_by(regret_frame(histories, frames, arms, reference_bests(data, frames)), "arm").values()
    # The floor is the median of random search's trials, 50: regrets 2, 1, 0.
    assert (entry["regret"], entry["area"], entry["floor"]) == (0.0, 1.0, 50.0)
    known = replace(
        data.cells[0],
        manifest={**data.cells[0].manifest, "settings": {"task": {"best_val_score_pct": 150.0}, "optimizer": {"role": "random"}}},
    )
    assert reference_bests(study(known), frames) == [(150.0, "known")]


def test_the_regret_of_every_task_is_in_a_file_of_its_own() -> None:
    data = study(cell([0.0, 50.0, 100.0]), cell([10.0, 20.0, 30.0], task="u"))
    frame = the_table(build_report(find(data, OPTIONS)), "regret").data
    assert list(frame["task"]) == ["t", "u"]
    assert list(frame["origin"]) == ["seen", "seen"]
    assert list(frame["floor_of"]) == ["random search's trials"] * 2
    assert list(frame["area"]) == [1.0, 1.0]


def test_what_stands_for_a_regret_of_one_is_named_as_what_it_is() -> None:
    made = cell([0.0, 50.0, 100.0])
    data = study(replace(made, manifest={**made.manifest, "settings": {"optimizer": {"role": "tuner"}}}))
    report = build_report(find(data, OPTIONS))
    assert set(the_table(report, "regret").data["floor_of"]) == {"all trials"}
    assert "1 the median of all trials." in the_table(report, "anytime").notes[0]


def test_seeds_that_are_all_alike_have_no_interval_around_their_curve() -> None:
    curve = rows_by(curve_frame(Histories.of(frames_of(study(cell([5.0]), cell([5.0], seed=1)))), 0.95), "task", "trial")
    assert curve["t", 1]["test"] == 4.0
    assert math.isnan(curve["t", 1]["low"])


def test_on_a_table_each_cell_is_measured_from_the_best_of_its_training_seed() -> None:
    bests = {"task": {"best_val_score_pct": {"0": 100.0, "1": 200.0}}}
    made = [cell([0.0, 50.0, 100.0], seed=seed) for seed in (0, 1)]
    data = study(*(replace(c, manifest={"identity": {"train_seed": c.seed}, "settings": bests}) for c in made))
    frames = frames_of(data)
    assert reference_bests(data, frames) == [(100.0, "grid"), (200.0, "grid")]
    frame = regret_frame(Histories.of(frames), frames, arms_of(study(*made)), reference_bests(data, frames))
    # The floor is 50: the first cell reaches its best, and the second comes a third of the way.
    assert list(frame["regret"]) == [pytest.approx((0.0 + 100.0 / 150.0) / 2)]
    assert list(frame["best"]) == [150.0]


# Stability


def measured(*trials: Trial) -> dict[str, float]:
    return cell_measures(replace(cell([1.0]), trials=trials), SPACE, OPTIONS)


def test_a_trial_is_catastrophic_when_it_fails_or_falls_far_below_the_best() -> None:
    found = measured(trial(1, 80.0), trial(2, None), trial(3, 59.0), trial(4, 61.0), trial(5, 90.0))
    assert found["catastrophic"] == pytest.approx(2 / 5)
    assert found["failed"] == pytest.approx(1 / 5)


def test_new_bests_and_trend_follow_the_scores() -> None:
    assert measured(*(trial(n, 10.0 * n) for n in range(1, 6)))["trend"] == pytest.approx(1.0)
    found = measured(trial(1, None), trial(2, 5.0), trial(3, 4.0), trial(4, 6.0))
    assert found["new_bests"] == pytest.approx(2 / 3)
    assert math.isnan(measured(trial(1, 5.0), trial(2, 5.0), trial(3, 5.0))["trend"])


def test_exact_and_near_repeats_differ() -> None:
    configs: list[Config] = [
        {"lr": 0.01, "layers": 2, "kind": "a"},
        {"lr": 0.01, "layers": 2, "kind": "a"},
        {"lr": 0.0101, "layers": 2, "kind": "a"},
        {"lr": 0.0101, "layers": 2, "kind": "b"},
    ]
    found = measured(*(trial(n, 1.0, config) for n, config in enumerate(configs, start=1)))
    assert (found["exact_repeats"], found["near_repeats"]) == (0.25, 0.25)


def test_only_numbers_with_a_wide_range_can_be_at_a_boundary() -> None:
    configs: list[Config] = [
        {"lr": 1e-4, "layers": 1, "kind": "a"},
        {"lr": 1.0, "layers": 4, "kind": "a"},
        {"lr": 0.1, "layers": 1, "kind": "a"},
    ]
    found = measured(*(trial(n, 1.0, config) for n, config in enumerate(configs, start=1)))
    assert found["boundary"] == pytest.approx(2 / 3)


def test_a_move_is_measured_on_each_hyperparameters_own_scale() -> None:
    # lr from one end of its log scale to the other (1), layers unchanged (0), another category (1).
    one: Config = {"lr": 1e-4, "layers": 2, "kind": "a"}
    two: Config = {"lr": 1.0, "layers": 2, "kind": "b"}
    assert measured(trial(1, 1.0, one), trial(2, 1.0, two))["move"] == pytest.approx(math.sqrt(2 / 3))


# Funnel and cost


def llm_study() -> StudyData:
    data = in_memory(SyntheticStudy([llm_arm("tcs", "gpt-4o", "tcs", failure_rate=0.0)], ("a",), (0,), budget=4))
    sources = ("llm", "llm-retry-2", "fallback", "llm")
    kinds = [None, "unparsed", "repeat", None, "invalid", "invalid", "unparsed", None]
    trials = tuple(replace(t, proposal=Proposal(t.config, s)) for t, s in zip(data.cells[0].trials, sources, strict=True))
    calls = [
        Call(1, n, problem=k, problem_kind=k, prompt_tokens=100, completion_tokens=10, seconds=2.0, usd=0.5)
        for n, k in enumerate(kinds)
    ]
    calls.append(Call(4, 9, answered=False, error="timed out", seconds=9.0))
    calls.append(Call(4, 10, role="analyzer", prompt_tokens=7))
    calls.append(Call(4, 11, role="surrogate", seconds=0.0, usd=0.0))
    return replace(data, cells=(replace(data.cells[0], trials=trials, calls=tuple(calls)),))


def test_the_funnel_counts_every_step() -> None:
    data = llm_study()
    (entry,) = rows_by(funnel_frame(data, arms_of(data)), "arm").values()
    assert [entry[step] for step in ("calls", "answered", "parsed", "valid", "new", "trained")] == [9, 8, 6, 4, 3, 3]
    assert [entry[name] for name in ("llm", "retry", "fallback", "default", "optimizer")] == [2, 1, 1, 0, 0]
    assert entry["analyses"] == 2


def test_an_arm_with_many_fallbacks_is_marked_wherever_it_stands() -> None:
    data = llm_study()
    funnel = funnel_frame(data, arms_of(data))
    assert marked_arms(funnel, Options(fallback_share=0.2)) == {"tcs"}
    assert marked_arms(funnel, Options(fallback_share=0.25)) == set()
    report = build_report(find(data, OPTIONS))
    assert the_table(report, "scores").rows[0][0].text == "tcs\u00a0‡"
    assert the_table(report, "provenance").rows[0][0].text == "tcs\u00a0‡"


def test_failed_calls_cost_too_and_unknown_tokens_are_not_zero() -> None:
    entry = rows_by(cost_frame(llm_study()), "arm")["tcs",]
    assert (entry["calls"], entry["prompt_tokens"], entry["completion_tokens"]) == (11, 807, 80)
    assert entry["calls_per_trial"] == 5.5
    assert entry["llm_seconds"] == 25.0
    assert entry["usd"] == 4.0
    none = rows_by(cost_frame(study(cell([1.0]))), "arm")["x",]
    assert (none["calls"], none["usd"]) == (0, 0)


def test_the_pareto_front_keeps_what_nothing_beats_in_both() -> None:
    assert pareto_front([(1.0, 10.0), (2.0, 20.0), (3.0, 15.0), (2.0, 19.0), (1.0, 10.0)]) == [True, True, False, False, True]


def the_table(report: Report, key: str) -> Table:
    return next(item for item in report.items() if isinstance(item, Table) and item.key == key)


def test_no_table_shows_a_number_that_pandas_made_of_nothing() -> None:
    data = study(cell([None, None]), cell([50.0, None], arm="y"))
    for item in build_report(find(data, OPTIONS)).items():
        if isinstance(item, Table):
            assert isinstance(item.data, pd.DataFrame)
            assert not any(text.text.lower() in ("nan", "none", "inf", "<na>") for row in item.rows for text in row)


def draws(versions: dict[str, int] | None, tasks: str) -> str:
    identity = {"optimizer": {"_target_": "a.Random"}} | ({} if versions is None else {"versions": versions})
    cells = [replace(cell([1.0], task=task, seed=seed), manifest={"identity": identity}) for task in tasks for seed in (0, 1)]
    return dict(build_report(find(study(*cells), OPTIONS)).facts).get("Draws", "")


def test_what_the_settings_say_of_a_model_is_a_fact_of_the_page() -> None:
    small = {"llm": {"name": "tiny", "remark": "a test of the machinery"}}
    cells = [replace(cell([1.0], seed=seed), manifest={**cell([1.0]).manifest, "settings": small}) for seed in range(2)]
    facts = build_report(find(study(*cells, cell([1.0], arm="y")), OPTIONS)).facts
    assert [fact for fact in facts if fact[0].startswith("The LLM")] == [("The LLM tiny", "a test of the machinery")]


def test_cells_whose_draws_repeat_over_tasks_are_said_to_have_intervals_that_are_too_short() -> None:
    assert "intervals over several tasks are too short" in draws(None, "ab")
    assert draws(None, "a") == ""
    assert draws({"random": 2}, "ab") == ""
