"""Fixtures of the LLM tests: a clean environment, the doubles, and a tiny model for the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.llm_fixtures import _no_llm_in_the_environment, ollama, openai

from harness.testing.servers.tiny_gguf import write_tiny_gguf

__all__ = ["_no_llm_in_the_environment", "ollama", "openai"]


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama of one layer with random weights, 0.5 MB: it writes nonsense, at thousands of tokens a second."""
    pytest.importorskip("gguf", reason="gguf is not installed: pip install -e '.[llama-cpp,dev]'")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_tiny_gguf(path)
    return path
