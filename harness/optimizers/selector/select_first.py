"""The control that takes the first candidate: what the source of the candidates would do by itself.

Source: the "fixed source" control of selection among proposals, our own design; no paper has it. With `select.source=rules` it proposes
what the arm `rules` proposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.optimizers.rules.policy import Rules
from harness.optimizers.selector.candidates import Candidates, note_of
from harness.space import Space
from harness.trial import Proposal, Trajectory


class SelectFirst:
    """Propose the first of the candidates, before any is moved to another place for a question. Raises SettingsError."""

    versions: ClassVar[Mapping[str, int]] = {"select": 1, **Rules.versions}

    def __init__(self, space: Space, seed: int, *, candidates: int, source: str, budget: int, names: str = "real") -> None:
        self._candidates = Candidates(space, seed, source=source, count=candidates, budget=budget, names=names)

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Return the first candidate. Raises Exhausted when there is none."""
        found = self._candidates.after(trajectory)
        return Proposal(dict(found[0].config), note={"select": note_of(found, 1)})
