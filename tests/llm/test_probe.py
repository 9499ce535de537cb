from __future__ import annotations

import time
from typing import Any

import pytest

from harness.llm.probe import ollama_status, pulled_name, readiness
from harness.llm.settings import LlmSettings
from harness.testing.servers.double import Double
from harness.testing.servers.ollama_api import OllamaDouble


def settings_for(url: str | None, model: str = "phi4-reasoning:14b") -> LlmSettings:
    return LlmSettings(name="phi4", _target_="harness.llm.ollama.Ollama", model=model, base_url=url)


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
