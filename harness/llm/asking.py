"""What a method that asks an LLM is given, and the base class of such methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from harness.llm.settings import LlmSettings
from harness.task import TaskCard


@dataclass(frozen=True)
class Asking:
    """How a cell's method asks its LLM: the settings `optimizer.context`, `agent.*`, `tcs.*` and `llm.*`."""

    context: str
    llm: LlmSettings
    calls: str = "one"
    names: str = "real"
    attempts: int = 3
    prompt: str = "v1"
    log_every: int = 1
    blocks: tuple[str, ...] = ()
    format: str = "text"


class LlmOptimizer:
    """Base of a method whose YAML has a `context`: it asks an LLM.

    It is built as `cls(space, seed, asking=Asking, card=TaskCard, budget=int, backend=Backend, **options)`. The harness records each
    call that goes through `backend`, retries lost ones, and answers those that an earlier launch of the cell made from its records.
    """

    versions: ClassVar[Mapping[str, int]] = {}

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, Any]:
        """Return what of the settings decides the result, for the cell's identity. Raises SettingsError for what makes no sense."""
        agent = {key: value for key, value in asdict(asking).items() if key not in ("llm", "blocks", "format")}
        tcs = {"blocks": list(asking.blocks), "format": asking.format}
        return {"agent": agent, "card": card.to_mapping(), "llm": asking.llm.identity(), "tcs": tcs}

    @classmethod
    def versions_with(cls, asking: Asking) -> dict[str, int]:  # noqa: ARG003 - a subclass may depend on it
        """Return the versions of the code that decides the result with these settings."""
        return dict(cls.versions)
