"""The control that chooses among the candidates at random: what the candidates are worth without a choice.

Source: our own design; no paper that chooses among proposals was seen to have it. An LLM that is no better than this reads nothing
of use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.optimizers.rules.policy import Rules
from harness.optimizers.selector.candidates import Candidates, note_of
from harness.seeding import keyed_random
from harness.space import Space
from harness.trial import Proposal, Trajectory


class SelectRandom:
    """Propose one of the candidates, each with the same probability. Raises SettingsError."""

    versions: ClassVar[Mapping[str, int]] = {"select": 1, **Rules.versions}

    def __init__(self, space: Space, seed: int, *, candidates: int, source: str, budget: int, names: str = "real") -> None:
        self._seed = seed
        self._candidates = Candidates(space, seed, source=source, count=candidates, budget=budget, names=names)

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return a random candidate. Raises Exhausted when there is none."""
        found = self._candidates.after(trajectory)
        place = keyed_random(self._seed, "select at random", len(trajectory) + 1).randrange(len(found))
        return Proposal(dict(found[place].config), note={"select": note_of(found, place + 1)})
