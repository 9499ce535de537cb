"""The trajectory context summarizer (TCS): expert blocks do the numerical reasoning, so that an LLM need not do it.

    summary = summarize(space, trajectory, budget)          # typed facts: summary.get(Parameters), summary.get(Phase), ...
    context = render(summary, Format.TEXT)                  # the text that an LLM reads; JSON and Markdown exist too; bounded in size

A block is a function (space, trajectory, budget) -> Section. Each block has its own file in `blocks/`, `summarizer.py` lists them all,
and the setting `tcs.blocks=[...]` selects some of them. No block uses an LLM, a clock, a file or randomness: the same trajectory always
gives the same bytes. (The optional block `surrogate` fits a Gaussian process, whose last bits may differ between machines.) `README.md`
explains the folders and how to add a block.

Raise VERSION whenever the content or the wording of a summary changes. VERSION is part of a cell's identity, so trials that were
proposed from an older summary never mix with new ones. `tests/tcs/test_golden.py` fails until VERSION is raised.
"""

from harness.tcs.blocks.changes import Changes
from harness.tcs.blocks.curves import Curves
from harness.tcs.blocks.failures import Failures
from harness.tcs.blocks.last_trial import LastTrial
from harness.tcs.blocks.parameters import Parameters
from harness.tcs.blocks.phase import Phase
from harness.tcs.blocks.status import SearchStatus
from harness.tcs.blocks.surrogate import Surrogate
from harness.tcs.summarizer import ALL_BLOCKS, BLOCKS, Summary, blocks_named, summarize
from harness.tcs.view.render import Format, format_named, render, token_bound
from harness.tcs.view.section import Block, Section
from harness.tokens import estimate_tokens

VERSION: int = 3

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
    "Surrogate",
    "blocks_named",
    "estimate_tokens",
    "format_named",
    "render",
    "summarize",
    "token_bound",
]
