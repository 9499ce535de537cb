"""Ask and tell: what a user may do with a tuner, in which order, and what its file keeps."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Epoch, Exhausted, HarnessError, InvalidConfig, SettingsError, Status, Tuner
from harness.errors import CellMismatch, RecordError, StorageError
from harness.trial import Trial

SPACE: dict[str, dict[str, object]] = {
    "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "meaning": "learning rate"},
    "layers": {"type": "int", "low": 1, "high": 8},
    "kind": {"type": "categorical", "choices": ["adam", "sgd"]},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99, "when": {"kind": "sgd"}},
}
RMSE = {"name": "rmse", "unit": "kWh", "margin": 0.5}


def score(config: dict[str, Any]) -> float:
    return float(90 - 10 * abs(math.log10(config["rate"]) + 2) - config["layers"] - 3 * config.get("momentum", 0.5))


def tuned(tuner: Tuner, trials: int) -> Tuner:
    for _ in range(trials):
        config = tuner.ask()
        tuner.tell(config, score(config))
    return tuner


def plain(trials: tuple[Trial, ...]) -> list[object]:
    return [(trial.number, trial.config, trial.proposal.source, trial.outcome.curve, trial.outcome.status) for trial in trials]


@pytest.mark.parametrize("method", ["rules", "random", "sobol", "default_only", "tpe"])
def test_methods_by_name_tune_and_the_best_is_the_best(method: str) -> None:
    tuner = Tuner(SPACE, method, seed=3, budget=4)
    tuned(tuner, 1 if method == "default_only" else 4)
    best = max(tuner.trials, key=lambda trial: trial.score or -math.inf)
    assert tuner.best
    assert (tuner.best.config, tuner.best.score, tuner.best.number) == (best.config, best.score, best.number)
    with pytest.raises(Exhausted, match=r"budget of 4 trials is spent|nothing left to propose"):
        tuner.ask()


def test_a_tuner_proposes_what_a_cell_of_the_same_name_and_seed_would(tmp_path: Path) -> None:
    from harness.config.composed import composed_cell
    from harness.run.build import optimizer_with
    from harness.trial import Trajectory
    from harness.tuner.spaces import user_space
    from harness.tuner.wanted import Wanted

    tuner = tuned(Tuner(SPACE, "rules", seed=5, budget=4), 3)
    task = Wanted(user_space(SPACE), "rules", seed=5).task()
    cell = composed_cell(task, "rules", llm=None, seed=5, budget=4, settings={})
    method = optimizer_with(cell, task.space, task.card, None)
    assert method.propose(Trajectory.of(tuner.trials)).config == tuner.ask()


def test_until_it_is_told_a_proposal_is_asked_again_and_the_callers_copy_does_not_change_it() -> None:
    tuner = Tuner(SPACE, budget=2)
    first = tuner.ask()
    tuner.ask()["rate"] = 5.0
    assert tuner.ask() == first
    assert getattr(tuner.pending, "source", None) == "optimizer"
    tuner.tell(first, 50)
    assert getattr(tuner.pending, "source", None) is None
    assert tuner.ask() != first


def test_a_tuner_goes_on_from_its_file_as_one_that_was_never_interrupted(tmp_path: Path) -> None:
    whole = tuned(Tuner(SPACE, "tpe", seed=1, budget=6), 6)
    file = tmp_path / "t.jsonl"
    tuned(Tuner(SPACE, "tpe", seed=1, budget=6, file=file), 2)
    waiting = Tuner.resume(file).ask()
    with file.open("ab") as torn:
        torn.write(b'{"kind":"trial","schema":1,"tri')
    again = Tuner(SPACE, "tpe", seed=1, budget=6, file=str(file))
    assert again.ask() == waiting
    tuned(again, 3)
    assert plain(tuned(Tuner.resume(file), 1).trials) == plain(whole.trials)


def test_each_line_of_the_file_is_an_object_with_a_checksum_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    tuned(Tuner(SPACE, budget=2, file=file), 2)
    lines = file.read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["tuner", "asked", "trial", "asked", "trial"]
    assert all(list(json.loads(line))[-1] == "crc32" for line in lines)
    file.write_text(file.read_text().replace('"trial":2', '"trial":3'))
    with pytest.raises(RecordError, match=r"t.jsonl, line 5: damaged"):
        Tuner.resume(file)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("begun") / "t.jsonl"
    Tuner(SPACE, file=file)
    return file


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"method": "random"}, "method: 'rules' there, 'random' here"),
        ({"space": {"rate": SPACE["rate"]}}, "task.space.layers: .* there, nothing here"),
        ({"metric": RMSE, "direction": "minimize"}, "task.objective.unit: '%' there, 'kWh' here"),
        ({"name": "other"}, "name: 'tuning' there, 'other' here"),
        ({"settings": {"agent.names": "anonymous"}}, "names: 'real' there, 'anonymous' here"),
    ],
)
def test_a_file_of_other_arguments_is_refused_with_the_difference(other: dict[str, Any], difference: str, begun: Path) -> None:
    before = begun.read_bytes()
    with pytest.raises(CellMismatch, match=difference):
        Tuner(**{"space": SPACE, "file": begun, **other})
    assert begun.read_bytes() == before


def test_a_larger_budget_goes_on_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    tuned(Tuner(SPACE, budget=2, file=file), 2)
    longer = Tuner.resume(file, budget=3)
    assert longer.left == 1
    tuned(longer, 1)
    assert (Tuner.resume(file).budget, len(Tuner.resume(file).trials)) == (3, 3)
    with pytest.raises(SettingsError, match="budget=0"):
        Tuner.resume(file, budget=0)


def test_what_nobody_asked_for_is_refused_or_given_as_the_caller_says(tmp_path: Path) -> None:
    tuner = Tuner(SPACE, "rules", budget=3, file=tmp_path / "t.jsonl")
    mine = {"rate": 0.01, "layers": 1, "kind": "adam"}
    with pytest.raises(SettingsError, match=r"was not asked for \(none waits: call ask\(\)\); given=True"):
        tuner.tell(mine, 88)
    waiting = tuner.ask()
    with pytest.raises(SettingsError, match=r"was not asked for \(the one that waits is \{'rate'"):
        tuner.tell(mine, 88)
    tuner.tell(mine, 88, given=True)
    assert (tuner.left, tuner.ask()) == (3, waiting)
    assert Tuner.resume(tmp_path / "t.jsonl").ask() == waiting
    tuner.tell(waiting, 60)
    assert [trial.proposal.source for trial in tuned(tuner, 2).trials] == ["given", "optimizer", "optimizer", "optimizer"]
    assert tuner.best
    assert tuner.best.config == mine


@pytest.fixture(scope="module")
def shared() -> Tuner:
    return Tuner(SPACE, "random", budget=20)


def told(tuner: Tuner, result: object, **how: Any) -> Trial:
    tuner.tell(tuner.ask(), result, **how)
    return tuner.trials[-1]


def test_a_curve_counts_by_its_best_epoch(shared: Tuner) -> None:
    import numpy as np

    assert told(shared, [60, 80.5, np.float32(70)]).score == 80.5
    curve = told(shared, [Epoch(60, val_loss=0.5), Epoch(80, test_score_pct=79)])
    assert (curve.outcome.best_epoch, curve.outcome.test_score_pct, curve.outcome.curve[0].val_loss) == (2, 79, 0.5)
    assert told(shared, np.array(61.5)).score == 61.5
    diverged = told(shared, [60, float("nan"), 70]).outcome
    assert (diverged.status, len(diverged.curve), diverged.error) == (Status.DIVERGED, 2, "val_score_pct is nan at epoch 2")


def test_a_failure_has_its_reason_its_place_and_its_curve(shared: Tuner) -> None:
    try:
        raise RuntimeError("out of memory")
    except RuntimeError as error:
        crashed = told(shared, error).outcome
    assert (crashed.status, crashed.error) == (Status.CRASHED, "RuntimeError: out of memory")
    assert crashed.crash
    assert "test_tuner.py" in crashed.crash.place
    assert told(shared, Status.TIMEOUT).outcome.status is Status.TIMEOUT
    late = told(shared, [50, 55], failure="killed by the queue").outcome
    assert (late.status, late.error, len(late.curve)) == (Status.CRASHED, "killed by the queue", 2)
    assert told(shared, None, failure=Status.DIVERGED).outcome.status is Status.DIVERGED


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (None, "NoneType is nothing that can be told"),
        ([], "an empty curve"),
        ([70, None], "epoch 2: val_score_pct is missing"),
        ([70, "x"], "epoch 2: val_score_pct is 'x', which is no number"),
        (True, "val_score_pct is True, which is no number"),
        ({"score": 3}, "dict is nothing that can be told"),
        (100.5, "100.5 is above 100, and scores are percentages unless metric="),
        (Status.OK, "a trial that is ok has a score"),
        (" ", "is no failure"),
    ],
)
def test_what_cannot_be_told_is_one_line_and_the_proposal_still_waits(result: object, problem: str, shared: Tuner) -> None:
    config, before = shared.ask(), shared.trials
    with pytest.raises(SettingsError, match=problem) as raised:
        shared.tell(config, result)
    assert "\n" not in str(raised.value)
    assert (shared.ask(), shared.trials) == (config, before)
    with pytest.raises(SettingsError, match="first the configuration, a dict, and then its result"):
        shared.tell(3, config)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="seconds=-1: give a number, 0 or more"):
        shared.tell(config, 3, seconds=-1)
    with pytest.raises(InvalidConfig, match="layers: 9 is above the maximum 8"):
        shared.tell({**config, "layers": 9}, 3)


def test_another_unit_is_minimised_and_the_method_sees_points() -> None:
    tuner = Tuner(SPACE, "rules", budget=3, direction="minimize", metric=RMSE)
    for value in (140.0, 54.2, 81.0):
        tuner.tell(tuner.ask(), [value + 3, value])
    assert tuner.best
    assert (tuner.best.score, tuner.best.number) == (54.2, 2)
    assert tuner.trajectory.incumbent
    assert tuner.trajectory.incumbent.score == pytest.approx(-54.2 * 0.9 / 0.5)
    assert repr(tuner) == "<Tuner rules, seed 0: 3 of 3 trials, best 54.200 kWh in trial 2>"


def test_the_frame_has_a_row_per_trial() -> None:
    tuner = tuned(Tuner(SPACE, "random", budget=3), 2)
    tuner.tell(tuner.ask(), "no memory")
    frame = tuner.frame()
    assert list(frame["trial"]) == [1, 2, 3]
    assert list(frame["error"])[2] == "no memory"
    assert frame["score"].max() == tuner.best.score  # type: ignore[union-attr]
    assert {"config.rate", "config.layers", "config.kind", "source", "status", "seconds"} <= {*frame.columns}


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Tuner(SPACE, "ruls"), r"method='ruls': .*did you mean 'rules'\?"),
    (lambda: Tuner(SPACE, "tcs"), "asks an LLM, and llm=none: choose one"),
    (lambda: Tuner(SPACE, "tcs", llm="qven"), r"llm='qven': .*did you mean 'qwen'\?"),
    (lambda: Tuner(SPACE, llm="qwen"), "llm: method 'rules' does not use it; leave it out"),
    (lambda: Tuner(SPACE, settings={"agent.name": 1}), r"no 'agent.name'; did you mean 'agent.names'\?"),
    (lambda: Tuner(SPACE, settings={"study": "x"}), "'study' is none of a method"),
    (lambda: Tuner(SPACE, settings={"llm": "qwen"}), "'llm' is a group: give what is below it; method= and llm= choose"),
    (lambda: Tuner(SPACE, settings={"agent.names": "anon"}), r"unknown 'anon'; did you mean 'anonymous'\?"),
    (lambda: Tuner(SPACE, "tcs", llm="qwen", settings={"agent.attempts": "x"}), "agent.attempts: Value 'x'"),
    (lambda: Tuner(SPACE, direction="minimize"), "direction=minimize: say what is measured"),
    (lambda: Tuner(SPACE, metric="rmse"), "metric='rmse': say what is measured"),  # type: ignore[arg-type]
    (lambda: Tuner(SPACE, metric={"name": "rmse", "unit": "kWh"}, direction="minimize"), "margin is missing"),
    (lambda: Tuner(SPACE, direction="maximize", metric={"direction": "minimize", **RMSE}), "leave one out"),
    (lambda: Tuner(SPACE, direction="down"), "direction=down; there is: maximize, minimize"),
    (lambda: Tuner(SPACE, card={"titel": "x"}), r"card: unknown field 'titel'; did you mean 'title'\?"),
    (lambda: Tuner(SPACE, card="x"), "card='x': give a dict"),  # type: ignore[arg-type]
    (lambda: Tuner(SPACE, settings=["start"]), "settings=.*: give a dict"),  # type: ignore[arg-type]
    (lambda: Tuner(SPACE, card={"title": object()}), "kept as JSON, and one of them cannot be"),
    (lambda: Tuner(SPACE, file=3), "file=3: give a path"),  # type: ignore[arg-type]
    (lambda: Tuner([1]), "space: give a dict as in a task's YAML"),
    (lambda: Tuner({"a": 3}), "hyperparameter 'a': give a dict such as"),
    (lambda: Tuner({"a": {"type": "flaot"}}), r"unknown type 'flaot'; did you mean 'float'\?"),
    (lambda: Tuner({"a": {"type": "float", "low": 1}}), "type float needs 'high'"),
    (lambda: Tuner({}), "the space has no hyperparameters"),
    (lambda: Tuner(SPACE, budget=0), "budget=0"),
    (lambda: Tuner(SPACE, seed=-1), "seed -1: seeds go from 0"),
    (lambda: Tuner(SPACE, name="a b"), "name='a b': use up to 80 letters"),
    (lambda: Tuner.resume("nowhere.jsonl"), "holds no tuner"),
    (lambda: Tuner.resume(__file__), r"line 1: not JSON"),
]


@pytest.mark.parametrize(("wrong", "line"), WRONG, ids=[line for _, line in WRONG])
def test_wrong_arguments_are_one_line_that_says_what_helps(wrong: Callable[[], object], line: str) -> None:
    with pytest.raises(HarnessError, match=line) as raised:
        wrong()
    assert "\n" not in str(raised.value)


def test_a_method_of_ones_own_is_found_in_the_conf_of_the_folder_and_read_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "conf" / "optimizer" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("name: mine\n_target_: support.methods.Odd\noptions: {good: 1, then: exhausted}\n")
    tuner = tuned(Tuner(SPACE, "mine"), 1)
    with pytest.raises(Exhausted, match="the method has nothing left to propose"):
        tuner.ask()
    own.write_text("name: mine\n_target_: support.methods.Odd\noptions: {good: 2, then: exhausted}\n")
    os.utime(own, (1, 1))
    tuned(Tuner(SPACE, "mine"), 2)
    own.write_text("name: mine\n_target_: [\n")
    with pytest.raises(SettingsError, match=r"conf/optimizer/mine\.yaml, line "):
        Tuner(SPACE, "mine")


def test_a_file_that_another_tuner_has_written_to_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    one, other = Tuner(SPACE, file=file), Tuner(SPACE, file=file)
    config = one.ask()
    with pytest.raises(RecordError, match=r"somebody else has changed this file meanwhile; go on with Tuner.resume"):
        other.ask()
    one.tell(config, 50)
    assert len(Tuner.resume(file).trials) == 1
    with pytest.raises(StorageError, match="No such file or directory"):
        Tuner(SPACE, file=tmp_path / "no" / "t.jsonl")


def test_shares_told_as_percentages_are_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    tuner = Tuner(SPACE, "random", budget=4)
    for value in (0.5, 0.7, 0.6):
        tuner.tell(tuner.ask(), value)
    assert capsys.readouterr().err.count("if they are shares, multiply them by 100") == 1


def test_a_tuner_prints_nothing_leaves_no_folder_and_no_state_of_hydra(tmp_path: Path) -> None:
    program = f"""
from harness import Tuner
tuner = Tuner({SPACE!r}, "rules", budget=2)
tuner.tell(tuner.ask(), 50)
import logging, os
from hydra.core.global_hydra import GlobalHydra
print(os.listdir(), GlobalHydra.instance().is_initialized(), logging.getLogger().handlers)
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("[] False []\n", "")
