"""The trajectory context summarizer (TCS): expert blocks that do the numerical reasoning for an LLM.

    summary = summarize(space, trajectory, budget)          # typed facts: summary.get(Parameters), summary.get(Phase), ...
    context = render(summary, Format.TEXT)                  # what an LLM reads: text, JSON or Markdown tables, bounded

A block is a function (space, trajectory, budget) -> Section, one file each, switched by `tcs.blocks=[...]`; `summarizer.py` lists them.
Nothing here holds a model, a clock, a file or randomness: the same trajectory gives the same bytes.

Raise VERSION with every change of what a summary holds or how it is written. Cells hold it in their identity, so that trials proposed
after an older summary do not mix with new ones; `tests/tcs/test_golden.py` fails until it is raised.
"""

from harness.tcs.blocks.changes import Changes
from harness.tcs.blocks.curves import Curves
from harness.tcs.blocks.failures import Failures
from harness.tcs.blocks.last_trial import LastTrial
from harness.tcs.blocks.parameters import Parameters
from harness.tcs.blocks.phase import Phase
from harness.tcs.blocks.status import SearchStatus
from harness.tcs.summarizer import ALL_BLOCKS, BLOCKS, Summary, blocks_named, summarize
from harness.tcs.view.render import Format, format_named, render, token_bound
from harness.tcs.view.section import Block, Section
from harness.tokens import estimate_tokens

VERSION: int = 2

__all__ = [
    "ALL_BLOCKS",
    "BLOCKS",
    "VERSION",
    "Block",
    "Changes",
    "Curves",
    "Failures",
    "Format",
    "LastTrial",
    "Parameters",
    "Phase",
    "SearchStatus",
    "Section",
    "Summary",
    "blocks_named",
    "estimate_tokens",
    "format_named",
    "render",
    "summarize",
    "token_bound",
]
