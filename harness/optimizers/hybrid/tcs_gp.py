"""An LLM proposes the first trials after the default, then Optuna's Gaussian process takes over: the informed start with an LLM.

The idea is ours; see `rules_gp.py`. The agent is that of the other arms, so the source of a trial says whether the LLM proposed it. The
comparison with `rules_gp` shows what the LLM adds to the start, and the one with `optuna_gp` what an informed start is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from harness.llm.asking import NO_OPTIONS, Asking, LlmOptimizer
from harness.optimizers.agent.agent import Agent
from harness.optimizers.hybrid.llm_share import in_turns
from harness.optimizers.hybrid.rules_gp import checked_length, gp_after
from harness.optimizers.optuna_gp import OptunaGP
from harness.space import Space
from harness.task import TaskCard
from harness.trial import Proposal, Trajectory


class TcsGP(LlmOptimizer):
    """Ask the LLM for `startup_length` trials after the default, and on while no trial has a score, then follow the GP.

    `agent` is what `Agent` takes: asking, card, budget and backend. Raises SettingsError.
    """

    versions: ClassVar[Mapping[str, int]] = {"tcs_gp": 1, **Agent.versions, **OptunaGP.versions}

    def __init__(self, space: Space, seed: int, *, startup_length: int, **agent: Any) -> None:
        self._turns = gp_after(Agent(space, seed, **agent), "llm", space, seed, startup_length)

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        return in_turns(Agent.identity(asking, card), "tcs_gp")

    @classmethod
    def versions_with(cls, asking: Asking) -> dict[str, int]:
        return {**cls.versions, **Agent.versions_with(asking)}

    @classmethod
    def number_of_calls(
        cls, asking: Asking, trials: int, *, start: str = "none", options: Mapping[str, object] = NO_OPTIONS
    ) -> int:
        """Return the calls of the start-up trials, where one of them has a score."""
        length = checked_length(options.get("startup_length", trials))
        return Agent.number_of_calls(asking, min(length, trials - (start == "default")))

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the proposal of the LLM or of the GP, whose turn it is. Raises BackendError when the model cannot be reached."""
        return self._turns.propose(trajectory)
