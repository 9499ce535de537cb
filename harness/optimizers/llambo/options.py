"""The options of LLAMBO, as in conf/optimizer/llambo.yaml, and the calls that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from harness.errors import SettingsError
from harness.optimizers._startup import check_options, whole
from harness.optimizers.agent.exchange import MOST_CALLS


@dataclass(frozen=True)
class Options:
    """How many calls a trial takes. The values are the ones of the source's end-to-end scripts.

    - candidates: calls for a candidate in each round of the sampler.
    - templates: permutations of the trials; the sampler uses them in turn, the surrogate asks with each.
    - draws: predictions for each candidate and permutation.
    - rounds: the most rounds of the sampler.
    - alpha: how far the target lies beyond the best score, as a share of the range of scores; above 0 is better than the best.
    - surrogate_temperature: 0 to 2, of the calls for predictions; those for candidates have `llm.temperature`.
    """

    candidates: int = 10
    templates: int = 2
    draws: int = 10
    rounds: int = 4
    alpha: float = 0.1
    surrogate_temperature: float = 0.7

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Options:
        """Read the options of a YAML, with its `startup_trials`. Raises SettingsError."""
        names = [entry.name for entry in fields(cls)]
        check_options(given, names, "LLAMBO")
        named = {name: given.get(name, getattr(cls, name)) for name in names}
        counts = {name: whole(named, name, MOST_CALLS) for name in ("candidates", "templates", "draws", "rounds")}
        alpha, temperature = _number(named, "alpha", -1.0, 1.0), _number(named, "surrogate_temperature", 0.0, 2.0)
        made = cls(**counts, alpha=alpha, surrogate_temperature=temperature)
        if made.most_calls > MOST_CALLS:
            raise SettingsError(
                f"optimizer.options: LLAMBO would make up to {made.most_calls:,} calls a trial, and may make {MOST_CALLS}: "
                "give fewer candidates, templates or draws"
            )
        return made

    @property
    def least(self) -> int:
        """With how many candidates the sampler is content: half of what a round asks for, as 5 of 10 in the source."""
        return math.ceil(self.candidates / 2)

    @property
    def calls(self) -> int:
        """The calls of a trial when every reply is usable: one for each candidate, and one for each of its predictions."""
        return self.candidates + self._predictions

    @property
    def most_calls(self) -> int:
        """The calls of a trial when the sampler needs all of its rounds."""
        return self.rounds * self.candidates + self._predictions

    @property
    def _predictions(self) -> int:
        # A single candidate needs no prediction.
        return self.candidates * self.templates * self.draws if self.candidates > 1 else 0


def _number(options: Mapping[str, object], name: str, low: float, high: float) -> float:
    value = options[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsError(f"optimizer.options.{name}={value}: give a number from {low:g} to {high:g}")
    return float(value)
