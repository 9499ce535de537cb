"""Cells that began from given trials, in the report: counted apart, and never compared with those that did not."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cells import cells_of
from support.given import ROWS, given_file

from harness.report.analysis.arms import mixed_arms
from harness.report.analysis.frames import rows_by, rows_of
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.markdown import to_markdown
from harness.report.sections.anytime import Histories
from harness.report.sections.findings import Findings
from harness.report.sources.records import read_study
from harness.run.study import add_to_plan, run_cells

BUDGET, SEEDS = 3, 3
ARMS = ("random", "rules", "default_only")


def run(out: Path, *overrides: str) -> None:
    cells, settings = cells_of(out, f"budget={BUDGET}", f"seeds={SEEDS}", "store.sync=cell", *overrides)
    add_to_plan(out / "main", cells)
    assert run_cells(cells, settings).done == SEEDS


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    for arm in ARMS:
        run(out, f"optimizer={arm}")
        run(out, f"optimizer={arm}", f"given={given_file(out)}")
    # The best given trial has a test score here.
    known = given_file(out, ROWS[0], "0.1,0.9,97.25,96.0,,\n", name="tested.csv")
    run(out, "optimizer=random", "arm=tested", f"given={known}")
    return out / "main"


@pytest.fixture(scope="module")
def found(study: Path) -> Findings:
    return find(read_study(study), Options(resamples=200, traces=1))


def test_given_trials_are_counted_apart_from_the_cell_s_own(found: Findings) -> None:
    cells = rows_by(found.frames.cells, "arm", "seed")
    for seed in range(SEEDS):
        assert (cells["rules+given", seed]["given"], cells["rules+given", seed]["trials"]) == (3, BUDGET)
        assert (cells["rules", seed]["given"], cells["rules", seed]["trials"]) == (0, BUDGET)
        assert (cells["default_only+given", seed]["given"], cells["default_only+given", seed]["trials"]) == (3, 0)
    own = found.frames.trials[found.frames.trials["arm"] == "rules+given"]
    assert sorted(set(own["trial"])) == [1, 2, 3]
    assert set(own["source"]) == {"optimizer"}


def test_curves_and_incumbents_begin_with_the_best_given_trial(found: Findings) -> None:
    histories = Histories.of(found.frames)
    for arm in ("rules+given", "random+given", "default_only+given"):
        assert histories.val[arm, "toy"].shape == (SEEDS, BUDGET)
        assert (histories.val[arm, "toy"] >= 97.25).all()


def test_a_given_trial_is_chosen_with_the_test_score_that_the_file_gives_or_with_none(found: Findings) -> None:
    cells = rows_by(found.frames.cells, "arm", "seed")
    chosen = [cell for cell in cells.values() if cell["chose_given"]]
    assert {cell["arm"] for cell in chosen} >= {"default_only+given", "tested"}
    for cell in chosen:
        assert (cell["test"] == 96.0) if cell["arm"] == "tested" else cell["test"] != cell["test"]
    assert "in 3 of its cells the chosen trial was given without a test score" in found.marks.withheld["default_only+given"]
    assert "tested" not in found.marks.withheld


def test_only_arms_with_the_same_given_trials_are_compared(found: Findings) -> None:
    pairs = {(entry["first"], entry["second"]) for entry in rows_of(found.contrasts) if entry["first"] != entry["second"]}
    assert {("rules+given", "random+given"), ("rules", "random")} <= pairs
    for first, second in pairs:
        assert found.arms[first].given == found.arms[second].given
    verdicts = {entry["arm"]: entry for entry in rows_of(found.noninferiority)}
    assert verdicts["tested"]["verdict"] == "NO VERDICT"
    assert verdicts["tested"]["reason"] == "tested and random did not begin from the same given trials: no verdict"


def test_the_page_says_so(found: Findings) -> None:
    text = to_markdown(build_report(found))
    assert "◇ began from given trials, which the budget does not count; validation chose one:" in text
    assert "fixed rules that read the summary, after given trials" in text


def test_cells_of_one_arm_with_different_given_trials_are_named(study: Path, tmp_path: Path) -> None:
    for seed, rows in enumerate((ROWS[:1], ROWS[:2])):
        cells, settings = cells_of(tmp_path, "budget=1", f"seed={seed}", f"given={given_file(tmp_path, *rows)}")
        add_to_plan(tmp_path / "main", cells)
        run_cells(cells, settings)
    (line,) = mixed_arms(read_study(tmp_path / "main"))
    assert line.startswith("arm random+given on toy: its cells began from 2 different sets of given trials")
    assert mixed_arms(read_study(study)) == []
