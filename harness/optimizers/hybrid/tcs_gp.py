"""An LLM proposes the first trials after the default, then Optuna's Gaussian process takes over: the informed start with an LLM.

The idea is ours; see `rules_gp.py`. The agent is that of the other arms, so the source of a trial says whether the LLM proposed it. The
comparison with `rules_gp` shows what the LLM adds to the start, and the one with `optuna_gp` what an informed start is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.llm.asking import NO_OPTIONS, Asking
from harness.optimizers.agent.agent import Agent
from harness.optimizers.hybrid.agent_in_turns import AgentInTurns
from harness.optimizers.hybrid.rules_gp import checked_length, gp_after
from harness.optimizers.optuna_gp import OptunaGP
from harness.space import Space


class TcsGP(AgentInTurns):
    """Ask the LLM for `startup_length` trials after the default, and on while no trial has a score, then follow the GP.

    `agent` is what `Agent` takes: asking, card, budget and backend. Raises SettingsError.
    """

    method = "tcs_gp"
    versions: ClassVar[Mapping[str, int]] = {"tcs_gp": 1, **Agent.versions, **OptunaGP.versions}

    def __init__(self, space: Space, seed: int, *, startup_length: int, **agent: Any) -> None:
        self._turns = gp_after(Agent(space, seed, **agent), "llm", space, seed, startup_length)

    @classmethod
    def number_of_calls(
        cls, asking: Asking, trials: int, *, start: str = "none", options: Mapping[str, object] = NO_OPTIONS
    ) -> int:
        """Return the calls of the start-up trials, where one of them has a score."""
        length = checked_length(options.get("startup_length", trials))
        return Agent.number_of_calls(asking, min(length, trials - (start == "default")))
