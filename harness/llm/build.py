"""Build the backend of a cell, with its wrappers, from settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from harness.errors import SettingsError
from harness.importing import load_target
from harness.llm.backend import Backend
from harness.llm.budget import Budgeted, Caps, Dollars, Prices, Spend
from harness.llm.calls import CallRecord
from harness.llm.recording import Recording, SameModel
from harness.llm.replay import Replay
from harness.llm.retrying import Retrying, limit_of
from harness.llm.settings import LlmSettings
from harness.llm.truncation import TruncationCheck
from harness.readiness import Readiness


class BackendClass(Protocol):
    """The class of a backend."""

    def __call__(self, settings: LlmSettings) -> Backend: ...

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        """Say whether the LLM of these settings can answer now."""
        ...


def backend_class(settings: LlmSettings) -> BackendClass:
    """Return the class that `_target_` names, or Replay when `replay` is set. Raises SettingsError."""
    if settings.replay:
        return Replay
    if not settings._target_:
        raise SettingsError("this method asks an LLM, and llm=none: choose one, e.g. llm=phi4 (the files in conf/llm)")
    made: BackendClass = load_target(settings._target_, "llm._target_")
    return made


def takes_grammars(settings: LlmSettings) -> bool:
    """Say whether requests to this LLM may have a `grammar` or be `raw`; its class says so in `takes_grammars`. Raises SettingsError."""
    return bool(getattr(backend_class(settings), "takes_grammars", False))


def connections_of(settings: LlmSettings) -> int:
    """Return how many cells of a process may ask this LLM side by side. Raises SettingsError for more than it can serve."""
    made = backend_class(settings)
    asked = settings.connections
    if asked and asked > 1 and getattr(made, "one_call_at_a_time", False):
        raise SettingsError(
            f"llm.connections={asked}: a model inside the process answers one call at a time; leave it out (hydra/launcher=joblib runs "
            f"cells in several processes)"
        )
    return asked or int(getattr(made, "connections", 1))


def load_client(settings: LlmSettings) -> None:
    """Import the client of a backend now, where its class can (`load_client`). Call it in the main thread before there are others."""
    getattr(backend_class(settings), "load_client", lambda: None)()


def build_backend(
    settings: LlmSettings,
    *,
    keep: Callable[[CallRecord], None],
    answered: Iterable[CallRecord] = (),
    cell: str = "",
    dollars: Dollars | None = None,
) -> Backend:
    """Return the backend of one cell, with its wrappers.

    `keep` is called with the record of each call before its reply is used; it must write the record durably. `answered` are the records
    of the cell's earlier launches: they answer repeated requests, and their cost counts towards the caps. Nothing is connected, loaded or
    checked before the first call. `cell` is the cell's folder below its study: a replay looks in its records first. `dollars` is what the
    cells of the study spend together, None where this cell is alone. Raises SettingsError.

    From the outside in, the wrappers retry lost calls (Retrying), record replies (Recording), refuse another model than before
    (SameModel), refuse truncated prompts (TruncationCheck) and refuse to exceed a cap (Budgeted). The innermost backend asks the model.
    """
    answered = tuple(answered)
    made = backend_class(settings)
    if made is Replay:
        # A replay loses no call, costs nothing and truncates nothing. Its calls are recorded, so that its study can be replayed too.
        return Recording(Replay(settings, cell), keep=keep, answered=answered)
    backend: Backend = made(settings)
    caps = Caps(settings.cap_tokens, settings.cap_seconds, settings.cap_usd)
    prices = Prices.read(settings.prices)
    if caps.usd is not None and prices.of(settings.model) is None:
        raise SettingsError(
            f"llm.cap_usd={caps.usd:g}: the price list of {prices.date} has no '{settings.model}'; give llm.prices=FILE or unset the cap"
        )
    budgeted = Budgeted(backend, caps, prices, Spend.of(answered, prices), dollars)
    checked = TruncationCheck(budgeted, getattr(backend, "count_tokens", None))
    recording = Recording(SameModel(checked, answered), keep=keep, answered=answered)
    return Retrying(
        recording,
        tries=settings.tries,
        first_wait_seconds=settings.first_wait_seconds,
        longest_wait_seconds=settings.longest_wait_seconds,
        limit=limit_of(settings._target_, settings.base_url, connections_of(settings)),
    )
