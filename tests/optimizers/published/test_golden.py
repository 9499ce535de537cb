"""What the published system asks and trains after fixed trials and a fixed reply, at the version that it carries.

`HARNESS_REMAKE_GOLDEN=1 python -m pytest tests/optimizers/published/test_golden.py` writes the file anew once the version was raised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizers.test_golden import LEVELS, told
from support.golden import check_golden

from harness.llm.asking import Asking
from harness.llm.backend import ModelFacts, Reply, Request
from harness.llm.settings import LlmSettings
from harness.optimizers.published.agent import Published
from harness.task import TaskCard

CARD = TaskCard("t", "d", "d", "m", "area under the ROC curve in percent", "e")
REPLY = "The learning_rate of before was fine: learning_rate=0.05, batch_size=20, layers=9, optimizer=SGD, momentum: 0.5."


class Listens:
    """A backend that keeps what it is asked, and always answers the same."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def complete(self, request: Request) -> Reply:
        self.asked.append([message.content for message in request.messages])
        return Reply(REPLY, ModelFacts("listens", "m"))


def asked_and_trained(size: int) -> dict[str, Any]:
    backend = Listens()
    made = Published(LEVELS, 3, card=CARD, asking=Asking("published", LlmSettings(name="x")), backend=backend)
    proposal = made.propose(told(LEVELS, size))
    alone = Published(LEVELS, 3, card=CARD, switches={"after_rules": "alone"}).propose(told(LEVELS, size))
    return {
        "asked": backend.asked,
        "source": proposal.source,
        "config": proposal.config,
        "values": proposal.note["values"],
        "rules alone": alone.config,
    }


def test_it_asks_and_trains_what_its_version_does() -> None:
    found = {f"after {size} trials": asked_and_trained(size) for size in (0, 1, 2, 4, 8)}
    check_golden(Path(__file__).parent / "golden" / "published.json", dict(Published.versions), {"published": found})
