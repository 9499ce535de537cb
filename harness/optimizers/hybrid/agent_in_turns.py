"""What methods share in which the LLM agent takes turns with an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.llm.asking import Asking, LlmOptimizer
from harness.optimizers.agent.agent import Agent
from harness.optimizers.hybrid.turns import Turns
from harness.task import TaskCard
from harness.trial import Proposal, Trajectory


class AgentInTurns(LlmOptimizer):
    """Ask the agent or the optimizer, whose turn it is. `method` is the hybrid's name in identities."""

    method: ClassVar[str]
    versions: ClassVar[Mapping[str, int]]
    _turns: Turns

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        """Return an agent's identity as that of a hybrid: it is not compared with an agent that proposes every trial."""
        identity = Agent.identity(asking, card)
        agent = identity["agent"]
        assert isinstance(agent, dict)
        return {**identity, "agent": {**agent, "turns": cls.method}}

    @classmethod
    def versions_with(cls, asking: Asking) -> dict[str, int]:
        return {**cls.versions, **Agent.versions_with(asking)}

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the proposal of the one whose turn it is. Raises BackendError when the model cannot be reached."""
        return self._turns.propose(trajectory)
