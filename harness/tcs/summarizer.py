"""The trajectory context summarizer: it runs a list of expert blocks; each block returns one section.

To add a block, write one file in `blocks/` and one line in `BLOCKS`. To switch a block off, leave its name out of `tcs.blocks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import SettingsError, near
from harness.space import Space
from harness.tcs.blocks.changes import changes_block
from harness.tcs.blocks.curves import curves
from harness.tcs.blocks.failures import failures
from harness.tcs.blocks.last_trial import last_trial
from harness.tcs.blocks.parameters import parameters
from harness.tcs.blocks.phase import phase
from harness.tcs.blocks.status import status
from harness.tcs.blocks.surrogate import surrogate
from harness.tcs.view.section import Block, Section
from harness.trial import Trajectory

BLOCKS: Mapping[str, Block] = {
    "status": status,
    "last_trial": last_trial,
    "curves": curves,
    "parameters": parameters,
    "changes": changes_block,
    "failures": failures,
    "phase": phase,
    "surrogate": surrogate,
}
# A summary has all of these unless `tcs.blocks` says otherwise; the others are there for who names them.
OPTIONAL_BLOCKS = ("surrogate",)
ALL_BLOCKS = tuple(name for name in BLOCKS if name not in OPTIONAL_BLOCKS)

AnySection = TypeVar("AnySection")


@dataclass(frozen=True)
class Summary:
    """The sections that the blocks returned, in the order of the blocks. `trials` is the number of trials that they read."""

    trials: int
    sections: tuple[Section, ...]

    def get(self, kind: type[AnySection]) -> AnySection | None:
        """Return the section of type `kind`, or None when its block was not selected."""
        return next((section for section in self.sections if isinstance(section, kind)), None)


def blocks_named(names: Sequence[str]) -> tuple[Block, ...]:
    """Return the blocks with these names, in this order. Raises SettingsError for an unknown name, a repeated name or an empty list."""
    for name in names:
        if name not in BLOCKS:
            raise SettingsError(f"tcs.blocks: unknown block '{name}'{near(name, BLOCKS)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"tcs.blocks: a block is named twice in {', '.join(names)}")
    if not names:
        raise SettingsError(f"tcs.blocks: name at least one block{near('', BLOCKS)}")
    return tuple(BLOCKS[name] for name in names)


def summarize(space: Space, trajectory: Trajectory, budget: int, blocks: Sequence[str] = ALL_BLOCKS) -> Summary:
    """Run each named block on the trajectory and collect the sections.

    `budget` is the total number of trials that the search may run, at least 1. The result depends on the arguments only. Raises
    SettingsError for a wrong list of names.
    """
    return Summary(len(trajectory), tuple(block(space, trajectory, budget) for block in blocks_named(blocks)))
