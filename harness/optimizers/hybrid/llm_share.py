"""An LLM proposes a share of the trials, an optimizer the others; both learn from all of them. The source of a trial says who proposed it.

Sources: SLLMBO's LLM-TPE (arXiv 2410.20302), where a coin decides between an LLM and Optuna's TPE, and Centaur (arXiv 2603.24647), where
the LLM has a minority share and CMA-ES the rest. `llm_tpe`, every second trial, is the special case of SLLMBO. What we changed, and why:

- The share is exact and evenly spread instead of a coin, so that two arms with the same share do not differ by luck. The LLM is first.
- The LLM is the agent of the other arms, with its contexts, checks and retries: SLLMBO shows it only its best trial and the ranges, and
  replaces what cannot be used by other draws in silence.
- TPE has 3 start-up trials, which the LLM's count for: with the library's 10 it would be random search within a budget of 10.
- Each of the two sees the other's trials with their scores. A failed trial is reported to the optimizer with the worst score so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from harness.errors import SettingsError, near
from harness.llm.asking import NO_OPTIONS, Asking
from harness.optimizer import Optimizer
from harness.optimizers.agent.agent import Agent
from harness.optimizers.hybrid.agent_in_turns import AgentInTurns
from harness.optimizers.hybrid.turns import Turns, count_of, share_of
from harness.optimizers.optuna_gp import OptunaGP
from harness.optimizers.random import Random
from harness.optimizers.tpe import TPE
from harness.space import Space

OPTIMIZERS: Mapping[str, Callable[[Space, int], Optimizer]] = {
    "tpe": lambda space, seed: TPE(space, seed, startup_trials=3),
    "optuna_gp": lambda space, seed: OptunaGP(space, seed, startup_trials=3),
    "random": Random,
}


class LlmShare(AgentInTurns):
    """Ask the LLM on `share`, above 0 and at most 1, of the trials after the default, and `optimizer`, one of OPTIMIZERS, on the others.

    `agent` is what `Agent` takes: asking, card, budget and backend. Raises SettingsError.
    """

    method = "llm_share"
    versions: ClassVar[Mapping[str, int]] = {
        "llm_share": 1,
        **Agent.versions,
        **TPE.versions,
        **OptunaGP.versions,
        **Random.versions,
    }

    def __init__(self, space: Space, seed: int, *, share: float, optimizer: str, **agent: Any) -> None:
        if optimizer not in OPTIMIZERS:
            raise SettingsError(f"optimizer.options.optimizer: unknown '{optimizer}'{near(optimizer, OPTIMIZERS)}")
        llm = Agent(space, seed, **agent)
        self._turns = Turns(llm, OPTIMIZERS[optimizer](space, seed), share_of(_checked(share)), ("llm", optimizer))

    @classmethod
    def number_of_calls(
        cls, asking: Asking, trials: int, *, start: str = "none", options: Mapping[str, object] = NO_OPTIONS
    ) -> int:
        """Return the calls of the trials that are the LLM's."""
        own = count_of(_checked(options.get("share", 1.0)), trials - (start == "default"))
        return Agent.number_of_calls(asking, own)


def _checked(share: object) -> float:
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
        raise SettingsError(f"optimizer.options.share={share}: give a share of the trials above 0, at most 1, such as 0.5")
    return float(share)
