"""An Optuna objective as it is: its suggestions, reports and failures."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from harness import tasks_from
from harness.errors import HarnessError, SettingsError
from harness.space import Space
from harness.task import TaskCard, TaskSpec
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Direction, Objective, Outcome, Status

CARD = TaskCard("t", "d", "d", "m", "m", "e")
LOSS = Objective("loss", Direction.MINIMIZE, "", 0.5)
SPACE = Space.from_mapping(
    {
        "C": {"type": "float", "low": 0.01, "high": 100.0, "scale": "log", "default": 1.0, "meaning": "a"},
        "kernel": {"type": "categorical", "choices": ["linear", "rbf"], "default": "rbf", "meaning": "b"},
        "gamma": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "c", "when": {"kernel": "rbf"}},
        "width": {"type": "ordinal", "levels": [16, 32, 64], "default": 32, "meaning": "d"},
        "layers": {"type": "categorical", "choices": ["(64,)", "None", "2"], "default": "None", "meaning": "e"},
        "scaled": {"type": "bool", "default": True, "meaning": "f"},
    }
)
CONFIG: dict[str, Any] = {"C": 2.0, "kernel": "rbf", "gamma": 0.25, "width": 64, "layers": "(64,)", "scaled": False}
SEEN: list[Any] = []


def objective(trial: Any, *, folds: int = 2) -> float:
    C = trial.suggest_float("C", 0.01, 100.0, log=True)  # noqa: N806 - as scikit-learn names it
    kernel = trial.suggest_categorical("kernel", ["linear", "rbf"])
    gamma = trial.suggest_float("gamma", 0.0, 1.0) if kernel == "rbf" else 0.0
    width = trial.suggest_int("width", 16, 64, step=16)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Choices for a categorical distribution")
        layers = trial.suggest_categorical("layers", [(64,), None, 2])
    scaled = trial.suggest_categorical("scaled", [True, False])
    SEEN[:] = [C, kernel, gamma, width, layers, scaled, trial.number]
    for fold in range(folds):
        trial.report(10.0 - fold, fold)
        trial.report(99.0, fold)  # Optuna keeps the first of a step
        assert not trial.should_prune()
    return float(C + gamma)


Study = tasks_from.optuna(objective, direction="minimize")


def outcome(objective: Callable[[Any], Any], config: dict[str, Any] | None = None, **params: Any) -> Outcome:
    task = tasks_from.optuna(objective, direction="minimize")(SPACE, CARD, **params)
    return InProcess(task, objective=LOSS).train(config or CONFIG, seed=7)


def test_suggestions_are_the_configuration_and_reports_the_curve() -> None:
    done = outcome(objective, folds=3)
    assert SEEN == [2.0, "rbf", 0.25, 64, (64,), False, 7]
    assert [epoch.val_score_pct for epoch in done.curve] == [10.0, 9.0, 8.0, 2.25]
    assert (done.status, done.val_score_pct, done.test_score_pct) == (Status.OK, 2.25, None)
    outcome(objective, {"C": 1.0, "kernel": "linear", "width": 16, "layers": "None", "scaled": True})
    assert SEEN == [1.0, "linear", 0.0, 16, None, True, 7]


def test_the_returned_value_counts_once_where_it_was_reported() -> None:
    def last(trial: Any) -> float:
        trial.report(3.0, 0)
        trial.report(2.0, 1)
        return 2.0

    assert [epoch.val_score_pct for epoch in outcome(last).curve] == [3.0, 2.0]


def reporting(then: Callable[[], Any]) -> Callable[[Any], Any]:
    def reports(trial: Any) -> Any:
        trial.report(3.0, 0)
        return then()

    return reports


def prune() -> None:
    raise optuna.TrialPruned


def fail() -> None:
    raise ZeroDivisionError("of my own")


FAILURES: dict[str, tuple[Callable[[Any], Any], Status, int, str]] = {
    "pruned": (reporting(prune), Status.CRASHED, 1, "Pruned: the objective pruned this trial after 1 reports"),
    "raised": (reporting(fail), Status.CRASHED, 1, "ZeroDivisionError: of my own"),
    "NaN": (reporting(lambda: math.nan), Status.DIVERGED, 2, "val_score_pct is nan"),
    "nothing": (reporting(lambda: None), Status.CRASHED, 1, "the objective returned None: return one number"),
    "two": (lambda trial: (1.0, 2.0), Status.CRASHED, 0, "the objective returned 2 values: tune one of them"),
    "unknown": (
        lambda trial: trial.suggest_float("gama", 0, 1),
        Status.CRASHED,
        0,
        "asks for 'gama', which .*; did you mean 'gamma'",
    ),
    "range": (lambda trial: trial.suggest_float("C", 0, 1), Status.CRASHED, 0, "C is from 0 to 1 in the objective, and 2.0 in the"),
    "steps": (lambda trial: trial.suggest_int("width", 10, 90, step=20), Status.CRASHED, 0, "width has steps of 20 from 10 in"),
    "kind": (
        lambda trial: trial.suggest_float("kernel", 0, 1),
        Status.CRASHED,
        0,
        "kernel is a number in the objective, and 'rbf'",
    ),
    "choices": (
        lambda trial: trial.suggest_categorical("kernel", ["a", "b"]),
        Status.CRASHED,
        0,
        "kernel is one of 'a', 'b' in the",
    ),
    "bool": (lambda trial: trial.suggest_categorical("scaled", [0, 2]), Status.CRASHED, 0, "scaled is one of 0, 2 .* and False in"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_keeps_the_reports_and_says_why(name: str) -> None:
    function, status, epochs, words = FAILURES[name]
    done = outcome(function)
    assert done.status is status
    assert len(done.curve) == epochs
    assert done.error is not None
    assert re.search(words, done.error), done.error


def test_an_inactive_hyperparameter_that_is_asked_for_is_named_with_its_condition() -> None:
    config = {**CONFIG, "kernel": "linear"}
    del config["gamma"]
    done = outcome(lambda trial: trial.suggest_float("gamma", 0, 1), config)
    assert done.error == "NotInSpace: the objective asks for 'gamma', which the space has only when kernel is rbf"


def test_a_hyperparameter_that_is_never_asked_for_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    number = {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "meaning": "a"}
    task = tasks_from.optuna(lambda trial: trial.suggest_float("asked", 0, 1), direction="minimize")(
        Space.from_mapping({"asked": number, "forgotten": number}), CARD
    )
    for _ in range(2):
        assert InProcess(task, objective=LOSS).train({"asked": 0.5, "forgotten": 0.5}, seed=0).ok
    said = capsys.readouterr().err
    assert said.count("did not ask for 'forgotten'") == 1
    assert "'asked'" not in said


def test_direction_and_params_are_checked_before_the_first_trial() -> None:
    with pytest.raises(SettingsError, match="direction='minimise'; did you mean 'minimize'"):
        tasks_from.optuna(objective, direction="minimise")
    spec = TaskSpec("mine", f"{__name__}.Study", SPACE, CARD, objective=LOSS)
    assert build_task(spec).card is CARD
    with pytest.raises(
        SettingsError, match="task 'mine': its Optuna objective is to minimize, and its YAML says maximize; write metric"
    ):
        build_task(TaskSpec("mine", f"{__name__}.Study", SPACE, CARD))
    with pytest.raises(HarnessError, match="unexpected keyword argument 'fold'"):
        build_task(TaskSpec("mine", f"{__name__}.Study", SPACE, CARD, {"fold": 3}, objective=LOSS))
