"""ExpertBlockSampler: what it shows a method of an Optuna study, and what it proposes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from support.llm_fixtures import ollama as ollama

from harness import ExpertBlockSampler, SettingsError, Status
from harness.testing.servers.ollama_api import OllamaDouble
from harness.trial import Direction, Objective
from harness.tuner.optuna_space import from_distributions
from harness.tuner.study_trials import assumed_objective, outcome_of_trial, trajectory_of

LOSS = Objective("loss", Direction.MINIMIZE, "", 0.01)
RANGES: dict[str, Any] = {"rate": FloatDistribution(1e-5, 1.0, log=True), "width": IntDistribution(8, 64, step=8)}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def objective(trial: optuna.Trial) -> float:
    rate, width = trial.suggest_float("rate", 1e-5, 1.0, log=True), trial.suggest_int("width", 8, 64, step=8)
    if trial.suggest_categorical("kind", ["plain", "deep"]) == "deep":
        trial.suggest_int("depth", 1, 8)
    for step in range(6):
        trial.report(abs(math.log10(rate) + 2) + 1 / width + 1 / (step + 1), step)
    if trial.number == 2:
        raise optuna.TrialPruned
    return abs(math.log10(rate) + 2) + 1 / width


def asked(ollama: OllamaDouble) -> int:
    return sum(call.path == "/api/chat" for call in ollama.received)


def proposals(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.system_attrs.get("harness:proposal", {}) for trial in study.trials]


def test_the_rules_tune_a_study_and_a_second_process_goes_on_as_the_first_would_have() -> None:
    whole = optuna.create_study(sampler=ExpertBlockSampler(seed=1, budget=6))
    whole.optimize(objective, n_trials=6)
    assert whole.best_value < whole.trials[0].value  # type: ignore[operator]
    assert [shown.get("trials_shown") for shown in proposals(whole)] == [None, 1, 2, 3, 4, 5]
    part = optuna.create_study(sampler=ExpertBlockSampler(seed=1, budget=6))
    part.add_trials(whole.trials[:5])
    part.optimize(objective, n_trials=1)
    names = ("rate", "width", "kind")
    assert [part.trials[-1].params[name] for name in names] == [whole.trials[-1].params[name] for name in names]


def test_a_space_with_conditions_is_proposed_from_the_first_trial_on() -> None:
    space = {
        "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "learning rate"},
        "kind": {"type": "categorical", "choices": ["plain", "deep"]},
        "depth": {"type": "int", "low": 1, "high": 8, "when": {"kind": "deep"}},
    }
    sampler = ExpertBlockSampler("random", seed=0, budget=8, space=space)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=8)
    assert [shown["trials_shown"] for shown in proposals(study)] == [*range(8)]
    depths = [trial.params.get("depth") for trial in study.trials]
    proposed = [trial.params["kind"] == "deep" for trial in study.trials]
    assert [depth is not None for depth in depths] == proposed
    assert len({depth for depth in depths if depth}) > 1


def test_a_space_in_which_no_trial_lies_is_a_warning_that_names_what_is_misspelt() -> None:
    space = {"alpah": {"type": "float", "low": 0.0, "high": 1.0}}
    study = optuna.create_study(sampler=ExpertBlockSampler(space=space))
    study.optimize(lambda trial: trial.suggest_float("alpha", 0.0, 1.0), n_trials=1)
    with pytest.warns(UserWarning, match="asks for 'alpha', which it does not hold.*The space has: alpah"):
        study.optimize(lambda trial: trial.suggest_float("alpha", 0.0, 1.0), n_trials=1)


def test_states_and_values_become_outcomes() -> None:
    def finished(state: str, value: float | None, curve: dict[int, float]) -> optuna.trial.FrozenTrial:
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState[state],
            value=value,
            params={"rate": 0.1, "width": 16},
            distributions=RANGES,
            intermediate_values=curve,
        )

    complete = outcome_of_trial(finished("COMPLETE", 0.4, {0: 0.9, 1: 0.3, 2: 0.4}), LOSS)
    assert (complete.val_score_pct, complete.best_epoch, [e.number for e in complete.curve]) == (0.4, 3, [1, 2, 3])
    other = outcome_of_trial(finished("COMPLETE", 0.35, {10: 0.9, 20: 0.4}), LOSS)
    assert [(e.number, e.val_score_pct) for e in other.curve] == [(10, 0.9), (20, 0.4), (21, 0.35)]
    pruned = outcome_of_trial(finished("PRUNED", None, {1: 0.9, 2: 0.7, 3: 0.8}), LOSS)
    assert (pruned.status, pruned.val_score_pct, len(pruned.curve)) == (Status.OK, 0.7, 3)
    assert outcome_of_trial(finished("PRUNED", None, {}), LOSS).error == "pruned before its first value"
    assert outcome_of_trial(finished("FAIL", None, {1: 0.9}), LOSS).status is Status.CRASHED
    assert outcome_of_trial(finished("FAIL", None, {1: 0.9, 2: math.nan}), LOSS).status is Status.DIVERGED
    assert outcome_of_trial(finished("COMPLETE", math.inf, {}), LOSS).status is Status.DIVERGED


def test_trials_that_run_or_do_not_fit_the_space_are_left_out_of_the_trajectory() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.tell(study.ask(RANGES), 0.5)
    study.ask(RANGES)
    study.tell(study.ask({"rate": RANGES["rate"]}), state=optuna.trial.TrialState.FAIL)
    wider = {**RANGES, "width": IntDistribution(8, 640, step=8)}
    for width, value in ((640, 0.2), (64, 0.3)):
        study.add_trial(optuna.create_trial(params={"rate": 0.1, "width": width}, distributions=wider, value=value))
    shown = trajectory_of(study.trials, from_distributions(RANGES), LOSS)
    assert [trial.number for trial in shown] == [1, 2]
    assert [trial.config for trial in shown] == [study.trials[0].params, {"rate": 0.1, "width": 64}]


def test_the_margin_that_is_assumed_is_a_twentieth_of_the_way_from_the_median_to_the_best() -> None:
    def study_of(*values: float) -> list[optuna.trial.FrozenTrial]:
        return [optuna.trial.create_trial(value=value) for value in values]

    assert assumed_objective(study_of(10.0, 4.0, 2.0), Direction.MINIMIZE).margin == pytest.approx(0.1)
    assert assumed_objective(study_of(10.0, 4.0, 2.0), Direction.MAXIMIZE).margin == pytest.approx(0.3)
    assert assumed_objective(study_of(5.0), Direction.MAXIMIZE).margin == pytest.approx(0.05)
    assert assumed_objective(study_of(0.0, math.inf), Direction.MAXIMIZE).margin == 1.0


def test_workers_beside_each_other_are_not_proposed_the_same() -> None:
    study = optuna.create_study(sampler=ExpertBlockSampler(seed=0, budget=10))
    for _ in range(3):
        study.tell(study.ask(RANGES), 0.5)
    several = [study.ask(RANGES) for _ in range(3)]
    for trial in several:
        trial.suggest_float("rate", 1e-5, 1.0, log=True)
    assert len({trial.params["rate"] for trial in several}) == 3
    assert proposals(study)[5]["running"] == [3, 4]


def test_the_brackets_of_hyperband_do_not_begin_with_the_same_proposals() -> None:
    sampler = ExpertBlockSampler(seed=0, budget=8, space=RANGES)
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.HyperbandPruner(max_resource=6))

    def pruned(trial: optuna.Trial) -> float:
        rate, width = trial.suggest_float("rate", 1e-5, 1.0, log=True), trial.suggest_int("width", 8, 64, step=8)
        for step in range(6):
            trial.report(abs(math.log10(rate) + 2) + 1 / width, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return abs(math.log10(rate) + 2) + 1 / width

    study.optimize(pruned, n_trials=8)
    assert [shown["trials_shown"] for shown in proposals(study)] == [*range(8)]
    assert len({str(trial.params) for trial in study.trials}) == 8


def test_parameters_that_no_method_can_be_shown_are_drawn_by_the_independent_sampler() -> None:
    study = optuna.create_study(sampler=ExpertBlockSampler(seed=0, independent_sampler=optuna.samplers.RandomSampler(seed=3)))

    def tuples(trial: optuna.Trial) -> float:
        layers = trial.suggest_categorical("layers", [(64, 64), (32,)])  # type: ignore[list-item]
        return float(trial.suggest_float("rate", 0.0, 1.0) + len(str(layers)))

    with pytest.warns(UserWarning, match="persistent storage"):
        study.optimize(tuples, n_trials=3)
    assert set(study.sampler.infer_relative_search_space(study, study.trials[0])) == {"rate"}


def test_wrong_arguments_are_one_line() -> None:
    with pytest.raises(SettingsError, match="the study says the direction; leave it out"):
        ExpertBlockSampler(metric={"name": "rmse", "direction": "minimize"})
    study = optuna.create_study(sampler=ExpertBlockSampler("ruls", space=RANGES))
    with pytest.raises(SettingsError, match=r"method='ruls': .*did you mean 'rules'\?"):
        study.optimize(objective, n_trials=1)
    several = optuna.create_study(directions=["minimize", "minimize"], sampler=ExpertBlockSampler())
    with pytest.raises(ValueError, match="multi-objective optimization, ExpertBlockSampler cannot be used"):
        several.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)


def test_an_agent_proposes_through_the_sampler_and_a_repeated_study_asks_nothing_twice(ollama: OllamaDouble, tmp_path: Any) -> None:
    def run() -> optuna.Study:
        sampler = ExpertBlockSampler(
            "tcs",
            llm="qwen",
            seed=0,
            budget=3,
            space={**RANGES, "kind": CategoricalDistribution([None, "adam"])},
            metric={"name": "rmse", "unit": "kWh", "margin": 0.5},
            settings={"llm.base_url": ollama.url},
            file=tmp_path / "calls.jsonl",
        )
        study = optuna.create_study(sampler=sampler, direction="minimize")

        def rmse(trial: optuna.Trial) -> float:
            trial.suggest_categorical("kind", [None, "adam"])
            return (
                50
                + abs(math.log10(trial.suggest_float("rate", 1e-5, 1.0, log=True)) + 2)
                + trial.suggest_int("width", 8, 64, step=8) / 8
            )

        study.optimize(rmse, n_trials=3)
        return study

    first = run()
    assert [shown["source"] for shown in proposals(first)] == ["llm"] * 3
    assert asked(ollama) == 3
    assert "rmse, in kWh, lower is better" in ollama.received[-1].body["messages"][1]["content"]
    assert [trial.params for trial in run().trials] == [trial.params for trial in first.trials]
    assert asked(ollama) == 3
