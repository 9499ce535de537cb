"""Thinking as an axis of a study, against a double that thinks: rows of their own, and one line where a model cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from harness.testing.servers.ollama_api import OllamaDouble


@pytest.fixture
def open_models(monkeypatch: pytest.MonkeyPatch) -> Any:
    thinkers = ["gemma4:12b", "gpt-oss:20b"]
    with OllamaDouble(models=[*thinkers, "ministral-3:14b"], thinkers=thinkers, trained_window=131072) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


def test_with_and_without_thinking_are_two_rows_with_records_of_their_own(
    cli: Cli, open_models: OllamaDouble, tmp_path: Path
) -> None:
    ran = cli("task=toy", "optimizer=tcs", "llm=gemma4", "llm.think=true,false", "budget=1", "tracking=off", "-m")
    assert ran.status == 0, ran.err
    calls = {
        path.parts[-3]: json.loads(path.read_text().splitlines()[0]) for path in tmp_path.glob("runs/main/toy/*/*/calls.jsonl")
    }
    assert sorted(calls) == ["tcs_gemma4[think=False]", "tcs_gemma4[think=True]"]
    thought, plain = calls["tcs_gemma4[think=True]"], calls["tcs_gemma4[think=False]"]
    assert (thought["decoding"]["think"], plain["decoding"]["think"]) == (True, False)
    assert "thinking" in json.dumps(thought)
    assert open_models.thought not in json.dumps(plain)
    asked = [received.body for received in open_models.received if received.path == "/api/chat"]
    assert sorted(body["think"] for body in asked) == [False, True]
    assert not any("format" in body for body in asked), "Ollama ignores a schema where such a model does not think"


@pytest.mark.parametrize(
    ("llm", "think", "said"),
    [
        ("ministral3", "true", "llm.think=true: ministral-3:14b does not think"),
        ("gpt_oss", "false", "llm.think=false: gpt-oss:20b takes low, medium or high"),
    ],
)
def test_what_a_model_cannot_think_is_one_line_before_any_question(
    cli: Cli, open_models: OllamaDouble, llm: str, think: str, said: str
) -> None:
    ran = cli("task=toy", "optimizer=tcs", f"llm={llm}", f"llm.think={think}", "budget=1")
    assert ran.status == 1
    assert said in ran.line
    assert not [received for received in open_models.received if received.path == "/api/chat"]
