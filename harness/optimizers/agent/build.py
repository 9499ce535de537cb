"""Put an agent together from a cell's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.llm.build import build_backend
from harness.llm.calls import read_calls
from harness.llm.settings import LlmSettings
from harness.optimizers.agent.agent import Agent, AgentSettings
from harness.optimizers.agent.context import SUMMARISED, Context
from harness.optimizers.agent.prompt import load_prompts
from harness.store.cell_folder import CALLS, CellFolder
from harness.task import Task


def build_agent(settings: Mapping[str, Any], task: Task, *, seed: int, budget: int, folder: CellFolder) -> Agent:
    """Build the agent of a cell; its calls are kept in `folder`, and those that an earlier launch made are not made again.

    `settings` has the keys `agent`, `tcs` and `llm`. Raises SettingsError.
    """
    llm = LlmSettings.from_mapping(settings["llm"])
    path = folder.path / CALLS
    answered = tuple(read_calls(path))
    backend = build_backend(llm, keep=lambda call: folder.append_call(call.to_dict()), answered=answered)
    return Agent(task.space, seed, task.card, agent_settings(settings, budget), llm, backend)


def agent_settings(settings: Mapping[str, Any], budget: int) -> AgentSettings:
    """Read the settings `agent` and `tcs`. Raises SettingsError."""
    agent, tcs = dict(settings["agent"]), settings["tcs"]
    context = Context(agent.pop("context"), tuple(tcs["blocks"]), tcs["format"], agent.pop("log_every"))
    return AgentSettings(context=context, budget=budget, **agent)


def agent_identity(settings: Mapping[str, Any], card: Mapping[str, str]) -> dict[str, Any]:
    """Return what of an agent's settings decides the result. Raises SettingsError for what makes no sense."""
    agent_settings(settings, budget=1)
    agent = dict(settings["agent"])
    agent["prompt_hash"] = load_prompts(agent["prompt"]).hash
    identity: dict[str, Any] = {"agent": agent, "card": dict(card), "llm": LlmSettings.from_mapping(settings["llm"]).identity()}
    if agent["context"] in SUMMARISED:
        identity["tcs"] = dict(settings["tcs"])
    if agent["context"] != "raw":
        del agent["log_every"]
    return identity
