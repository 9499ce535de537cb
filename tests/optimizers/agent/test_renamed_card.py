"""`task.card=renamed`, seen from the model's side: what arrives at the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.testing.servers.ollama_api import OllamaDouble


def prompts(double: OllamaDouble, run: Callable[..., Any], *overrides: str) -> str:
    """Return every word that the server of a cell was sent, in lower case."""
    arguments = ["optimizer=tcs_phi4", f"llm.base_url={double.url}", "task=graph", "task.params.epochs=2", "budget=2", *overrides]
    result, _, folder = run(*arguments)
    assert result.done == 1
    return str((folder / "calls.jsonl").read_text()).lower()


def test_no_prompt_of_a_cell_names_the_data(ollama: Callable[..., OllamaDouble], run: Callable[..., Any]) -> None:
    double = ollama()
    plain, renamed = prompts(double, run), prompts(double, run, "task.card=renamed")
    for word in ("digits", "scikit-learn", "uci", "1,797"):
        assert word in plain
        assert word not in renamed
    assert "classify the nodes of a graph from few labels" in renamed
