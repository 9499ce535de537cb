"""The trajectory context summarizer: a list of expert blocks, each one section.

To add a block, write one file beside these and one line in `BLOCKS`; to leave one out, leave its name out of `tcs.blocks`.
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
}
ALL_BLOCKS = tuple(BLOCKS)

AnySection = TypeVar("AnySection")


@dataclass(frozen=True)
class Summary:
    """What the blocks made of `trials` trials: their sections, in the order of the blocks."""

    trials: int
    sections: tuple[Section, ...]

    def get(self, kind: type[AnySection]) -> AnySection | None:
        """Return the section of one type, None when its block was left out."""
        return next((section for section in self.sections if isinstance(section, kind)), None)


def blocks_named(names: Sequence[str]) -> tuple[Block, ...]:
    """Return the blocks of these names, in this order. Raises SettingsError for an unknown, a repeated or no name."""
    for name in names:
        if name not in BLOCKS:
            raise SettingsError(f"tcs.blocks: unknown block '{name}'{near(name, BLOCKS)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"tcs.blocks: a block is named twice in {', '.join(names)}")
    if not names:
        raise SettingsError(f"tcs.blocks: name at least one block{near('', BLOCKS)}")
    return tuple(BLOCKS[name] for name in names)


def summarize(space: Space, trajectory: Trajectory, budget: int, blocks: Sequence[str] = ALL_BLOCKS) -> Summary:
    """Let each named block read the trajectory.

    `budget` is the number of trials that may be made in all, at least 1. The answer is a function of the arguments alone.
    """
    return Summary(len(trajectory), tuple(block(space, trajectory, budget) for block in blocks_named(blocks)))
