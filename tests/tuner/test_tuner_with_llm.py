"""A tuner whose method asks an LLM: the double of Ollama speaks its real protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.llm_fixtures import ollama as ollama

from harness import Tuner
from harness.testing.servers.ollama_api import OllamaDouble

SPACE = {
    "rate": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log"},
    "kind": {"type": "categorical", "choices": ["adam", "sgd"]},
}
RMSE = {"name": "rmse", "unit": "kWh", "margin": 0.5}


def begun(ollama: OllamaDouble, file: Path) -> Tuner:
    settings = {"llm.base_url": ollama.url, "llm.longest_wait_seconds": 0.05}
    card = {"title": "Load of a building", "model": "gradient boosting"}
    return Tuner(SPACE, "tcs", llm="qwen", budget=3, direction="minimize", metric=RMSE, card=card, settings=settings, file=file)


def kinds(file: Path) -> list[str]:
    return [json.loads(line)["kind"] for line in file.read_text().splitlines()]


def asked(ollama: OllamaDouble) -> int:
    return sum(call.path == "/api/chat" for call in ollama.received)


def test_prompts_speak_of_the_users_metric_and_nothing_that_was_not_told_is_made_up(ollama: OllamaDouble, tmp_path: Path) -> None:
    tuner = begun(ollama, tmp_path / "t.jsonl")
    tuner.tell(tuner.ask(), [63.0, 54.25])
    tuner.ask()
    system, user = (message["content"] for message in ollama.received[-1].body["messages"])
    assert "the lowest validation score" in system
    assert "Task: Load of a building\nDomain: not told\n" in user
    assert "Score: rmse (rmse, in kWh, lower is better; 0.5 more or less matters)" in user
    assert "54.25" in user
    assert tuner.trials[0].proposal.source == "llm"
    assert tuner.trials[0].proposal.note["replies"]


def test_no_answer_of_an_llm_is_paid_for_twice(ollama: OllamaDouble, tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    tuner = begun(ollama, file)
    tuner.tell(tuner.ask(), 60.0)
    waiting = tuner.ask()
    assert kinds(file) == ["tuner", "llm_call", "asked", "trial", "llm_call", "asked"]
    assert asked(ollama) == 2
    assert Tuner.resume(file).ask() == waiting

    # A crash after the reply and before the proposal was written.
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]) + lines[-1][:40])
    again = begun(ollama, file)
    assert again.ask() == waiting
    again.tell(waiting, 58.0)
    assert asked(ollama) == 2
    assert [trial.score for trial in again.trials] == [60.0, 58.0]


def test_a_server_that_is_down_loses_nothing(ollama: OllamaDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import BackendError

    tuner = begun(ollama, tmp_path / "t.jsonl")
    tuner.tell(tuner.ask(), 60.0)
    ollama.stop()
    with pytest.raises(BackendError):
        tuner.ask()
    assert (tuner.left, tuner.pending) == (2, None)
    tuner.tell({"rate": 0.1, "kind": "sgd"}, 59.0, given=True)
    assert tuner.best
    assert tuner.best.score == 59.0
