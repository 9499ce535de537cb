"""LLAMBO: candidates for a target score, and predictions that choose among them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from optimizers.test_arms import settings
from support.cells import cells_of

from harness.cli.forecast import forecast
from harness.errors import SettingsError
from harness.llm.backend import ModelFacts, Reply, Request
from harness.optimizers.agent.reply import BadReply
from harness.optimizers.llambo.llambo import LLAMBO
from harness.optimizers.llambo.options import Options
from harness.optimizers.llambo.prompt import permuted, target_points
from harness.optimizers.llambo.surrogate import Candidate, chosen, read_prediction
from harness.run.study import run_cells
from harness.space import Space
from harness.store.cell_folder import CellFolder, read_trials
from harness.testing.contracts.llm_method import CARD, Answers, LlmMethodContract
from harness.testing.contracts.optimizer import a_trial
from harness.testing.servers.ollama_api import OllamaDouble
from harness.trial import PERCENT, Direction, Objective, Proposal, Trajectory

X = Space.from_mapping({"x": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m"}})
RMSE = Objective("rmse", Direction.MINIMIZE, "k", 0.9)
SMALL = {"candidates": 4, "templates": 2, "draws": 3}


class TestLlambo(LlmMethodContract):
    method, context, options = LLAMBO, "llambo", {"candidates": 2, "templates": 2, "draws": 1}


class Model(Answers):
    """Proposes these values of x in turn, the last one for ever, and predicts by a function of x."""

    def __init__(self, *values: object, predicts: Any = lambda x: 100 * x) -> None:
        super().__init__()
        self.values = list(values)
        self.predicts = predicts

    def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        question = request.messages[-1].content
        if '"score": ...' in question:
            query = re.findall(r'^\{"x": ([\d.e-]+)\}$', question, re.MULTILINE)[-1]
            text = json.dumps({"score": self.predicts(float(query))})
        else:
            value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
            text = json.dumps({"config": {"x": value}})
        return Reply(text, ModelFacts("model", "m"))

    def asked_for(self, what: str) -> list[Request]:
        return [request for request in self.requests if f'"{what}": ' in request.messages[-1].content.splitlines()[-1]]


def trials(*scores: float | None, objective: Objective = PERCENT) -> Trajectory:
    return Trajectory(tuple(a_trial(n, Proposal({"x": n / 1000}), score) for n, score in enumerate(scores, start=1)), objective)


def proposed(model: Model, shown: Trajectory, **options: Any) -> Proposal:
    told: dict[str, Any] = {"asking": TestLlambo.asking(), "card": CARD, "budget": 10, "backend": model}
    return LLAMBO(X, 0, **told, startup_trials=3, **{**SMALL, **options}).propose(shown)


def test_the_candidate_with_the_best_predictions_is_taken() -> None:
    model = Model(0.2, 0.9, 0.4, 0.6)
    proposal = proposed(model, trials(10.0, 20.0, 30.0))
    assert (proposal.config, proposal.source) == ({"x": 0.9}, "llm")
    assert (len(model.asked_for("config")), len(model.asked_for("score"))) == (4, 4 * 2 * 3)
    assert {request.temperature for request in model.asked_for("score")} == {0.7}
    assert len({request.seed for request in model.requests}) == len(model.requests)


@pytest.mark.parametrize(("arm", "calls"), [("llambo_reduced", 35), ("llambo", 210)])
def test_an_arm_makes_the_stated_number_of_calls(arm: str, calls: int) -> None:
    options = settings(arm)["options"]
    model = Model(*(place / 101 for place in range(1, 101)))
    proposed(model, trials(10.0, 20.0, 30.0), **options)
    assert len(model.requests) == Options.read({"startup_trials": 3, **options}).calls == calls


def test_the_sampler_sees_the_target_the_ranges_and_its_own_order_of_the_trials() -> None:
    model = Model(0.2, 0.9, 0.4, 0.6)
    proposed(model, trials(10.0, None, 30.0, 20.0, 25.0))
    first, second = (request.messages[0].content for request in model.asked_for("config")[:2])
    assert "the score 32 " in first.replace(".", " ")  # the best, and a tenth of the range beyond it
    assert "- x: float from 0 to 1" in first
    assert first != second
    assert sorted(first.splitlines()) == sorted(second.splitlines())
    assert 'failed (diverged): {"x": 0.002}' in first
    asked = model.asked_for("score")[0].messages[0].content
    assert '{"x": 0.003}: 30' in asked
    assert "float from" not in asked


def test_the_target_lies_beyond_the_best_in_the_direction_of_the_objective() -> None:
    assert target_points(trials(10.0, 30.0), 0.1) == pytest.approx(32.0)
    assert target_points(trials(10.0, 30.0), -0.2) == pytest.approx(26.0)
    assert target_points(trials(50.0), 0.1) == pytest.approx(50.5)
    assert target_points(trials(50.0, 99.9), 0.1) == 100.0
    assert target_points(trials(-8.0, -4.0, objective=RMSE), 0.1) == pytest.approx(-3.6)
    model = Model(0.2, 0.9, 0.4, 0.6, predicts=lambda x: 9 * x)
    proposal = proposed(model, trials(-8.0, -4.0, -6.0, objective=RMSE))
    assert proposal.note["target"] == "3.6"
    assert proposal.config == {"x": 0.2}, "the lowest predicted error"


def test_repeats_and_values_outside_are_dropped_and_asked_for_again() -> None:
    model = Model(0.001, 0.5, 0.50000001, 7, 0.25, 0.5, 0.75, 0.8)
    proposal = proposed(model, trials(10.0, 20.0, 30.0))
    assert len(model.asked_for("config")) == 8
    assert [entry["config"] for entry in proposal.note["candidates"]] == [{"x": x} for x in (0.5, 0.25, 0.75, 0.8)]
    assert (proposal.config, proposal.source) == ({"x": 0.8}, "llm-retry-1")
    kinds = [reply.get("kind") for reply in proposal.note["replies"][:4]]
    assert kinds == ["repeat", None, "repeat", "invalid"]


def test_a_single_candidate_after_all_rounds_is_used_and_noted_and_none_is_a_marked_draw() -> None:
    model = Model(0.5)
    proposal = proposed(model, trials(10.0, 20.0, 30.0))
    assert (proposal.config, proposal.source, proposal.note["few_candidates"]) == ({"x": 0.5}, "llm", 1)
    assert (len(model.asked_for("config")), len(model.asked_for("score"))) == (16, 0)
    nothing = proposed(Model(7), trials(10.0, 20.0, 30.0))
    assert nothing.source == "fallback"
    assert X.check(nothing.config)


def test_a_candidate_without_a_usable_prediction_is_not_ranked() -> None:
    model = Model(0.2, 0.9, 0.4, 0.6, predicts=lambda x: "high" if x > 0.5 else 100 * x)
    proposal = proposed(model, trials(10.0, 20.0, 30.0))
    assert proposal.config == {"x": 0.4}
    mute = proposed(Model(0.2, 0.9, 0.4, 0.6, predicts=lambda _: None), trials(10.0, 20.0, 30.0))
    assert mute.config == {"x": 0.2}


def test_expected_improvement_weighs_mean_and_spread() -> None:
    sure, wide = Candidate({"x": 0.1}, 1, [50.0, 50.0]), Candidate({"x": 0.2}, 1, [30.0, 70.0])
    assert chosen([sure, wide], 55.0) is wide
    # By hand: m = 50, sd = 20, best = 55: z = -0.25, -5 * 0.401294 + 20 * 0.386668.
    assert wide.improvement(55.0) == pytest.approx(5.726898, abs=1e-4)
    assert sure.improvement(55.0) == pytest.approx(0.0)
    assert sure.improvement(40.0) == pytest.approx(10.0)


@pytest.mark.parametrize("text", ["", "88", '{"score": "88"}', '{"score": true}', '{"score": 101}', '{"score": 1e999}', "{}"])
def test_only_a_possible_number_is_a_prediction(text: str) -> None:
    with pytest.raises(BadReply):
        read_prediction(text, PERCENT)
    assert read_prediction('<think>{"score": 1}</think>{"score": 88.5}', PERCENT) == 88.5
    assert math.isclose(read_prediction('{"score": 3}', RMSE), -3.0)


def test_the_orders_are_a_function_of_seed_and_length() -> None:
    shown = trials(*map(float, range(8)))
    numbers = [[trial.number for trial in order] for order in permuted(shown, 2, 5)]
    assert numbers == [[trial.number for trial in order] for order in permuted(shown, 2, 5)]
    assert numbers[0] != numbers[1]
    assert sorted(numbers[0]) == list(range(1, 9))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"candidates": 0}, "candidates=0: give a whole number"),
        ({"draws": 2.5}, "draws=2.5"),
        ({"alpha": "much"}, "alpha=much: give a number from -1 to 1"),
        ({"surrogate_temperature": 3}, "from 0 to 2"),
        ({"candidate": 5}, "did you mean 'candidates'"),
        ({"candidates": 50, "draws": 50}, "up to 5,200 calls a trial"),
        ({"startup_trials": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(option: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        LLAMBO.check_options({"startup_trials": 3, **option})


def test_a_cell_that_was_killed_among_its_calls_ends_as_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = ["optimizer=llambo_reduced_phi4", "optimizer.options.candidates=3", "optimizer.options.draws=1", "budget=4"]
    with OllamaDouble() as double:
        asked = [*small, f"llm.base_url={double.url}"]
        (cell,), told = cells_of(tmp_path, *asked, "study=killed")
        append_call, written = CellFolder.append_call, 0

        def killed(self: CellFolder, row: dict[str, object]) -> None:
            nonlocal written
            append_call(self, row)
            written += 1
            if written == 5:
                raise KeyboardInterrupt

        monkeypatch.setattr(CellFolder, "append_call", killed)
        with pytest.raises(KeyboardInterrupt):
            run_cells([cell], told)
        monkeypatch.undo()
        assert run_cells([cell], told).done == 1
        (whole,), its_own = cells_of(tmp_path, *asked, "study=whole")
        assert run_cells([whole], its_own).done == 1
    trials = [read_trials(tmp_path / study / cell.folder) for study in ("killed", "whole")]
    assert [t.proposal for t in trials[0]] == [t.proposal for t in trials[1]]
    calls = (tmp_path / "killed" / cell.folder / "calls.jsonl").read_text().splitlines()
    assert len(calls) == 3 + 3 * 2 * 1
    assert [reply["role"] for reply in trials[0][3].proposal.note["replies"]] == ["sampler"] * 3 + ["surrogate"] * 6


def test_the_forecast_says_the_calls_of_a_trial(tmp_path: Path) -> None:
    (cell,), told = cells_of(tmp_path, "optimizer=llambo_reduced_phi4", "start=default", "budget=5")
    (line,) = forecast([(told, [cell])], {}, {id(told): tmp_path / "main"})
    assert line.startswith("1 cell will make 70 calls to phi4-reasoning:14b")
    assert line.endswith(", 35 a trial of llambo_reduced_phi4+default")
    (start,), told = cells_of(tmp_path, "optimizer=llambo_reduced_phi4", "budget=3")
    assert not list(forecast([(told, [start])], {}, {id(told): tmp_path / "main"}))
