"""What the cells of a study have spent together on LLMs, for `llm.cap_usd`: read from the records once, then counted by this process."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from harness.llm.settings import LlmSettings
from harness.store.archive import packed
from harness.store.cell_folder import CALLS

if TYPE_CHECKING:
    from harness.llm.budget import Dollars

_known: dict[tuple[Path, str | None], Dollars] = {}
_one_at_a_time = threading.Lock()


def dollars_of(study: Path, llm: LlmSettings) -> Dollars:
    """Return what the cells of a study have spent, at the prices of `llm.prices`. All of them share it. Raises RecordError."""
    from harness.llm.budget import Dollars, Prices, Spend  # noqa: PLC0415 - only a cap in dollars needs them
    from harness.llm.calls import calls_below, read_calls  # noqa: PLC0415

    with _one_at_a_time:
        found = _known.get((study, llm.prices))
        if found is None:
            prices, pack = Prices.read(llm.prices), packed(study)
            usd = Spend.of((call for _, call in calls_below(study)), prices).usd
            # A cell may lie in the pack and, for a moment, in its folder.
            away = [folder for folder in pack.members if not (study / folder / CALLS).exists()] if pack else []
            usd += sum(Spend.of(read_calls(pack.open(folder) / CALLS), prices).usd for folder in away if pack)
            found = _known[study, llm.prices] = Dollars(usd)
        return found


def forget_dollars() -> None:
    """Read the records again for the cells that run next: other processes may have spent since."""
    with _one_at_a_time:
        _known.clear()
