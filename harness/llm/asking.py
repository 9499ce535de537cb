"""The settings that a method needs to ask an LLM, and the base class of such methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import ClassVar

from harness.llm.settings import LlmSettings
from harness.task import TaskCard

NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class Asking:
    """How a cell's method asks its LLM: the settings `optimizer.context`, `agent.*`, `tcs.*`, `llm.*` and `select.orders`."""

    context: str
    llm: LlmSettings
    calls: str = "one"
    names: str = "real"
    attempts: int = 3
    prompt: str = "v2"
    analysis: str | None = None
    values: str = "free"
    form: str = "json"
    log_every: int = 1
    blocks: tuple[str, ...] = ()
    format: str = "text"
    orders: int = 1


class LlmOptimizer:
    """Base class of methods that ask an LLM. Their YAML has a `context`.

    The harness builds one as `cls(space, seed, asking=Asking, card=TaskCard, budget=int, backend=Backend, **options)`. It records each call
    that goes through `backend` and retries lost calls. A call that an earlier launch of the cell made is answered from the records.
    """

    versions: ClassVar[Mapping[str, int]] = {}

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        """Return the settings that decide the result, for the cell's identity. Raises SettingsError for settings that make no sense."""
        agent = {key: value for key, value in asdict(asking).items() if key not in ("llm", "blocks", "format", "orders")}
        tcs = {"blocks": list(asking.blocks), "format": asking.format}
        return {"agent": agent, "card": card.to_mapping(), "llm": asking.llm.identity(), "tcs": tcs}

    @classmethod
    def number_of_calls(
        cls,
        asking: Asking,
        trials: int,
        *,
        start: str = "none",
        options: Mapping[str, object] = NO_OPTIONS,  # noqa: ARG003 - a subclass may depend on them
    ) -> int:
        """Return how many calls a cell of so many trials makes when every reply is usable. The default start needs none.

        `options` are those of the method's YAML.
        """
        return (trials - (start == "default")) * (2 if asking.calls == "two" else 1)

    @classmethod
    def check_options(cls, options: Mapping[str, object]) -> None:
        """Raise SettingsError for `options` of the YAML, with its `startup_trials`, that the method cannot take; here all are taken."""

    @classmethod
    def versions_with(cls, asking: Asking) -> dict[str, int]:  # noqa: ARG003 - a subclass may depend on it
        """Return the versions of the code that decides the result with these settings."""
        return dict(cls.versions)
