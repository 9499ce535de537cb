"""A clean environment, and the doubles of Ollama and OpenAI: a conftest imports what its tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import KEY, OpenAIDouble


@pytest.fixture(autouse=True)
def _no_llm_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def ollama() -> Iterator[OllamaDouble]:
    with OllamaDouble() as server:
        yield server


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIDouble]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIDouble() as server:
        yield server
