from __future__ import annotations

import time
from datetime import date, timedelta
from typing import Any

import pytest

from harness.llm.probe import ends_soon, ollama_status, pulled_name, readiness, thinking_refused, thinking_values
from harness.llm.settings import LlmSettings
from harness.testing.servers.double import Double
from harness.testing.servers.ollama_api import OllamaDouble


def settings_for(url: str | None, model: str = "phi4-reasoning:14b", **more: Any) -> LlmSettings:
    return LlmSettings(name="phi4", _target_="harness.llm.ollama.Ollama", model=model, base_url=url, **more)


def test_a_pulled_model_is_ready(ollama: OllamaDouble) -> None:
    found = readiness(settings_for(ollama.url))
    assert (found.ready, found.command) == (True, "")
    assert found.reason == f"Ollama 0.32.15-double at {ollama.url} has phi4-reasoning:14b"


def test_a_model_that_is_not_pulled_names_the_command(ollama: OllamaDouble) -> None:
    found = readiness(settings_for(ollama.url, "phi5"))
    assert (found.ready, found.reason, found.command) == (False, "Ollama 0.32.15-double has no phi5", "ollama pull phi5")


def test_no_server_names_the_commands(ollama: OllamaDouble) -> None:
    with ollama.down():
        found = readiness(settings_for(ollama.url))
    assert not found.ready
    assert found.reason.startswith(f"no Ollama at {ollama.url} (")
    assert found.command == "ollama serve\nollama pull phi4-reasoning:14b"


def test_something_else_on_the_port_is_not_ollama() -> None:
    class Other(Double):
        def get(self, path: str, call: Any) -> None:
            call.send_whole(200, b"<html>hello</html>", "text/html")

    with Other() as server:
        found = readiness(settings_for(server.address))
    assert not found.ready
    assert "is not Ollama" in found.reason


def test_a_server_that_hangs_is_not_waited_for() -> None:
    class Hanging(Double):
        def get(self, path: str, call: Any) -> None:
            self.stopping.wait(10)

    with Hanging() as server:
        start = time.perf_counter()
        status = ollama_status(server.address, timeout_seconds=0.2)
        assert time.perf_counter() - start < 2
    assert not status.up


def test_the_status_lists_what_is_pulled(ollama: OllamaDouble) -> None:
    status = ollama_status(ollama.url)
    assert (status.up, status.version, status.models) == (True, "0.32.15-double", ("phi4-reasoning:14b", "qwen2.5-coder:32b"))


@pytest.mark.parametrize(
    ("asked", "pulled", "found"),
    [
        ("llama3", "llama3:latest", True),
        ("llama3", "llama3:70b", False),
        ("llama3:70b", "llama3:70b", True),
        ("LLaMA3:70B", "llama3:70b", True),
        ("Phi4", "phi4:LATEST", True),
        ("registry.ollama.ai/library/phi4:14b", "phi4:14b", True),
        ("hf.co/Me/Model", "hf.co/me/model:latest", True),
        ("localhost:5000/me/phi4", "localhost:5000/me/phi4:latest", True),
        ("me/phi4", "phi4:latest", False),
    ],
)
def test_a_model_is_found_under_every_name_that_ollama_takes(asked: str, pulled: str, found: bool) -> None:
    assert pulled_name(asked, ("other:1b", pulled)) == (pulled if found else None)


GPT_OSS = {"capabilities": ["completion", "thinking"], "details": {"family": "gptoss"}}
THINKER = {"capabilities": ["completion", "thinking"], "details": {"family": "gemma4"}}


@pytest.mark.parametrize(
    ("shown", "values"),
    [
        ({}, None),
        ({"capabilities": []}, None),
        ({"capabilities": ["completion"]}, (False,)),
        (THINKER, (True, False)),
        (GPT_OSS, ("low", "medium", "high")),
        ({**THINKER, "thinking": {"values": ["low", "high"], "default": "low"}}, ("low", "high")),
        ({"thinking": {"values": [False]}}, (False,)),
    ],
)
def test_what_a_model_can_be_asked_to_think_is_what_its_server_says(shown: dict[str, Any], values: Any) -> None:
    assert thinking_values(shown) == values


@pytest.mark.parametrize(
    ("think", "shown", "said"),
    [
        (True, {"capabilities": ["completion"]}, "llm.think=true: phi4-reasoning:14b does not think"),
        (False, {"capabilities": ["completion"]}, ""),
        ("high", THINKER, "llm.think=high: phi4-reasoning:14b takes true or false"),
        (True, GPT_OSS, "llm.think=true: phi4-reasoning:14b takes low, medium or high"),
        (False, GPT_OSS, "llm.think=false: phi4-reasoning:14b takes low, medium or high"),
        ("low", GPT_OSS, ""),
        (None, {"capabilities": ["completion"]}, ""),
        (True, {}, ""),
    ],
)
def test_a_value_that_the_server_would_ignore_is_refused_before_the_first_question(
    think: Any, shown: dict[str, Any], said: str
) -> None:
    assert thinking_refused(settings_for("http://127.0.0.1:9", think=think), shown) == said


def test_the_server_is_asked_what_a_model_can_think() -> None:
    with OllamaDouble(
        models=["a:1b", "b:1b", "c:1b"], thinkers=["b:1b", "c:1b"], thinking_values={"c:1b": ["low", "max"]}
    ) as server:
        found = [readiness(settings_for(server.url, model, think=True)) for model in server.models]
    assert [one.ready for one in found] == [False, True, False]
    assert [one.reason for one in found[::2]] == ["llm.think=true: a:1b does not think", "llm.think=true: c:1b takes low or max"]


def test_an_end_that_is_near_is_told_with_what_takes_the_models_place() -> None:
    def told(days: int, successor: str = "gpt6_luna") -> str:
        end = date.today() + timedelta(days=days)
        return ends_soon(settings_for("http://127.0.0.1:9", "m", successor=successor), end, "X").replace(str(end), "DAY")

    assert told(90) == ""
    assert told(89) == "X ends m on DAY, in 89 days; then llm=gpt6_luna"
    assert told(1, "") == "X ends m on DAY, in 1 day"
    assert told(0) == "X ended m on DAY; then llm=gpt6_luna"
    assert ends_soon(settings_for("http://127.0.0.1:9"), None, "X") == ""
