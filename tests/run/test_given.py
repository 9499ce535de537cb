"""Cells that start from what was already evaluated."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.cells import cells_of
from support.commands import CONF, records
from support.given import DEFAULT, HEAD, ROWS, given_file
from support.methods import SHOWN, odd
from support.wandb_files import read_when_written

from harness.cell import Cell
from harness.report.sources.records import read_study
from harness.report.sources.select import disagreements
from harness.run.loop import SAME_AS_GIVEN
from harness.run.study import Result, run_cells
from harness.store.cell_folder import SUMMARY, TRIALS, read_json, read_trials
from harness.testing.servers.ollama_api import OllamaDouble
from harness.trial import Status, Trial

CLASSICAL = ("random", "sobol", "tpe", "optuna_gp", "skopt_gp", "skopt_rf", "rules", "rules_anonymous", "rules_shuffled")


def run(out: Path, *overrides: str) -> tuple[Cell, tuple[Trial, ...], Result]:
    """Run the one cell of these settings; return it, its trials and what became of it."""
    (cell,), settings = cells_of(out, f"given={given_file(out)}", *overrides)
    result = run_cells([cell], settings)
    return cell, read_trials(out / "main" / cell.folder), result


def sources(trials: tuple[Trial, ...]) -> list[str]:
    return [trial.proposal.source for trial in trials]


@pytest.mark.parametrize("optimizer", CLASSICAL)
def test_every_method_goes_on_from_given_trials(optimizer: str, tmp_path: Path) -> None:
    _, trials, result = run(tmp_path, f"optimizer={optimizer}", "start=default", "budget=2")
    assert result.done == 1
    assert sources(trials) == ["given"] * 3 + ["optimizer"] * 2  # the default is among what was given
    given = [trial.config for trial in trials[:3]]
    assert given[0] == DEFAULT
    assert not any(trial.config in given for trial in trials[3:])


@pytest.mark.parametrize("optimizer", ["tpe", "rules"])
def test_a_cell_broken_off_anywhere_resumes_to_the_same_records(optimizer: str, tmp_path: Path) -> None:
    out = tmp_path / "whole"
    cell, _, _ = run(out, f"optimizer={optimizer}", "start=default", "budget=3")
    lines = (out / "main" / cell.folder / TRIALS).read_bytes().splitlines(keepends=True)
    (_,), settings = cells_of(out, f"given={given_file(out)}", f"optimizer={optimizer}", "start=default", "budget=3")
    for kept in (0, 2, 3, 5):  # killed while the given trials are written, between them and the first own one, and later
        again = tmp_path / f"{kept}"
        shutil.copytree(out, again)
        folder = again / "main" / cell.folder
        (folder / SUMMARY).unlink()
        (folder / TRIALS).write_bytes(b"".join(lines[:kept]))
        assert run_cells([cell], replace(settings, out=str(again))).done == 1
        assert records(again / "main") == records(out / "main")


def test_what_is_given_is_not_counted_and_its_seconds_are_not_the_cell_s(tmp_path: Path) -> None:
    rows = [f"{row.strip()},9000\n" for row in ROWS]
    path = given_file(tmp_path, *rows, head=f"{HEAD.strip()},seconds\n")
    (cell,), settings = cells_of(tmp_path, f"given={path}", "budget=2")
    assert run_cells([cell], settings).done == 1
    trials = read_trials(tmp_path / "main" / cell.folder)
    summary = read_json(tmp_path / "main" / cell.folder / SUMMARY)
    failed = sum(trial.score is None for trial in trials)
    assert (summary["trials"], summary["given"], summary["failures"]) == (5, 3, {"diverged": failed})
    assert summary["incumbent"] == max((t for t in trials if t.score is not None), key=lambda t: t.score or 0).number
    assert [trial.outcome.seconds for trial in trials[:3]] == [9000.0] * 3
    assert 0 < summary["train_seconds"] < 9000


def test_the_default_is_tried_first_unless_it_was_given(tmp_path: Path) -> None:
    path = given_file(tmp_path, *ROWS[1:])
    (cell,), settings = cells_of(tmp_path, f"given={path}", "start=default", "budget=2")
    assert run_cells([cell], settings).done == 1
    trials = read_trials(tmp_path / "main" / cell.folder)
    assert sources(trials) == ["given", "given", "default", "optimizer"]
    assert trials[2].config == DEFAULT


def test_the_default_alone_is_nothing_to_train_where_it_was_given(tmp_path: Path) -> None:
    _, trials, result = run(tmp_path, "optimizer=default_only")
    assert (result.done, sources(trials)) == (1, ["given"] * 3)


def test_a_sobol_sequence_begins_with_its_first_point(tmp_path: Path) -> None:
    _, trials, _ = run(tmp_path, "optimizer=sobol", "budget=2")
    (plain,), settings = cells_of(tmp_path / "plain", "optimizer=sobol", "budget=2")
    run_cells([plain], settings)
    assert [t.config for t in trials[3:]] == [t.config for t in read_trials(tmp_path / "plain" / "main" / plain.folder)]


def test_a_proposal_that_was_given_is_not_trained_again(tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path / "first", "budget=2")
    assert run_cells([cell], settings).done == 1
    first = read_trials(tmp_path / "first" / "main" / cell.folder)
    (drawn, *_) = first[1:]
    row = f"{drawn.config['learning_rate']!r},{drawn.config['momentum']!r},12.5,,,\n"
    # Random search draws by the number of the trial: with one given trial, its first draw is the second of the other cell.
    (cell,), settings = cells_of(tmp_path, f"given={given_file(tmp_path, row)}", "budget=2")
    assert run_cells([cell], settings).done == 1
    given, repeat, other = read_trials(tmp_path / "main" / cell.folder)
    assert (repeat.config, repeat.score, repeat.outcome.seconds) == (given.config, 12.5, 0.0)
    assert (repeat.proposal.source, repeat.proposal.note) == ("optimizer", {SAME_AS_GIVEN: 1})
    assert other.proposal.note == {}


def test_a_method_sees_given_trials_and_never_their_test_scores(tmp_path: Path) -> None:
    SHOWN.clear()
    run(tmp_path, "optimizer._target_=support.methods.Watching", "optimizer.name=watching", "budget=1")
    (shown,) = SHOWN
    SHOWN.clear()
    assert [trial.score for trial in shown] == [60.5, 97.25, None]
    assert all(trial.outcome.test_score_pct is None for trial in shown)


def test_a_cell_whose_own_trainings_all_crashed_is_no_result(tmp_path: Path) -> None:
    path = given_file(tmp_path, "0.25,70\n", head="x,score\n")
    (cell,), settings = cells_of(tmp_path, "task=faulty", "budget=2", "task.params.action=raise", f"given={path}", conf=CONF)
    result = run_cells([cell], settings)
    assert "all 2 trials failed" in result.failed[0]
    assert run_cells([cell], settings).failed  # the next launch trains anew, after the same given trials
    trials = read_trials(tmp_path / "main" / cell.folder)
    assert [trial.outcome.status for trial in trials] == [Status.OK, Status.CRASHED, Status.CRASHED]


def test_an_edited_file_is_refused_once_a_trial_of_its_own_is_recorded_and_not_before(tmp_path: Path) -> None:
    path = given_file(tmp_path)
    (cell,), settings = cells_of(tmp_path, f"given={path}", *odd("raise", good=3))
    assert run_cells([cell], settings).failed
    assert not (tmp_path / "main" / cell.folder / TRIALS).read_bytes()
    given_file(tmp_path, *ROWS[:2])
    (edited,), settings = cells_of(tmp_path, f"given={path}", *odd("raise", good=3))
    assert run_cells([edited], settings).failed  # after one trial of its own
    given_file(tmp_path, *ROWS[:1])
    (third,), settings = cells_of(tmp_path, f"given={path}", *odd("raise", good=3))
    assert "was made with other settings (given.trials: 2 there, 1 here" in run_cells([third], settings).failed[0]


ASKED: dict[str, tuple[str, ...]] = {
    "tcs": ("optimizer=tcs",),
    "raw": ("optimizer=raw",),
    "blind": ("optimizer=blind",),
    "shuffled, anonymous": ("optimizer=shuffled", "agent.names=anonymous"),
    "scores, two calls, levels": ("optimizer=scores", "agent.calls=two", "agent.values=levels"),
    "published": ("optimizer=published",),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_agent_is_shown_given_trials_as_trials(name: str, tmp_path: Path) -> None:
    with OllamaDouble() as double:
        llm = ("llm=phi4", f"llm.base_url={double.url}")
        cell, trials, result = run(tmp_path, *ASKED[name], *llm, "budget=2")
    assert (result.done, len(trials)) == (1, 5)
    assert not any(source in ("given", "fallback") for source in sources(trials)[3:])
    rows = [json.loads(line) for line in (tmp_path / "main" / cell.folder / "calls.jsonl").read_text().splitlines()]
    asked = "\n".join(message["content"] for message in rows[0]["messages"])
    assert rows[0]["trial"] == 4
    if name in ("tcs", "raw", "scores, two calls, levels"):
        assert "97.25" in asked
        assert "5" in asked  # of all trials: those that were given, and the budget


def test_the_w_and_b_mirror_holds_given_trials_too(tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path, f"given={given_file(tmp_path)}", "budget=1", "tracking=wandb_offline")
    assert run_cells([cell], settings).done == 1
    study = tmp_path / "main"
    assert list(disagreements(read_study(study), read_when_written(study / "wandb", "main", cells=1))) == []
