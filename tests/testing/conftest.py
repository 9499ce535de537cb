"""The doubles, started for a test."""

from support.llm_fixtures import _no_llm_in_the_environment, ollama, openai

__all__ = ["_no_llm_in_the_environment", "ollama", "openai"]
