"""Fixtures of the LLM tests: a clean environment, the doubles, and a tiny model for the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.ollama_api import OllamaDouble
from servers.openai_api import KEY, OpenAIDouble
from servers.tiny_gguf import write_tiny_gguf


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


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama of one layer with random weights, 0.5 MB: it writes nonsense, at thousands of tokens a second."""
    pytest.importorskip("gguf", reason="gguf is not installed: pip install -e '.[llama-cpp,dev]'")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_tiny_gguf(path)
    return path
