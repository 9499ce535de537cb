"""What version 2 of the prompts does besides its words, and the settings that came with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.cell import Cell
from harness.config.settings import cells
from harness.config.values import Settings
from harness.errors import SettingsError
from harness.optimizers.agent.agent import Agent
from harness.optimizers.agent.context import CONTEXTS, in_digits
from harness.optimizers.agent.prompt import load_prompts
from harness.optimizers.agent.reply import BadReply, Kind, refuse_repeat
from harness.optimizers.agent.reply_schema import reply_schema
from harness.run.study import Result
from harness.space import Config, Space
from harness.space.levels import level_space
from harness.store.cell_folder import read_trials
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import Script
from harness.testing.trajectories import trajectory

Start = Callable[..., OllamaDouble]
Run = Callable[..., tuple[Result, Cell, Path]]
Compose = Callable[..., Settings]


SPACE = Space.from_mapping({"rate": {"type": "float", "low": 0.1, "high": 1.0, "default": 0.5, "meaning": "m"}})


def asked(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def llm(double: OllamaDouble, *more: str) -> list[str]:
    return ["optimizer=tcs_phi4", f"llm.base_url={double.url}", "budget=2", *more]


def test_the_words_of_version_1_are_those_of_before() -> None:
    assert load_prompts("v1").hash == "f31a89d90f74ce41"


def test_before_the_first_trial_every_context_sends_the_same_request(ollama: Start, run: Run) -> None:
    double = ollama()
    first = {}
    for context in CONTEXTS:
        _, _, folder = run(*llm(double, f"optimizer={context}_phi4", "budget=1"))
        first[context] = asked(folder)[0]["key"]
    assert len(set(first.values())) == 1, first


def test_the_form_shows_no_value_of_the_default(ollama: Start, run: Run) -> None:
    _, _, folder = run(*llm(ollama()))
    form = asked(folder)[0]["messages"][1]["content"].splitlines()[-1]
    assert form == '{"config": {"learning_rate": ..., "momentum": ...}, "analysis": "..."}'


def test_random_draws_of_arms_that_differ_in_their_context_only_differ(ollama: Start, run: Run) -> None:
    draws = []
    for context in CONTEXTS:
        _, _, folder = run(*llm(ollama(Script.of(*["chatter"] * 12)), f"optimizer={context}_phi4", "agent.attempts=1"))
        trials = read_trials(folder)
        assert {trial.proposal.source for trial in trials} == {"fallback"}
        draws += [json.dumps(trial.config) for trial in trials]
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize(
    ("place", "keys"), [("none", ["config"]), ("after", ["config", "analysis"]), ("before", ["analysis", "config"])]
)
def test_the_analysis_stands_where_it_is_asked_for(place: str, keys: list[str], ollama: Start, run: Run) -> None:
    double = ollama()
    result, _, folder = run(*llm(double, f"agent.analysis={place}"))
    assert result.done == 1
    form = asked(folder)[0]["messages"][1]["content"].splitlines()[-1]
    positions = [form.find(f'"{key}"') for key in keys]
    assert positions == sorted(positions)
    assert -1 not in positions
    assert ("analysis" in form) == (place != "none")
    schema = json.loads(json.dumps(reply_schema(SPACE, place, 240)))
    assert list(schema["properties"]) == schema["required"] == keys
    assert schema["properties"].get("analysis", {}).get("maxLength") == (None if place == "none" else 240)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["agent.analysis=last"], "agent.analysis=last: no such choice"),
        (["agent.prompt=v1", "agent.analysis=after"], "the words of agent.prompt=v1 ask for the analysis first"),
        (["agent.values=grid"], "agent.values=grid: no such choice"),
        (["agent.prompt=v3"], "no such version of the prompts"),
        (["optimizer=scores", "llm=phi4", "agent.form=table"], "llm=phi4 takes no grammar"),
        (["agent.form=table"], "its context is scores or shuffled, not tcs"),
        (["optimizer=table", "llm=smollm2", "agent.analysis=after"], "a line of a table holds no analysis"),
        (["optimizer=table", "llm=smollm2", "agent.calls=two"], "works with agent.calls=one only"),
        (["optimizer=random", "optimizer.form=table"], "has no form of an answer"),
    ],
)
def test_what_does_not_go_together_is_one_line(overrides: list[str], words: str, composed: Compose) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        list(cells(composed("optimizer=tcs_phi4", *overrides)))
    assert "\n" not in str(refused.value)


def test_with_levels_only_levels_are_taken_and_drawn(ollama: Start, run: Run) -> None:
    double = ollama(Script.of("out_of_range", *["chatter"] * 9))
    _, cell, folder = run(*llm(double, "agent.values=levels", "agent.attempts=1", "budget=4"))
    from harness.training.build import build_task

    levels = level_space(build_task(cell.task).space)
    assert all(not levels.problems(trial.config) for trial in read_trials(folder))
    assert "multiples of 0.05" in asked(folder)[0]["messages"][1]["content"]


def test_each_setting_makes_another_cell(composed: Compose) -> None:
    given = [
        [],
        ["agent.analysis=none"],
        ["agent.analysis=before"],
        ["agent.values=levels"],
        ["agent.prompt=v1"],
        ["optimizer=scores", "llm=smollm2"],
        ["optimizer=table", "llm=smollm2"],
        ["optimizer=table_shuffled", "llm=smollm2"],
    ]
    ids = [next(cells(composed("optimizer=tcs_phi4", *overrides))).id for overrides in given]
    assert len(set(ids)) == len(given)
    assert next(cells(composed("optimizer=tcs_phi4", "agent.analysis=after"))).id == ids[0], "null means the version's own"


def test_a_near_copy_is_a_repeat() -> None:
    """The contexts show three digits, so that a model which copies a trial gives those."""
    shown = trajectory(({"rate": 0.123456}, 50.0))
    for copy in (0.123456, 0.123, 0.12299):
        with pytest.raises(BadReply, match="the configuration of trial 1") as bad:
            refuse_repeat({"rate": copy}, shown, 3)
        assert bad.value.kind is Kind.REPEAT
    refuse_repeat({"rate": 0.124}, shown, 3)
    refuse_repeat({"rate": 0.123}, shown, None)
    config: Config = {"rate": 0.000696180, "layers": 3, "rule": "sgd"}
    assert in_digits(config, 3) == {"rate": 0.000696, "layers": 3, "rule": "sgd"}
    assert in_digits(config, None) == config


def test_replies_of_the_double_fit_the_schema_that_was_sent(ollama: Start, run: Run, composed: Compose) -> None:
    settings = composed("optimizer=tcs_phi4")
    assert settings.asking is not None
    from harness.training.build import build_task

    agent = Agent(build_task(settings.task).space, 0, asking=settings.asking, card=settings.task.card, budget=2, backend=None)  # type: ignore[arg-type]
    _, _, folder = run(*llm(ollama()))
    for call in asked(folder):
        jsonschema.validate(json.loads(call["reply"]["text"].rpartition("</think>")[2]), agent._schema)
